/* advice: see advice.h. */
#include "config/advice.h"

#include "config/duration.h"

static bool is_option(const struct probe_value *v)
{
    return v->given && !v->line;
}

/* These two speak of what a section says itself: what [defaults] or an option says is no advice to
 * give again at every probe. */
void advice_on_timeout(const struct table *t, struct source *s)
{
    const struct probe_value *timeout = &t->values[COMMON_TIMEOUT],
                             *interval = &t->values[COMMON_INTERVAL];
    bool timeout_here = t->slots[COMMON_TIMEOUT].word, here = t->slots[COMMON_INTERVAL].word;
    if (!s->file || is_option(timeout) || is_option(interval) || !(timeout_here || here) ||
        timeout->num <= interval->num)
        return;
    char shown[2][DURATION_SIZE];
    if (!timeout->given) {
        duration_format(interval->num, shown[1]);
        source_problem(s, false, interval->line, "timeout",
                       "is %s where it is not written, over the interval of %s: a target that "
                       "hangs is checked less often than that, expected timeout = %s or less",
                       duration_format(timeout->num, shown[0]), shown[1], shown[1]);
        return;
    }
    source_problem(s, false, timeout_here ? timeout->line : interval->line, "timeout",
                   "%s is over the interval of %s: a target that hangs is checked less often than "
                   "that, expected at most the interval",
                   duration_format(timeout->num, shown[0]),
                   duration_format(interval->num, shown[1]));
}

void advice_on_start_interval(const struct table *t, struct source *s)
{
    if (s->file && t->slots[COMMON_START_INTERVAL].word && t->values[COMMON_START_PERIOD].num == 0)
        source_problem(s, false, t->values[COMMON_START_INTERVAL].line, "start_interval",
                       "has no effect without start_period, expected both");
}

void advice_on_warn_after(const struct table *t, struct source *s)
{
    char shown[2][DURATION_SIZE];
    int64_t timeout = t->values[COMMON_TIMEOUT].num, after = t->values[COMMON_WARN_AFTER].num;
    if (s->file && t->slots[COMMON_WARN_AFTER].word && after >= timeout)
        source_problem(s, false, t->values[COMMON_WARN_AFTER].line, "warn_after",
                       "%s is not below the timeout of %s: no check is that slow",
                       duration_format(after, shown[0]), duration_format(timeout, shown[1]));
}
