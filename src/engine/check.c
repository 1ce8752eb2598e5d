/* check: a check's life between its runs: schedule, result, blocking, waiters, removal. Never
 * touches a socket and never decides a verdict itself (health does). */
#include "engine/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/prior.h"
#include "engine/run.h"

/* Finer than Prometheus' defaults at the low end: a health check takes from under 1 ms to seconds.
 */
const int64_t check_bucket_bounds[CHECK_BUCKETS] = {
    500 * NS_PER_US, NS_PER_MS,      2500 * NS_PER_US, 5 * NS_PER_MS,
    10 * NS_PER_MS,  25 * NS_PER_MS, 50 * NS_PER_MS,   100 * NS_PER_MS,
    250 * NS_PER_MS, NS_PER_S,       5 * NS_PER_S,     30 * NS_PER_S,
};

/* How long after its result a run may take to let go of everything before that is a failure. */
#define STUCK_NS NS_PER_S

struct check_waiter {
    struct check_waiter *next;
    struct check *check;
    void (*done)(void *ctx, struct check *c, const struct check_result *r);
    void *ctx;
};

static void on_next(struct sched_entry *entry, int64_t now);

const struct check_result *check_last(const struct check *c)
{
    return c->n_results ? &c->history[(c->n_results - 1) % CHECK_HISTORY] : NULL;
}

const char *check_warning(const struct check *c)
{
    return c->warning.on && c->health.status == HEALTH_HEALTHY ? c->warning_text : NULL;
}

/* A result in 32 bits: the reason in the upper ones, the duration in steps below. */
#define TREND_STEP (10 * NS_PER_US)
#define TREND_BITS 27
#define TREND_MAX  ((UINT32_C(1) << TREND_BITS) - 1)
_Static_assert(REASON_COUNT <= 1 << (32 - TREND_BITS), "a reason fits its bits");

static uint32_t in_brief(const struct check_result *r)
{
    int64_t steps = r->duration / TREND_STEP;
    return (uint32_t)r->reason << TREND_BITS | (steps < TREND_MAX ? (uint32_t)steps : TREND_MAX);
}

enum reason check_trend(const struct check *c, uint64_t i, int64_t *duration)
{
    uint32_t brief = c->trend[i % CHECK_TREND];
    *duration = (int64_t)(brief & TREND_MAX) * TREND_STEP;
    return (enum reason)(brief >> TREND_BITS);
}

int64_t check_trend_end(const struct check *c, uint64_t i)
{
    return c->engine->started + (int64_t)c->trend_ends[i % CHECK_TREND] * NS_PER_S;
}

bool check_is_stale(const struct check *c, int64_t now)
{
    return c->health.status != HEALTH_BLOCKED && health_is_stale(&c->conf->policy, c->planned, now);
}

bool check_is_down(const struct check *c)
{
    return c->health.status == HEALTH_UNHEALTHY || c->health.status == HEALTH_BLOCKED;
}

static struct check_durations *durations_of(struct engine *e, const struct probe_type *type)
{
    struct check_durations **at = &e->durations;
    while (*at && (*at)->type != type)
        at = &(*at)->next;
    if (!*at && (*at = calloc(1, sizeof **at)))
        (*at)->type = type;
    return *at;
}

struct check *check_new(struct engine *e, struct check_conf *conf)
{
    struct check_durations *durations = durations_of(e, conf->type);
    struct check *c = durations ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->durations = durations;
    c->conf = check_conf_ref(conf);
    c->engine = e;
    c->next.fire = on_next;
    if (conf->history && e->keep && (c->past = calloc(1, sizeof *c->past)))
        c->past->width = conf->history / PAST_SLOTS;
    return c;
}

static void move(struct check *c, enum check_state to)
{
    static const unsigned from[] = {[CHECK_LIVE] = 1 << CHECK_DRAFT,
                                    [CHECK_REMOVED] = 1 << CHECK_DRAFT | 1 << CHECK_LIVE,
                                    [CHECK_CLOSING] = 1 << CHECK_REMOVED};
    assert(from[to] & 1U << c->state);
    c->state = to;
}

static void plan(struct check *c, int64_t at)
{
    assert(c->state == CHECK_LIVE);
    c->planned = at;
    sched_set(&c->engine->sched, &c->next, at);
}

/* Short of memory, runs go without: a kept state only saves work. */
static void open_kept(struct check *c)
{
    const struct probe_type *type = c->conf->type;
    if (!c->engine->keep || !type->kept_size)
        return;
    struct probe_kept *kept = calloc(1, type->kept_size);
    if (!kept)
        return;
    *kept = (struct probe_kept){.conf = c->conf->conf, .env = &c->engine->env, .owner = c};
    c->kept = kept;
    type->kept_open(kept);
}

void check_arm(struct check *c)
{
    int64_t now = clock_now();
    move(c, CHECK_LIVE);
    health_init(&c->health, now);
    c->since_wall = clock_wall();
    open_kept(c);
    plan(c, health_first_start(&c->conf->policy, now, engine_random(c->engine)));
}

static void on_next(struct sched_entry *entry, int64_t now)
{
    struct check *c = container_of(entry, struct check, next);
    if (!c->run) {
        run_start(c);
        return;
    }
    if (run_is_open(c->run)) /* asked for while it is under way: its result will do */
        return;
    int64_t patience = time_add(c->run->finished_at, STUCK_NS);
    if (now < patience) { /* the release, if it comes first, finds it overdue and starts it */
        if (c->planned > now)
            c->planned = now;
        sched_set(&c->engine->sched, &c->next, patience);
        return;
    }
    struct check_result stuck = {
        .started = now,
        .started_wall = clock_wall(),
        .reason = REASON_STUCK,
        .phases = {-1, -1, -1, -1},
        .detail = str_format("%s: the last check could not be ended yet", c->conf->target),
    };
    check_on_result(c, &stuck);
}

static void result_fini(struct check_result *r)
{
    free(r->detail);
    free(r->warning);
}

static void remember_failure(struct check *c, const struct check_result *r)
{
    if (!c->last_failure)
        c->last_failure = calloc(1, sizeof *c->last_failure);
    if (!c->last_failure)
        return;
    char *detail = strdup(r->detail);
    if (!detail)
        return;
    result_fini(c->last_failure);
    *c->last_failure = *r;
    c->last_failure->detail = detail;
}

static void count(struct check *c, const struct check_result *r)
{
    c->checks_total++;
    for (int i = 0; i < PHASE_COUNT; i++)
        c->phases_seen |= r->phases[i] >= 0 ? 1U << i : 0;
    int bucket = 0;
    while (bucket < CHECK_BUCKETS && r->duration > check_bucket_bounds[bucket])
        bucket++;
    c->durations->buckets[bucket]++;
    c->durations->sum += r->duration;
    if (r->reason == REASON_OK) {
        c->last_success_wall = r->started_wall + r->duration;
        return;
    }
    c->failures_total++;
    c->failures_by_reason[r->reason]++;
    remember_failure(c, r);
}

/* Keeps the result; what it held before goes. Never leaves a NULL detail. */
static const struct check_result *store(struct check *c, struct check_result *r)
{
    if (!r->detail)
        r->detail = strdup("");
    if (!r->detail)
        abort(); /* a single byte could not be had: nothing true can be said any more */
    str_printable(r->detail, PROBE_DETAIL_MAX);
    if (r->warning)
        str_printable(r->warning, PROBE_DETAIL_MAX);
    count(c, r);
    struct check_result *slot = &c->history[c->n_results % CHECK_HISTORY];
    result_fini(slot);
    *slot = *r;
    int64_t since = r->started + r->duration - c->engine->started;
    c->trend[c->n_results % CHECK_TREND] = in_brief(r);
    c->trend_ends[c->n_results % CHECK_TREND] = since > 0 ? (uint32_t)(since / NS_PER_S) : 0;
    if (c->past)
        past_add(c->past, since > 0 ? since : 0, r->duration, r->reason == REASON_OK);
    c->n_results++;
    return slot;
}

void check_announce(struct check *c, enum health_status from)
{
    struct engine *e = c->engine;
    c->since_wall = clock_wall();
    c->transitions_total++;
    if (e->hooks.on_transition)
        e->hooks.on_transition(e->hooks.ctx, c, from);
    prior_review_dependents(c);
}

static void answer_waiters(struct check *c, const struct check_result *r)
{
    struct check_waiter *w = c->waiters;
    c->waiters = NULL;
    while (w) {
        struct check_waiter *next = w->next;
        w->done(w->ctx, c, r);
        free(w);
        w = next;
    }
}

static void plan_next(struct check *c)
{
    struct engine *e = c->engine;
    int64_t now = clock_now();
    if (c->health.status == HEALTH_BLOCKED)
        return;
    if (e->hooks.next_delay) {
        int64_t delay = e->hooks.next_delay(e->hooks.ctx, c);
        if (delay >= 0)
            plan(c, time_add(now, delay));
        return;
    }
    plan(c, health_next_start(&c->health, &c->conf->policy, now, engine_random(e)));
}

void check_replan(struct check *c)
{
    if (!c->run || !run_is_open(c->run))
        plan_next(c);
}

void check_rest(struct check *c)
{
    sched_clear(&c->engine->sched, &c->next);
    if (c->run && !c->waiters)
        run_drop(c->run);
}

static bool apply(struct check *c, struct check_result *r)
{
    enum health_outcome outcome = r->reason == REASON_OK         ? HEALTH_SUCCESS
                                  : r->reason == REASON_INTERNAL ? HEALTH_UNABLE
                                                                 : HEALTH_FAILURE;
    int64_t end = r->started + r->duration;
    if (outcome == HEALTH_SUCCESS)
        prior_drop(c, HEALTH_OVERTAKEN);
    return health_apply(&c->health, &c->conf->policy, outcome, prior_of(c, end), r->started, end,
                        &r->counted);
}

/* Its words are those of the last success that had some; short of memory there is no warning. */
static void apply_warning(struct check *c, const char *text)
{
    char *copy = text ? strdup(text) : NULL;
    warning_apply(&c->warning, &c->conf->policy, copy != NULL);
    if (copy || !c->warning.on) {
        free(c->warning_text);
        c->warning_text = copy;
    }
}

void check_on_result(struct check *c, struct check_result *r)
{
    struct engine *e = c->engine;
    enum health_status from = c->health.status;
    bool warned = check_warning(c) != NULL, changed = apply(c, r);
    const struct check_result *stored = store(c, r);
    if (stored->reason == REASON_OK)
        apply_warning(c, stored->warning);
    if (!e->hooks.next_delay)
        plan_next(c);
    if (changed)
        check_announce(c, from);
    else if (e->hooks.on_warning && warned != (check_warning(c) != NULL))
        e->hooks.on_warning(e->hooks.ctx, c);
    if (e->hooks.on_result)
        e->hooks.on_result(e->hooks.ctx, c, stored);
    if (e->hooks.next_delay) /* it asks what came of the result */
        plan_next(c);
    if (stored->counted == HEALTH_WAITS)
        prior_wait(c, stored);
    prior_review_dependents(c);
    answer_waiters(c, stored);
}

static void check_free(struct check *c)
{
    for (size_t i = 0; i < CHECK_HISTORY; i++)
        result_fini(&c->history[i]);
    if (c->last_failure)
        result_fini(c->last_failure);
    free(c->last_failure);
    free(c->past);
    free(c->warning_text);
    free(c->members);
    free(c->after);
    free(c->dependents);
    check_conf_unref(c->conf);
    struct engine *e = c->engine;
    free(c);
    engine_on_check_gone(e);
}

/* A removed check goes step by step: run, kept state, memory. */
static void wind_up(struct check *c)
{
    if (c->run)
        return;
    move(c, CHECK_CLOSING);
    if (c->kept)
        c->conf->type->kept_close(c->kept);
    else
        check_free(c);
}

void check_on_kept_closed(struct check *c)
{
    assert(c->state == CHECK_CLOSING);
    free(c->kept);
    check_free(c);
}

void check_on_release(struct check *c)
{
    if (c->state == CHECK_REMOVED)
        wind_up(c);
    else if (c->next.pos && c->planned <= clock_now())
        sched_set(&c->engine->sched, &c->next, clock_now());
}

void check_remove(struct check *c)
{
    move(c, CHECK_REMOVED);
    c->n_after = c->n_dependents = 0;
    sched_clear(&c->engine->sched, &c->next);
    answer_waiters(c, NULL);
    if (c->run)
        run_drop(c->run);
    else
        wind_up(c);
}

void check_start_now(struct check *c)
{
    if (!c->run || !run_is_open(c->run))
        sched_set(&c->engine->sched, &c->next, clock_now());
}

struct check_waiter *
engine_check_now(struct engine *e, struct check *c,
                 void (*done)(void *ctx, struct check *c, const struct check_result *r), void *ctx)
{
    assert(c->engine == e && c->state == CHECK_LIVE);
    struct check_waiter *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    *w = (struct check_waiter){.next = c->waiters, .check = c, .done = done, .ctx = ctx};
    c->waiters = w;
    check_start_now(c);
    return w;
}

void engine_check_now_cancel(struct check_waiter *w)
{
    struct check_waiter **at = &w->check->waiters;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    free(w);
}
