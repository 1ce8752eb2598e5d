/* run: owns one attempt's deadline, phases and memory, and sees to it that it finishes once and is
 * released once. What it lends to the types is in host.c. */
#include "engine/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/check.h"

static struct probe_run *probe_of(struct run *r)
{
    return (struct probe_run *)(void *)r->memory;
}

static void cancel(struct run *r)
{
    if (r->cancelled || r->released)
        return;
    r->cancelled = true;
    if (!r->starting)
        r->conf->type->cancel(probe_of(r));
}

void run_close_phase(struct run *r, int64_t now)
{
    if (r->phase >= 0)
        r->phases[r->phase] += now - r->phase_began;
}

static void settle(struct run *r, int64_t now)
{
    r->finished = true;
    r->finished_at = now;
    sched_clear(&r->check->engine->sched, &r->deadline);
}

/* The one way a result leaves a run. Takes `detail`, which may be NULL (out of memory). */
static void finish(struct run *r, enum reason reason, char *detail)
{
    int64_t now = clock_now();
    settle(r, now);
    run_close_phase(r, now);
    int64_t started = probe_of(r)->started;
    struct check_result result = {
        .started = started,
        .started_wall = r->started_wall,
        .duration = now - started,
        .reason = reason,
        .gone = r->gone,
        .detail = detail,
    };
    memcpy(result.phases, r->phases, sizeof result.phases);
    check_on_result(r->check, &result);
}

/* While the program was stopped (SIGSTOP, a frozen cgroup, a sleeping machine) or starved, peers
 * gave up on us and deadlines passed unseen: a failure of a run that lived through it says nothing.
 */
static bool stalled_since(const struct run *r, const struct sched *s)
{
    return s->stall_end && s->stall_end >= probe_of((struct run *)r)->started;
}

static void finish_failed(struct run *r, enum reason reason, char *detail)
{
    const struct sched *s = &r->check->engine->sched;
    if (stalled_since(r, s)) {
        char stall[CLOCK_SHORT_SIZE];
        char *excuse =
            str_format("the agent itself did not run for %s, the check says nothing (%s)",
                       clock_short(s->stall, stall), detail ? detail : "");
        free(detail);
        detail = excuse;
        reason = REASON_INTERNAL;
        r->gone = false;
    }
    finish(r, reason, detail);
}

static void on_deadline(struct sched_entry *entry, int64_t now)
{
    static const char *const awaited[PHASE_COUNT] = {"the name lookup", "the connection",
                                                     "the TLS handshake", "the reply"};
    (void)now;
    struct run *r = container_of(entry, struct run, deadline);
    char budget[CLOCK_SHORT_SIZE];
    clock_short(r->timeout, budget);
    if (r->describe)
        r->describe(probe_of(r), r->note);
    const char *known = r->note[0] ? r->note : r->conf->target;
    char *detail = r->phase >= 0 ? str_format("%s: gave up after %s, waiting for %s", known, budget,
                                              awaited[r->phase])
                                 : str_format("%s: gave up after %s", known, budget);
    finish_failed(r, REASON_TIMEOUT, detail);
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

static void run_free(struct run *r)
{
    struct check *c = r->check;
    c->run = NULL;
    check_conf_unref(r->conf);
    free(r);
    check_on_release(c);
}

void run_start(struct check *c)
{
    struct engine *e = c->engine;
    struct run *r = run_new(c);
    if (!r) {
        struct check_result result = {.started = clock_now(),
                                      .started_wall = clock_wall(),
                                      .reason = REASON_INTERNAL,
                                      .phases = {-1, -1, -1, -1},
                                      .detail = str_format("out of memory")};
        check_on_result(c, &result);
        return;
    }
    c->run = r;
    r->timeout =
        e->hooks.run_timeout ? e->hooks.run_timeout(e->hooks.ctx, c) : c->conf->policy.timeout;
    struct probe_run *probe = probe_of(r);
    int64_t now = clock_now();
    *probe = (struct probe_run){
        .conf = c->conf->conf,
        .env = &e->env,
        .kept = c->kept,
        .started = now,
        .deadline = time_add(now, r->timeout),
        .owner = r,
    };
    sched_set(&e->sched, &r->deadline, probe->deadline);
    r->starting = true;
    c->conf->type->start(probe);
    r->starting = false;
    if (r->released)
        run_free(r);
    else if (r->cancelled)
        r->conf->type->cancel(probe);
}

void run_drop(struct run *r)
{
    if (!r->finished)
        settle(r, clock_now());
    cancel(r);
}

void run_finish(struct run *r, enum reason reason, char *detail)
{
    if (reason == REASON_OK)
        finish(r, reason, detail);
    else
        finish_failed(r, reason, detail);
}

void run_release(struct run *r)
{
    if (!r->finished) /* a type's slip must not read as a hang: say it */
        finish(r, REASON_INTERNAL, str_format("the run ended without a result"));
    r->released = true;
    if (!r->starting)
        run_free(r);
}
