/* check: a check's life between its runs: schedule, result, blocking, waiters, removal. Never
 * touches a socket and never decides a verdict itself (health does). */
#include "engine/check.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/recall.h"
#include "engine/record.h"
#include "engine/run.h"

/* How long after its result a run may take to let go of everything before that is a failure. While
 * the program was stopped, a run could let go of nothing: that time does not count. */
#define STUCK_NS NS_PER_S

struct check_waiter {
    struct check_waiter *next, **link; /* what points to it */
    void (*done)(void *ctx, struct check *c, const struct check_result *r);
    void *ctx;
};

static void on_next(struct sched_entry *entry, int64_t now);
static void on_result(struct check *c, struct check_result *r);
static void on_release(struct check *c);

static const struct run_owner run_owner = {.on_result = on_result, .on_release = on_release};

const char *check_warning(const struct check *c)
{
    return c->warning.on && c->health.status == HEALTH_HEALTHY ? c->warning_text : NULL;
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

/* A number that spreads starts and guards nothing. */
static uint32_t lot(void)
{
    return (uint32_t)random() << 1;
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
    plan(c, health_first_start(&c->conf->policy, now, lot()));
}

static void on_next(struct sched_entry *entry, int64_t now)
{
    struct check *c = container_of(entry, struct check, next);
    if (!c->run) {
        run_start(c, &run_owner);
        return;
    }
    if (run_is_open(c->run)) /* asked for while it is under way: its result will do */
        return;
    int64_t stall_end = c->engine->sched.stall_end, finished_at = c->run->finished_at;
    int64_t patience = time_add(stall_end > finished_at ? stall_end : finished_at, STUCK_NS);
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
    on_result(c, &stuck);
}

static void take_out(struct check_waiter *w)
{
    *w->link = w->next;
    if (w->next)
        w->next->link = w->link;
}

/* `done` may ask again, which is for the next result, and call others off. */
static void answer_waiters(struct check *c, const struct check_result *r)
{
    struct check_waiter *left = c->waiters, *w;
    c->waiters = NULL;
    if (left)
        left->link = &left;
    while ((w = left)) {
        take_out(w);
        w->done(w->ctx, c, r);
        free(w);
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
    plan(c, health_next_start(&c->health, &c->conf->policy, now, lot()));
}

/* Its status is another than a moment ago: plans the next start by it, unless a run is under way or
 * due. Somebody may have asked for that one. */
static void replan(struct check *c)
{
    int64_t now = clock_now();
    bool is_due = c->next.pos && (c->next.due <= now || c->planned <= now);
    if (!is_due && (!c->run || !run_is_open(c->run)))
        plan_next(c);
}

/* Blocked from now on: nothing is planned and a run is dropped, unless somebody asked for it. */
static void rest(struct check *c)
{
    if (c->waiters)
        return;
    sched_clear(&c->engine->sched, &c->next);
    if (c->run)
        run_drop(c->run);
}

/* Checks it now; a run under way will do, its result comes. `planned` stays. */
static void start_now(struct check *c)
{
    if (!c->run || !run_is_open(c->run))
        sched_set(&c->engine->sched, &c->next, clock_now());
}

/* ---- What it owes to those that it comes `after`: it is blocked while one of them is down, and a
 * failure of its own waits until all of them have answered. The rule itself is health's. ---- */

static void announce(struct check *c, enum health_status from);

/* What the checks before it say of a failure that ended at `failed`. */
static enum health_prior prior_of(const struct check *c, int64_t failed)
{
    enum health_prior worst = HEALTH_PRIOR_GOOD;
    for (size_t i = 0; i < c->n_after; i++) {
        const struct check_result *last = check_last(c->after[i]);
        struct health_evidence evidence = {0};
        if (last)
            evidence = (struct health_evidence){true, last->reason == REASON_OK, last->started};
        enum health_prior prior = health_prior(&evidence, 1, failed);
        if (prior > worst)
            worst = prior;
    }
    return worst;
}

static void ask(const struct check *c)
{
    for (size_t i = 0; i < c->n_after; i++) {
        const struct check_result *last = check_last(c->after[i]);
        if (!last || last->started < c->doubt_ended)
            start_now(c->after[i]);
    }
}

static void doubt(struct check *c, const struct check_result *r)
{
    c->doubt_started = r ? r->started : 0;
    c->doubt_ended = r ? r->started + r->duration : 0;
}

/* A failure waits (HEALTH_WAITS): those that have not answered since are checked now. It is kept
 * until they have, however many more failures follow. */
static void prior_wait(struct check *c, const struct check_result *failure)
{
    if (!c->doubt_ended)
        doubt(c, failure);
    ask(c);
}

/* No failure waits any more: `why` is told of each. */
static void prior_drop(struct check *c, enum health_counted why)
{
    struct check_result *r;
    if (!c->doubt_ended)
        return;
    while ((r = record_oldest_waiting(c)))
        record_decide(r, why);
    record_decide(c->last_failure, why);
    doubt(c, NULL);
}

/* The oldest failure that waits is decided; it may have left the history meanwhile. */
static void decide(struct check *c, enum health_counted counted)
{
    struct check_result *r = record_oldest_waiting(c);
    if (r && r->started == c->doubt_started)
        record_decide(r, counted);
    if (c->last_failure && c->last_failure->started == c->doubt_started)
        record_decide(c->last_failure, counted);
    doubt(c, record_oldest_waiting(c));
}

static void settle(struct check *c)
{
    while (c->doubt_ended) {
        enum health_status from = c->health.status;
        enum health_counted counted;
        bool changed = health_decide(&c->health, &c->conf->policy, prior_of(c, c->doubt_ended),
                                     c->doubt_started, clock_now(), &counted);
        if (counted == HEALTH_WAITS) {
            ask(c);
            return;
        }
        if (counted == HEALTH_EXCUSED) {
            prior_drop(c, counted);
            return;
        }
        decide(c, counted);
        replan(c); /* a failure that counts may ask for fail_interval */
        if (changed)
            announce(c, from);
    }
}

static bool held_back(const struct check *c)
{
    for (size_t i = 0; i < c->n_after; i++)
        if (check_is_down(c->after[i]))
            return true;
    return false;
}

void check_review(struct check *c)
{
    enum health_status from = c->health.status;
    if (c->state != CHECK_LIVE)
        return;
    bool held = held_back(c);
    if (held ? health_block(&c->health, clock_now()) : health_unblock(&c->health, clock_now())) {
        prior_drop(c, HEALTH_EXCUSED);
        if (held) {
            rest(c);
        } else {
            c->planned = clock_now();
            start_now(c);
        }
        announce(c, from);
    }
    settle(c);
}

static void review_dependents(struct check *c)
{
    for (size_t i = 0; i < c->n_dependents; i++)
        check_review(c->dependents[i]);
}

/* Tells everybody that its status changed. */
static void announce(struct check *c, enum health_status from)
{
    struct engine *e = c->engine;
    c->since_wall = clock_wall();
    c->transitions_total++;
    if (e->hooks.on_transition)
        e->hooks.on_transition(e->hooks.ctx, c, from);
    review_dependents(c);
}

/* ---- Results ---- */

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

static void on_result(struct check *c, struct check_result *r)
{
    struct engine *e = c->engine;
    enum health_status from = c->health.status;
    bool warned = check_warning(c) != NULL, changed = apply(c, r);
    const struct check_result *stored = record_add(c, r);
    if (stored->reason == REASON_OK)
        apply_warning(c, stored->warning);
    if (!e->hooks.next_delay)
        plan_next(c);
    if (changed)
        announce(c, from);
    else if (e->hooks.on_warning && warned != (check_warning(c) != NULL))
        e->hooks.on_warning(e->hooks.ctx, c);
    if (e->hooks.on_result)
        e->hooks.on_result(e->hooks.ctx, c, stored);
    if (e->hooks.next_delay) /* it asks what came of the result */
        plan_next(c);
    if (stored->counted == HEALTH_WAITS)
        prior_wait(c, stored);
    review_dependents(c);
    answer_waiters(c, stored);
}

static void check_free(struct check *c)
{
    recall_keep(c, NULL);
    record_fini(c);
    free(c->warning_text);
    free(c->members);
    free(c->after);
    free(c->dependents);
    check_conf_unref(c->conf);
    struct engine *e = c->engine;
    free(c);
    e->on_check_gone(e);
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

static void on_release(struct check *c)
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

struct check_waiter *
engine_check_now(struct engine *e, struct check *c,
                 void (*done)(void *ctx, struct check *c, const struct check_result *r), void *ctx)
{
    assert(c->engine == e && c->state == CHECK_LIVE);
    struct check_waiter *w = malloc(sizeof *w);
    if (!w)
        return NULL;
    *w = (struct check_waiter){.next = c->waiters, .link = &c->waiters, .done = done, .ctx = ctx};
    if (w->next)
        w->next->link = &w->next;
    c->waiters = w;
    start_now(c);
    return w;
}

void engine_check_now_cancel(struct check_waiter *w)
{
    take_out(w);
    free(w);
}
