/* health: see health.h. */
#include "health/health.h"

#define NS_PER_S INT64_C(1000000000)

/* Unmade checks in a row that are forgiven before they count as failures. */
#define UNABLE_FORGIVEN 2

const char *health_status_name(enum health_status status)
{
    static const char *const names[] = {"starting", "healthy", "unhealthy", "blocked"};
    return names[status];
}

static int64_t add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

void health_init(struct health_state *s, int64_t now)
{
    *s = (struct health_state){.status = HEALTH_STARTING, .started = now, .since = now};
}

static bool turn(struct health_state *s, enum health_status to, int64_t now)
{
    if (s->status == to)
        return false;
    s->status = to;
    s->since = now;
    return true;
}

static bool succeed(struct health_state *s, const struct health_policy *p, int64_t end)
{
    s->ever_succeeded = true;
    s->failing_streak = 0;
    if (s->success_streak < UINT32_MAX)
        s->success_streak++;
    return s->success_streak >= p->success_threshold && turn(s, HEALTH_HEALTHY, end);
}

static bool fail(struct health_state *s, const struct health_policy *p, int64_t end)
{
    s->success_streak = 0;
    if (s->failing_streak < UINT32_MAX)
        s->failing_streak++;
    return s->failing_streak >= p->retries && turn(s, HEALTH_UNHEALTHY, end);
}

/* moby handleProbeResult: a failure is forgiven only while starting, and by the START of its check.
 * There the first success ends `starting`; with a success_threshold it must be remembered. */
static bool in_grace(const struct health_state *s, const struct health_policy *p, int64_t start)
{
    return s->status == HEALTH_STARTING && !s->ever_succeeded &&
           start - s->started < p->start_period;
}

enum health_prior health_prior(const struct health_evidence *of, size_t n, int64_t failed)
{
    enum health_prior prior = HEALTH_PRIOR_GOOD;
    for (size_t i = 0; i < n; i++) {
        if (of[i].answered && !of[i].ok)
            return HEALTH_PRIOR_FAILS;
        if (!of[i].answered || of[i].started < failed)
            prior = HEALTH_PRIOR_UNKNOWN;
    }
    return prior;
}

bool health_decide(struct health_state *s, const struct health_policy *p, enum health_prior prior,
                   int64_t start, int64_t end, enum health_counted *counted)
{
    *counted = HEALTH_COUNTED;
    if (in_grace(s, p, start)) {
        *counted = HEALTH_IN_START_PERIOD;
        return false;
    }
    if (prior == HEALTH_PRIOR_FAILS) {
        *counted = HEALTH_EXCUSED;
        return false;
    }
    /* One that is unhealthy already has nothing to wait for. */
    if (prior == HEALTH_PRIOR_UNKNOWN && s->status != HEALTH_UNHEALTHY) {
        *counted = HEALTH_WAITS;
        return false;
    }
    return fail(s, p, end);
}

bool health_apply(struct health_state *s, const struct health_policy *p,
                  enum health_outcome outcome, enum health_prior prior, int64_t start, int64_t end,
                  enum health_counted *counted)
{
    enum health_counted ignored;
    if (!counted)
        counted = &ignored;
    *counted = HEALTH_COUNTED;
    if (outcome == HEALTH_UNABLE) {
        if (s->internal_streak < UINT32_MAX)
            s->internal_streak++;
        if (s->internal_streak <= UNABLE_FORGIVEN) {
            *counted = HEALTH_NOT_OURS_TO_BLAME;
            return false;
        }
    } else {
        s->internal_streak = 0;
    }
    if (s->status == HEALTH_BLOCKED) {
        *counted = HEALTH_WAS_BLOCKED;
        return false;
    }
    return outcome == HEALTH_SUCCESS ? succeed(s, p, end)
                                     : health_decide(s, p, prior, start, end, counted);
}

bool health_block(struct health_state *s, int64_t now)
{
    s->failing_streak = s->success_streak = s->internal_streak = 0;
    return turn(s, HEALTH_BLOCKED, now);
}

bool health_unblock(struct health_state *s, int64_t now)
{
    if (s->status != HEALTH_BLOCKED)
        return false;
    health_init(s, now);
    return true;
}

/* interval * factor, stuck at the end of the range. */
static int64_t scale(int64_t interval, double factor)
{
    double scaled = (double)interval * factor;
    return scaled >= (double)INT64_MAX ? INT64_MAX : (int64_t)scaled;
}

int64_t health_first_start(const struct health_policy *p, int64_t now, uint32_t random)
{
    double part = p->jitter_percent / 100.0 * random / (double)UINT32_MAX;
    return add(add(now, p->initial_delay), scale(p->interval, part));
}

/* moby monitor's getInterval, with fail_interval where Docker has but one interval. */
static int64_t choose_interval(const struct health_state *s, const struct health_policy *p,
                               int64_t now)
{
    if (s->status == HEALTH_STARTING && now - s->started < p->start_period)
        return p->start_interval;
    bool steady = s->status == HEALTH_HEALTHY && s->failing_streak == 0;
    if (!steady && p->fail_interval > 0)
        return p->fail_interval;
    return p->interval;
}

int64_t health_next_start(const struct health_state *s, const struct health_policy *p, int64_t now,
                          uint32_t random)
{
    int64_t interval = choose_interval(s, p, now);
    if (s->internal_streak > 0 && s->internal_streak <= UNABLE_FORGIVEN && interval > NS_PER_S)
        interval = NS_PER_S; /* nothing was learned: try again soon */
    if (p->jitter_percent) {
        double half = p->jitter_percent / 200.0;
        interval = scale(interval, 1.0 - half + 2 * half * random / (double)UINT32_MAX);
    }
    return add(now, interval);
}

bool health_is_stale(const struct health_policy *p, int64_t planned, int64_t now)
{
    return now > add(planned, add(add(p->interval, p->timeout), NS_PER_S));
}
