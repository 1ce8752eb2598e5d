/* run: owns one attempt's deadline, phases and memory, and sees to it that it finishes once and is
 * released once. It implements what probe.h lends to the types. */
#include "engine/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/check.h"

/* Where many checks fall due together, the C library would map memory for their runs and unmap it
 * again each time. A sanitizer is to see a use after the release. */
#ifdef PROBE_TEARDOWN
#define SPARE_MOST 0
#else
#define SPARE_MOST 64
#endif

static struct run *run_of(struct probe_run *probe)
{
    return container_of((unsigned char *)probe, struct run, memory);
}

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

static void close_phase(struct run *r, int64_t now)
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
    close_phase(r, now);
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

/* Zeroed, but for its size. */
static struct run *run_memory(struct engine *e, size_t size)
{
    struct run *r = e->spare_runs;
    if (r) {
        e->spare_runs = r->next_spare;
        e->n_spare_runs--;
    }
    if (r && r->size >= size) {
        size_t whole = r->size;
        memset(r, 0, size);
        r->size = whole;
        return r;
    }
    free(r);
    r = calloc(1, size);
    if (r)
        r->size = size;
    return r;
}

void run_free_spares(struct engine *e)
{
    while (e->spare_runs) {
        struct run *r = e->spare_runs;
        e->spare_runs = r->next_spare;
        free(r);
    }
}

static struct run *run_new(struct check *c)
{
    struct run *r = run_memory(c->engine, sizeof *r + c->conf->type->run_size);
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
    struct engine *e = c->engine;
    check_conf_unref(r->conf);
    if (e->n_spare_runs < SPARE_MOST) {
        r->next_spare = e->spare_runs;
        e->spare_runs = r;
        e->n_spare_runs++;
    } else {
        free(r);
    }
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

void probe_phase(struct probe_run *probe, enum probe_phase phase)
{
    struct run *r = run_of(probe);
    if (r->finished)
        return;
    int64_t now = clock_now();
    close_phase(r, now);
    r->phase = (int)phase;
    r->phase_began = now;
    if (r->phases[phase] < 0)
        r->phases[phase] = 0;
}

void probe_note(struct probe_run *probe, const char *fmt, ...)
{
    struct run *r = run_of(probe);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->note, sizeof r->note, fmt, ap);
    va_end(ap);
    r->describe = NULL;
}

void probe_note_later(struct probe_run *probe,
                      void (*describe)(struct probe_run *probe, char out[PROBE_DETAIL_MAX]))
{
    run_of(probe)->describe = describe;
}

void probe_cert_expiry(struct probe_run *probe, int64_t not_after)
{
    struct run *r = run_of(probe);
    if (!r->finished)
        r->check->cert_not_after = not_after;
}

void probe_gone(struct probe_run *probe)
{
    run_of(probe)->gone = true;
}

void probe_finish(struct probe_run *probe, enum reason reason, const char *fmt, ...)
{
    struct run *r = run_of(probe);
    if (r->finished)
        return;
    char text[2 * PROBE_DETAIL_MAX]; /* more than is kept: the cut is made where it is shown */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *detail = strdup(text);
    if (reason == REASON_OK)
        finish(r, reason, detail);
    else
        finish_failed(r, reason, detail);
}

void probe_release(struct probe_run *probe)
{
    struct run *r = run_of(probe);
    if (!r->finished) /* a type's slip must not read as a hang: say it */
        finish(r, REASON_INTERNAL, str_format("the run ended without a result"));
    r->released = true;
    if (!r->starting)
        run_free(r);
}

void probe_wake(struct probe_kept *kept)
{
    struct check *c = kept->owner;
    if (!c->run && !c->removed && c->health.status != HEALTH_BLOCKED)
        sched_set(&c->engine->sched, &c->next, clock_now());
}
