/* engine_rig: the engine on a real loop with a type whose runs do what a script says, and what its
 * hooks saw. For the tests of the engine. */
#ifndef ENGINE_RIG_H
#define ENGINE_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/engine.h"

#define MS NS_PER_MS

/* ---- A type whose runs do what their conf says. ---- */

enum act { ACT_OK, ACT_FAIL, ACT_UNABLE, ACT_HANG, ACT_FINISH_TWICE, ACT_SLOW };

struct script {
    enum act act;
    int release_ms; /* how long after the cancel the release takes */
    bool in_start;  /* finish and release from inside start */
    int started, cancelled, released;
};

struct script_run {
    struct probe_run run;
    uv_timer_t timer;
    bool closing;
};

static inline void on_closed(uv_handle_t *h)
{
    struct script_run *r = container_of((uv_timer_t *)h, struct script_run, timer);
    ((struct script *)(uintptr_t)r->run.conf)->released++;
    probe_release(&r->run);
}

static inline void let_go(struct script_run *r)
{
    if (!r->closing) {
        r->closing = true;
        uv_close((uv_handle_t *)&r->timer, on_closed);
    }
}

static inline void report(struct script_run *r)
{
    const struct script *s = r->run.conf;
    if (s->act == ACT_OK || s->act == ACT_SLOW)
        probe_finish(&r->run, REASON_OK, "fine");
    else if (s->act == ACT_UNABLE)
        probe_finish(&r->run, REASON_INTERNAL, "no descriptors");
    else
        probe_finish(&r->run, REASON_REFUSED, "refused\nby %s", "script");
    if (s->act == ACT_FINISH_TWICE)
        probe_finish(&r->run, REASON_OK, "too late");
}

static inline void on_work(uv_timer_t *t)
{
    struct script_run *r = container_of(t, struct script_run, timer);
    report(r);
    let_go(r);
}

static inline void script_start(struct probe_run *run)
{
    struct script_run *r = container_of(run, struct script_run, run);
    struct script *s = (struct script *)(uintptr_t)run->conf;
    s->started++;
    probe_phase(run, PHASE_CONNECT);
    if (s->in_start) {
        report(r);
        s->released++;
        probe_release(run);
        return;
    }
    uv_timer_init(run->env->loop, &r->timer);
    probe_phase(run, PHASE_REQUEST);
    probe_note(run, "connected to %s, no reply", "script");
    if (s->act != ACT_HANG)
        uv_timer_start(&r->timer, on_work, s->act == ACT_SLOW ? 60 : 1, 0);
}

static inline void on_late_release(uv_timer_t *t)
{
    let_go(container_of(t, struct script_run, timer));
}

static inline void script_cancel(struct probe_run *run)
{
    struct script_run *r = container_of(run, struct script_run, run);
    const struct script *s = run->conf;
    ((struct script *)(uintptr_t)s)->cancelled++;
    if (r->closing)
        return;
    if (s->release_ms)
        uv_timer_start(&r->timer, on_late_release, (uint64_t)s->release_ms, 0);
    else
        let_go(r);
}

static inline void script_dispose(void *conf)
{
    (void)conf;
}

static const struct probe_type script_type = {
    .name = "script",
    .run_size = sizeof(struct script_run),
    .start = script_start,
    .cancel = script_cancel,
    .dispose = script_dispose,
};

/* ---- A bench: a loop, an engine, and what its hooks saw. ---- */

struct bench {
    uv_loop_t loop;
    struct engine engine;
    size_t results, transitions;
    char log[1024];  /* "name:reason " for each result */
    char detail[64]; /* of the last, cut */
    bool (*until)(struct bench *b);
    bool stopped, timed_out, stop_in_hook;
    uv_timer_t guard;
    uv_idle_t idle;
};

static inline void on_stopped(struct engine *e)
{
    struct bench *b = container_of(e, struct bench, engine);
    b->stopped = true;
    uv_close((uv_handle_t *)&b->guard, NULL);
    uv_close((uv_handle_t *)&b->idle, NULL);
}

static inline void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct bench *b = ctx;
    b->results++;
    size_t used = strlen(b->log);
    snprintf(b->detail, sizeof b->detail, "%.*s", (int)sizeof b->detail - 1, r->detail);
    snprintf(b->log + used, sizeof b->log - used, "%s:%s ", c->conf->name, reason_name(r->reason));
    if (b->stop_in_hook)
        engine_stop(&b->engine, on_stopped);
}

static inline void on_transition(void *ctx, struct check *c, enum health_status from)
{
    (void)c;
    (void)from;
    ((struct bench *)ctx)->transitions++;
}

static inline void on_guard(uv_timer_t *t)
{
    struct bench *b = container_of(t, struct bench, guard);
    b->timed_out = true;
    engine_stop(&b->engine, on_stopped);
}

static inline void on_turn(uv_idle_t *i)
{
    struct bench *b = container_of(i, struct bench, idle);
    if (b->until && !b->engine.stopping && b->until(b))
        engine_stop(&b->engine, on_stopped);
}

static inline struct check_conf *conf_new(const char *name, struct script *s, const char *after)
{
    struct check_conf *c = calloc(1, sizeof *c);
    *c = (struct check_conf){
        .refs = 1,
        .name = strdup(name),
        .target = strdup("script"),
        .type = &script_type,
        .conf = s,
        .policy = {.interval = 5 * MS,
                   .timeout = 20 * MS,
                   .start_interval = 5 * MS,
                   .retries = 1,
                   .success_threshold = 1},
        .levels = LEVEL_READY,
        .required = true,
        .fingerprint = strdup(name),
    };
    if (after) {
        c->after = calloc(1, sizeof *c->after);
        c->after[0] = strdup(after);
        c->n_after = 1;
    }
    return c;
}

static inline void load(struct bench *b, struct check_conf **confs, size_t n)
{
    struct config config = {.checks = confs, .n_checks = n};
    struct err e;
    assert_int_equal(engine_load(&b->engine, &config, &e), 0);
    for (size_t i = 0; i < n; i++)
        check_conf_unref(confs[i]);
}

static inline void bench_open(struct bench *b, bool (*until)(struct bench *b))
{
    *b = (struct bench){.until = until};
    uv_loop_init(&b->loop);
    struct engine_hooks hooks = {.on_result = on_result, .on_transition = on_transition, .ctx = b};
    assert_int_equal(engine_init(&b->engine, &b->loop, true, 1, &hooks), 0);
    uv_timer_init(&b->loop, &b->guard);
    uv_timer_start(&b->guard, on_guard, 10000, 0);
    uv_idle_init(&b->loop, &b->idle);
    uv_idle_start(&b->idle, on_turn);
}

static inline void bench_run(struct bench *b)
{
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->stopped);
    assert_false(b->timed_out);
    assert_int_equal(uv_loop_close(&b->loop), 0);
}

static inline bool three_results(struct bench *b)
{
    return b->results >= 3;
}

static inline void expect_paired(const struct script *s)
{
    assert_true(s->started > 0);
    assert_int_equal(s->started, s->released);
}

#endif
