/* run: owns one attempt's deadline, phases and memory, and sees to it that it finishes once and is
 * released once. What it lends to the types is in host.c. */
#include "engine/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/recall.h"

static struct probe_run *probe_of(struct run *r)
{
    return (struct probe_run *)(void *)r->memory;
}

static void move(struct run *r, enum run_state to)
{
    static const unsigned from[] = {
        [RUN_DOUBTED] = 1 << RUN_OPEN,
        [RUN_FINISHED] = 1 << RUN_OPEN | 1 << RUN_DOUBTED,
        [RUN_CANCELLED] = 1 << RUN_FINISHED,
        [RUN_RELEASED] = 1 << RUN_DOUBTED | 1 << RUN_FINISHED | 1 << RUN_CANCELLED,
    };
    assert(from[to] & 1U << r->state);
    r->state = to;
}

/* May free the run. */
static void cancel(struct run *r)
{
    int64_t now = clock_now();
    if (r->state >= RUN_CANCELLED)
        return;
    move(r, RUN_CANCELLED);
    if (probe_of(r)->deadline > now) /* a connection in use waits for no parting word */
        probe_of(r)->deadline = now;
    if (!r->in_start)
        r->conf->type->cancel(probe_of(r));
}

void run_close_phase(struct run *r, int64_t now)
{
    if (r->phase >= 0)
        r->phases[r->phase] += now - r->phase_began;
}

static void settle(struct run *r, int64_t now)
{
    move(r, RUN_FINISHED);
    r->finished_at = now;
    sched_clear(&r->check->engine->sched, &r->deadline);
}

void run_warn(struct run *r, char *text)
{
    if (r->warning && strstr(r->warning, text)) { /* each hop of a redirect may say the same */
        free(text);
        return;
    }
    char *both = r->warning ? str_format("%s; %s", r->warning, text) : text;
    if (r->warning)
        free(text);
    if (!both)
        return;
    free(r->warning);
    r->warning = both;
}

/* What is to be looked at of a target that works; NULL: nothing, or no memory. */
static char *take_warning(struct run *r, int64_t took)
{
    char shown[2][CLOCK_SHORT_SIZE];
    int64_t most = r->conf->warn_after;
    char *slow = most && took > most
                     ? str_format("it took %s, warn_after is %s", clock_short(took, shown[0]),
                                  clock_short(most, shown[1]))
                     : NULL;
    if (slow)
        run_warn(r, slow);
    char *text = r->warning;
    r->warning = NULL;
    return text ? mask_apply(&r->conf->mask, text) : NULL;
}

/* The one way a result leaves a run. Takes `detail`, which may be NULL (out of memory). */
static void finish(struct run *r, enum reason reason, char *detail)
{
    int64_t now = clock_now(), started = probe_of(r)->started;
    r->failed = reason != REASON_OK;
    if (r->failed)
        recall_forget(r->check, r->relies);
    char *warning = reason == REASON_OK ? take_warning(r, now - started) : NULL;
    settle(r, now);
    run_close_phase(r, now);
    struct check_result result = {
        .started = started,
        .started_wall = r->started_wall,
        .duration = now - started,
        .reason = reason,
        .gone = r->gone,
        .http_status = r->http_status,
        .detail = detail,
        .warning = warning,
    };
    memcpy(result.phases, r->phases, sizeof result.phases);
    r->owner->on_result(r->check, &result);
}

/* While the program was stopped (SIGSTOP, a frozen cgroup, a sleeping machine) or starved,
 * deadlines passed unseen: a timeout of a run that lived through it says nothing. Whatever truly
 * came from the target is judged. */
static bool is_excused(const struct run *r, enum reason reason)
{
    const struct sched *s = &r->check->engine->sched;
    return reason == REASON_TIMEOUT && s->stall_end &&
           s->stall_end >= probe_of((struct run *)(uintptr_t)r)->started;
}

/* A deadline seen this late says as much of the loop as of the target. */
#define LATE_NS (10 * NS_PER_MS)

/* The deadline was seen late: what arrived in time may lie unread, and what is to be said next was
 * not said. So the run gets that time back, once, and at most another whole timeout. */
static bool give_back(struct run *r, int64_t now)
{
    int64_t late = now - r->deadline.due;
    if (r->was_late || late < LATE_NS)
        return false;
    r->was_late = true;
    sched_set(&r->check->engine->sched, &r->deadline,
              time_add(now, late < r->timeout ? late : r->timeout));
    return true;
}

/* Takes the failure that was doubted. */
static void finish_doubted(struct run *r)
{
    char *detail = r->doubted.detail;
    r->doubted.detail = NULL;
    finish(r, r->doubted.reason, mask_apply(&r->conf->mask, detail));
}

static void on_deadline(struct sched_entry *entry, int64_t now)
{
    static const char *const awaited[PHASE_COUNT] = {"the name lookup", "the connection",
                                                     "the TLS handshake", "the reply"};
    struct run *r = container_of(entry, struct run, deadline);
    if (give_back(r, now))
        return;
    if (r->doubted.detail) {
        finish_doubted(r);
        cancel(r);
        return;
    }
    char budget[CLOCK_SHORT_SIZE];
    clock_short(r->timeout, budget);
    if (r->describe)
        r->describe(probe_of(r), r->note);
    const char *known = r->note[0] ? r->note : r->conf->target;
    char *detail = r->phase >= 0 ? str_format("%s: gave up after %s, waiting for %s", known, budget,
                                              awaited[r->phase])
                                 : str_format("%s: gave up after %s", known, budget);
    run_finish(r, REASON_TIMEOUT, detail);
    cancel(r);
}

static struct run *run_new(struct check *c)
{
    struct run *r = calloc(1, sizeof *r + c->conf->type->run_size);
    if (!r)
        return NULL;
    r->check = c;
    r->conf = check_conf_ref(c->conf);
    r->deadline.fire = on_deadline;
    r->phase = -1;
    for (int i = 0; i < PHASE_COUNT; i++)
        r->phases[i] = -1;
    r->started_wall = clock_wall();
    return r;
}

static void launch(struct run *r, int64_t started, int64_t deadline);

static void run_free(struct run *r)
{
    struct check *c = r->check;
    const struct run_owner *owner = r->owner;
    struct run *again = r->again;
    int64_t started = probe_of(r)->started, deadline = probe_of(r)->deadline;
    c->run = again;
    check_conf_unref(r->conf);
    free(r->doubted.detail);
    free(r->warning);
    free(r);
    if (again)
        launch(again, started, deadline);
    else
        owner->on_release(c);
}

static void launch(struct run *r, int64_t started, int64_t deadline)
{
    struct engine *e = r->check->engine;
    struct probe_run *probe = probe_of(r);
    *probe = (struct probe_run){
        .conf = r->conf->conf,
        .env = &e->env,
        .kept = r->check->kept,
        .started = started,
        .deadline = deadline,
        .owner = r,
    };
    sched_set(&e->sched, &r->deadline, deadline);
    r->in_start = true;
    r->conf->type->start(probe);
    r->in_start = false;
    if (r->state == RUN_RELEASED)
        run_free(r);
    else if (r->state == RUN_CANCELLED)
        r->conf->type->cancel(probe);
}

void run_start(struct check *c, const struct run_owner *owner)
{
    struct engine *e = c->engine;
    struct run *r = run_new(c);
    if (!r) {
        struct check_result result = {.started = clock_now(),
                                      .started_wall = clock_wall(),
                                      .reason = REASON_INTERNAL,
                                      .phases = {-1, -1, -1, -1},
                                      .detail = str_format("out of memory")};
        owner->on_result(c, &result);
        return;
    }
    c->run = r;
    r->owner = owner;
    r->timeout =
        e->hooks.run_timeout ? e->hooks.run_timeout(e->hooks.ctx, c) : c->conf->policy.timeout;
    int64_t now = clock_now();
    launch(r, now, time_add(now, r->timeout));
}

/* A failure that may be the fault of what was remembered: false where there is no doubt. */
static bool doubt(struct run *r, enum reason reason, char *detail)
{
    if (!r->relies || !detail || r->doubted.detail || reason == REASON_OK ||
        reason == REASON_TIMEOUT || reason == REASON_INTERNAL)
        return false;
    move(r, RUN_DOUBTED);
    r->failed = true;
    r->doubted.reason = reason;
    r->doubted.detail = detail;
    recall_forget(r->check, true);
    return true;
}

/* It is released: the same again, in what is left of its time. Short of memory what was found
 * stands. */
static void plan_again(struct run *r)
{
    struct run *again = run_new(r->check);
    if (!again) {
        finish_doubted(r);
        return;
    }
    again->owner = r->owner;
    again->timeout = r->timeout;
    again->started_wall = r->started_wall;
    again->was_late = r->was_late;
    again->doubted = r->doubted;
    r->doubted.detail = NULL;
    r->again = again;
    sched_clear(&r->check->engine->sched, &r->deadline);
}

void run_drop(struct run *r)
{
    if (run_is_open(r))
        settle(r, clock_now());
    cancel(r);
}

void run_finish(struct run *r, enum reason reason, char *detail)
{
    if (is_excused(r, reason)) {
        char stall[CLOCK_SHORT_SIZE];
        char *excuse =
            str_format("the agent itself did not run for %s, the check says nothing (%s)",
                       clock_short(r->check->engine->sched.stall, stall), detail ? detail : "");
        free(detail);
        detail = excuse;
        reason = REASON_INTERNAL;
        r->gone = false;
    }
    if (doubt(r, reason, detail))
        return;
    finish(r, reason, mask_apply(&r->conf->mask, detail));
}

void run_release(struct run *r)
{
    if (r->state == RUN_DOUBTED)
        plan_again(r);
    else if (run_is_open(r)) /* a type's slip must not read as a hang: say it */
        finish(r, REASON_INTERNAL, str_format("the run ended without a result"));
    move(r, RUN_RELEASED);
    if (!r->in_start)
        run_free(r);
}
