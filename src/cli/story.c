/* story: see story.h. What is to come is not reckoned by rules of its own: the state machine itself
 * is run ahead. */
#include "cli/story.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"

#define FORESEEN 100000 /* checks */
#define LINE_MAX 2048

struct story_turn story_turn(const struct health_policy *policy, struct health_state state,
                             int64_t next_in, enum health_outcome outcome)
{
    struct story_turn turn = {0};
    int64_t at = next_in;
    for (uint32_t n = 1; n <= FORESEEN; n++) {
        enum health_counted counted;
        bool changed = health_apply(&state, policy, outcome, HEALTH_PRIOR_GOOD, at, at, &counted);
        turn.uncounted += counted != HEALTH_COUNTED;
        if (changed) {
            turn.checks = n;
            turn.in = at;
            return turn;
        }
        at = health_next_start(&state, policy, at, 0);
    }
    return turn;
}

/* ---- Words ---- */

/* One line; what an agent sends is not trusted. */
static void say(struct buf *out, char *line)
{
    struct buf shown;
    buf_init(&shown, LINE_MAX * 8);
    if (line)
        text_escape(&shown, line);
    buf_printf(out, "# %s\n", shown.data ? shown.data : "");
    buf_fini(&shown);
    free(line);
}

static char *ago(const struct story *s, int64_t then, char out[VIEW_SPAN_SIZE])
{
    return view_span(then ? s->now - then : 0, out);
}

/* "in 24s, at 2026-01-02T03:04:05.678Z" */
static const char *when(const struct story *s, int64_t in, char out[96])
{
    char span[VIEW_SPAN_SIZE], stamp[CLOCK_RFC3339_SIZE];
    clock_rfc3339(time_add(s->now, in), stamp);
    snprintf(out, 96, "in %s, at %s", view_span(in, span), stamp);
    return out;
}

static const char *plural(int64_t n)
{
    return n == 1 ? "" : "s";
}

/* ---- The state ---- */

static char *streak_text(const struct story *s)
{
    const struct view *v = s->view;
    const struct health_policy *p = s->policy;
    if (view_is(v, "unhealthy") && v->success_streak)
        return str_format(
            ", now with %" PRId64 " success%s in a row, of success_threshold = %u by %s",
            v->success_streak, v->success_streak == 1 ? "" : "es", p->success_threshold, s->by);
    if (v->failing_streak)
        return str_format(", with %" PRId64 " failure%s in a row that count%s; retries = %u by %s",
                          v->failing_streak, plural(v->failing_streak),
                          v->failing_streak == 1 ? "s" : "", p->retries, s->by);
    if (v->success_streak)
        return str_format(", with %" PRId64 " success%s in a row", v->success_streak,
                          v->success_streak == 1 ? "" : "es");
    return str_format("%s", v->last.there ? "" : ", not checked yet");
}

static void tell_state(struct buf *out, const struct story *s)
{
    const struct view *v = s->view;
    char stamp[CLOCK_RFC3339_SIZE] = "a time not known", span[VIEW_SPAN_SIZE];
    if (v->since)
        clock_rfc3339(v->since, stamp);
    if (view_is(v, "blocked")) {
        say(out, str_format("blocked since %s (%s ago): it comes after %s, which is %s; so it is "
                            "not checked and not blamed",
                            stamp, ago(s, v->since, span), s->held_by ? s->held_by : "a probe",
                            s->held_by ? s->held_status : "not healthy"));
        return;
    }
    char *streak = streak_text(s);
    say(out, str_format("%s since %s (%s ago)%s", v->status, stamp, ago(s, v->since, span),
                        streak ? streak : ""));
    free(streak);
    if (v->stale)
        say(out, str_format("stale: the check that was due has not ended, so this is the state "
                            "from before, and it is never shown as healthy"));
}

/* ---- The last results ---- */

static void tell_result(struct buf *out, const struct story *s, const struct view_result *r)
{
    char took[CLOCK_SHORT_SIZE], span[VIEW_SPAN_SIZE];
    clock_short(r->took, took);
    say(out, str_format("  %s ago: %s after %s, %s%s%s; counted: %s", ago(s, r->started, span),
                        r->ok ? "succeeded" : "failed", took, r->reason, *r->reason ? ": " : "",
                        r->detail, *r->counted ? r->counted : "not known"));
}

static void tell_results(struct buf *out, const struct story *s)
{
    const json_t *history = s->view->history;
    size_t n = json_array_size(history);
    if (!n)
        return;
    say(out, str_format("the last results, newest first:"));
    for (size_t i = n; i > 0; i--) {
        struct view_result r;
        view_read_result(&r, json_array_get(history, i - 1));
        tell_result(out, s, &r);
    }
}

/* ---- What is to come ---- */

/* Has a check succeeded since it is starting? Then failures count at once. */
static bool has_succeeded(const struct view *v)
{
    if (v->success_streak)
        return true;
    for (size_t i = 0; i < json_array_size(v->history); i++) {
        struct view_result r;
        view_read_result(&r, json_array_get(v->history, i));
        if (r.ok && r.started >= v->since)
            return true;
    }
    return false;
}

static uint32_t clip(int64_t n)
{
    return n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
}

static struct health_state state_of(const struct story *s, int64_t age)
{
    const struct view *v = s->view;
    enum health_status status = view_is(v, "healthy")     ? HEALTH_HEALTHY
                                : view_is(v, "unhealthy") ? HEALTH_UNHEALTHY
                                                          : HEALTH_STARTING;
    return (struct health_state){
        .status = status,
        .ever_succeeded = status != HEALTH_STARTING || has_succeeded(v),
        .failing_streak = clip(v->failing_streak),
        .success_streak = clip(v->success_streak),
        .started = -age,
        .since = -age,
    };
}

static void tell_to_unhealthy(struct buf *out, const struct story *s, int64_t age)
{
    char at[96], ends[VIEW_SPAN_SIZE], why[128] = "";
    struct story_turn turn =
        story_turn(s->policy, state_of(s, age), s->view->next_in, HEALTH_FAILURE);
    uint32_t n = turn.checks - turn.uncounted;
    if (!turn.checks)
        return;
    if (turn.uncounted)
        snprintf(why, sizeof why, " that start after start_period, which ends in %s",
                 view_span(s->policy->start_period - age, ends));
    say(out, str_format("by %s, it becomes unhealthy after %u %sfailure%s%s%s: at the earliest %s",
                        s->by, n, s->view->failing_streak ? "more " : "", plural(n),
                        n > 1 ? " in a row" : "", why, when(s, turn.in, at)));
}

static void tell_to_healthy(struct buf *out, const struct story *s, int64_t age)
{
    char at[96];
    struct story_turn turn =
        story_turn(s->policy, state_of(s, age), s->view->next_in, HEALTH_SUCCESS);
    if (!turn.checks)
        return;
    say(out, str_format("by %s, it becomes healthy after %u %ssuccess%s: at the earliest %s", s->by,
                        turn.checks, s->view->success_streak ? "more " : "",
                        turn.checks == 1 ? "" : "es in a row", when(s, turn.in, at)));
}

static void tell_next(struct buf *out, const struct story *s)
{
    char at[96];
    const struct view *v = s->view;
    if (view_is(v, "blocked")) {
        say(out, str_format("once %s is neither unhealthy nor blocked it is checked at once, and "
                            "is starting afresh",
                            s->held_by ? s->held_by : "a probe in its after"));
        return;
    }
    if (v->next_in < 0)
        return;
    if (v->next_in == 0)
        say(out, str_format("a check is under way or due now"));
    else
        say(out, str_format("the next check starts %s", when(s, v->next_in, at)));
    int64_t age = v->since && s->now > v->since ? s->now - v->since : 0;
    if (!view_is(v, "healthy"))
        tell_to_healthy(out, s, age);
    if (!view_is(v, "unhealthy"))
        tell_to_unhealthy(out, s, age);
}

void story_tell(struct buf *out, const struct story *s)
{
    tell_state(out, s);
    if (*s->view->warning)
        say(out, str_format("a warning, which makes nothing fail: %s", s->view->warning));
    tell_results(out, s);
    tell_next(out, s);
}
