/* The engine with a scripted type on a real loop: one result and one release a run, deadlines,
 * stuck runs, reload, blocking, checks on demand, the stop from any hook, and a stall of the
 * program. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static void on_closed(uv_handle_t *h)
{
    struct script_run *r = container_of((uv_timer_t *)h, struct script_run, timer);
    ((struct script *)(uintptr_t)r->run.conf)->released++;
    probe_release(&r->run);
}

static void let_go(struct script_run *r)
{
    if (!r->closing) {
        r->closing = true;
        uv_close((uv_handle_t *)&r->timer, on_closed);
    }
}

static void report(struct script_run *r)
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

static void on_work(uv_timer_t *t)
{
    struct script_run *r = container_of(t, struct script_run, timer);
    report(r);
    let_go(r);
}

static void script_start(struct probe_run *run)
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

static void on_late_release(uv_timer_t *t)
{
    let_go(container_of(t, struct script_run, timer));
}

static void script_cancel(struct probe_run *run)
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

static void script_dispose(void *conf)
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
    char log[1024]; /* "name:reason " for each result */
    bool (*until)(struct bench *b);
    bool stopped, timed_out, stop_in_hook;
    uv_timer_t guard;
    uv_idle_t idle;
};

static void on_stopped(struct engine *e)
{
    struct bench *b = container_of(e, struct bench, engine);
    b->stopped = true;
    uv_close((uv_handle_t *)&b->guard, NULL);
    uv_close((uv_handle_t *)&b->idle, NULL);
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct bench *b = ctx;
    b->results++;
    size_t used = strlen(b->log);
    snprintf(b->log + used, sizeof b->log - used, "%s:%s ", c->conf->name, reason_name(r->reason));
    if (b->stop_in_hook)
        engine_stop(&b->engine, on_stopped);
}

static void on_transition(void *ctx, struct check *c, enum health_status from)
{
    (void)c;
    (void)from;
    ((struct bench *)ctx)->transitions++;
}

static void on_guard(uv_timer_t *t)
{
    struct bench *b = container_of(t, struct bench, guard);
    b->timed_out = true;
    engine_stop(&b->engine, on_stopped);
}

static void on_turn(uv_idle_t *i)
{
    struct bench *b = container_of(i, struct bench, idle);
    if (b->until && !b->engine.stopping && b->until(b))
        engine_stop(&b->engine, on_stopped);
}

static struct check_conf *conf_new(const char *name, struct script *s, const char *after)
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

static void load(struct bench *b, struct check_conf **confs, size_t n)
{
    struct config config = {.checks = confs, .n_checks = n};
    struct err e;
    assert_int_equal(engine_load(&b->engine, &config, &e), 0);
    for (size_t i = 0; i < n; i++)
        check_conf_unref(confs[i]);
}

static void bench_open(struct bench *b, bool (*until)(struct bench *b))
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

static void bench_run(struct bench *b)
{
    uv_run(&b->loop, UV_RUN_DEFAULT);
    assert_true(b->stopped);
    assert_false(b->timed_out);
    assert_int_equal(uv_loop_close(&b->loop), 0);
}

static bool three_results(struct bench *b)
{
    return b->results >= 3;
}

static void expect_paired(const struct script *s)
{
    assert_true(s->started > 0);
    assert_int_equal(s->started, s->released);
}

static void run_one(struct bench *b, struct script *s, bool (*until)(struct bench *b))
{
    bench_open(b, until);
    struct check_conf *conf = conf_new("a", s, NULL);
    load(b, &conf, 1);
    bench_run(b);
    expect_paired(s);
}

static void test_success(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_OK};
    run_one(&b, &s, three_results);
    assert_int_equal(b.transitions, 1);
    assert_true(str_starts(b.log, "a:ok a:ok a:ok"));
}

static void test_inside_start(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_FAIL, .in_start = true};
    run_one(&b, &s, three_results);
    assert_true(str_starts(b.log, "a:refused a:refused"));
}

static void test_second_finish_is_ignored(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_FINISH_TWICE};
    run_one(&b, &s, three_results);
    assert_true(str_starts(b.log, "a:refused a:refused a:refused"));
    assert_null(strstr(b.log, "ok"));
}

static void test_stop_from_a_hook(void **state)
{
    (void)state;
    for (int in_start = 0; in_start < 2; in_start++) {
        struct bench b;
        struct script s = {.act = ACT_OK, .in_start = in_start};
        bench_open(&b, NULL);
        b.stop_in_hook = true;
        struct check_conf *conf = conf_new("a", &s, NULL);
        load(&b, &conf, 1);
        bench_run(&b);
        expect_paired(&s);
    }
}

static bool saw_detail(struct bench *b)
{
    if (b->results < 2)
        return false;
    const struct check_result *r = check_last(b->engine.checks[0]);
    assert_int_equal(r->reason, REASON_TIMEOUT);
    assert_non_null(strstr(r->detail, "connected to script, no reply"));
    assert_non_null(strstr(r->detail, "waiting for the reply"));
    assert_in_range(r->duration, 20 * MS, 2000 * MS);
    assert_true(r->phases[PHASE_CONNECT] >= 0 && r->phases[PHASE_TLS] == -1);
    return true;
}

static void test_deadline(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_HANG};
    run_one(&b, &s, saw_detail);
    assert_true(s.cancelled >= 2);
}

static bool saw_stuck(struct bench *b)
{
    return strstr(b->log, "stuck") != NULL;
}

static void test_stuck_run(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_HANG, .release_ms = 1500};
    run_one(&b, &s, saw_stuck);
    assert_true(str_starts(b.log, "a:timeout a:stuck"));
    assert_int_equal(s.started, 1); /* never two at once */
}

static void test_reload(void **state)
{
    (void)state;
    struct bench b;
    struct script same = {.act = ACT_OK}, gone = {.act = ACT_HANG}, fresh = {.act = ACT_OK};
    bench_open(&b, three_results);
    struct check_conf *first[] = {conf_new("same", &same, NULL), conf_new("gone", &gone, NULL)};
    load(&b, first, 2);
    struct check *kept = engine_find(&b.engine, "same");
    uv_run(&b.loop, UV_RUN_ONCE);
    struct check_conf *second[] = {conf_new("fresh", &fresh, NULL), conf_new("same", &same, NULL)};
    load(&b, second, 2);
    assert_ptr_equal(engine_find(&b.engine, "same"), kept);
    assert_null(engine_find(&b.engine, "gone"));
    assert_non_null(engine_find(&b.engine, "fresh"));
    bench_run(&b);
    assert_null(strstr(b.log, "gone"));
    assert_int_equal(gone.started, gone.released);
    expect_paired(&same);
    expect_paired(&fresh);
}

static bool child_blocked_then_free(struct bench *b)
{
    const struct check *child = engine_find(&b->engine, "child");
    const struct check *parent = engine_find(&b->engine, "parent");
    struct script *s = (struct script *)(uintptr_t)parent->conf->conf;
    if (child->health.status == HEALTH_BLOCKED && s->act == ACT_FAIL && b->results > 4) {
        assert_int_equal(child->n_results, 0); /* in flight when it was blocked: dropped */
        s->act = ACT_OK;
        ((struct script *)(uintptr_t)child->conf->conf)->act = ACT_OK;
    }
    return s->act == ACT_OK && child->health.status == HEALTH_HEALTHY;
}

static void test_after(void **state)
{
    (void)state;
    struct bench b;
    struct script parent = {.act = ACT_FAIL}, child = {.act = ACT_HANG};
    bench_open(&b, child_blocked_then_free);
    struct check_conf *confs[] = {conf_new("child", &child, "parent"),
                                  conf_new("parent", &parent, NULL)};
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&child);
}

static bool saw(struct bench *b, const char *name, enum health_status status)
{
    return engine_find(&b->engine, name)->health.status == status;
}

static void never_blamed(struct bench *b)
{
    assert_int_not_equal(engine_find(&b->engine, "child")->health.status, HEALTH_UNHEALTHY);
}

/* Both are healthy; then `parent` is as `next` says, and `child`, checked far more often, fails. */
static struct script prior, follower;
static enum act prior_next;

static bool until_told(struct bench *b, enum health_status parent_end, enum health_status child_end)
{
    if (follower.act == ACT_OK && saw(b, "parent", HEALTH_HEALTHY) &&
        saw(b, "child", HEALTH_HEALTHY)) {
        prior.act = prior_next;
        follower.act = ACT_FAIL;
    }
    if (prior_next == ACT_FAIL || prior_next == ACT_HANG)
        never_blamed(b);
    return follower.act == ACT_FAIL && saw(b, "parent", parent_end) && saw(b, "child", child_end);
}

static bool parent_is_blamed(struct bench *b)
{
    return until_told(b, HEALTH_UNHEALTHY, HEALTH_BLOCKED);
}

static bool child_is_blamed(struct bench *b)
{
    return until_told(b, HEALTH_HEALTHY, HEALTH_UNHEALTHY);
}

static void run_prior(enum act next, bool (*until)(struct bench *b), int64_t timeout)
{
    struct bench b;
    prior = follower = (struct script){.act = ACT_OK};
    prior_next = next;
    bench_open(&b, until);
    struct check_conf *confs[] = {conf_new("child", &follower, "parent"),
                                  conf_new("parent", &prior, NULL)};
    confs[1]->policy.interval = 3600 * NS_PER_S; /* by itself it would not be checked again */
    confs[1]->policy.timeout = timeout;
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&prior);
    expect_paired(&follower);
}

static void test_after_killed(void **state)
{
    (void)state;
    run_prior(ACT_FAIL, parent_is_blamed, 20 * MS);
}

/* The child fails some forty times while its parent says nothing. */
static void test_after_paused(void **state)
{
    (void)state;
    run_prior(ACT_HANG, parent_is_blamed, 250 * MS);
}

static void test_after_its_own_fault(void **state)
{
    (void)state;
    run_prior(ACT_OK, child_is_blamed, 20 * MS);
    /* A parent whose checks take far longer than the child's delays the verdict, no more. */
    run_prior(ACT_SLOW, child_is_blamed, 250 * MS);
}

static int starts_when_blocked;

static bool rests_when_blocked(struct bench *b)
{
    if (follower.started == 0)
        return false;
    prior.act = ACT_FAIL;
    if (!saw(b, "child", HEALTH_BLOCKED))
        return false;
    if (!starts_when_blocked)
        starts_when_blocked = follower.started;
    assert_int_equal(follower.started, starts_when_blocked);
    return follower.released == follower.started && prior.started > 5;
}

/* Blocked while its last run still holds on: the release starts no other. */
static void test_release_when_blocked(void **state)
{
    (void)state;
    struct bench b;
    prior = (struct script){.act = ACT_OK};
    follower = (struct script){.act = ACT_HANG, .release_ms = 100};
    starts_when_blocked = 0;
    bench_open(&b, rests_when_blocked);
    struct check_conf *confs[] = {conf_new("child", &follower, "parent"),
                                  conf_new("parent", &prior, NULL)};
    load(&b, confs, 2);
    bench_run(&b);
    expect_paired(&follower);
}

struct asked {
    int answers;
    bool removed;
};

static void on_answer(void *ctx, struct check *c, const struct check_result *r)
{
    (void)c;
    struct asked *a = ctx;
    a->answers++;
    a->removed = !r;
}

static struct asked asked[3];

static bool all_answered(struct bench *b)
{
    (void)b;
    return asked[0].answers && asked[1].answers;
}

static void test_check_now(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_SLOW};
    memset(asked, 0, sizeof asked);
    bench_open(&b, all_answered);
    struct check_conf *conf = conf_new("a", &s, NULL);
    conf->policy.interval = 3600 * NS_PER_S;
    conf->policy.initial_delay = 3600 * NS_PER_S;
    conf->policy.timeout = NS_PER_S;
    load(&b, &conf, 1);
    struct check *c = engine_find(&b.engine, "a");
    for (int i = 0; i < 2; i++)
        assert_non_null(engine_check_now(&b.engine, c, on_answer, &asked[i]));
    struct check_waiter *w = engine_check_now(&b.engine, c, on_answer, &asked[2]);
    engine_check_now_cancel(w);
    bench_run(&b);
    assert_int_equal(s.started, 1); /* joined, not run twice */
    assert_int_equal(asked[2].answers, 0);
    assert_false(asked[0].removed);
}

static void test_check_now_removed(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_HANG};
    memset(asked, 0, sizeof asked);
    bench_open(&b, all_answered);
    struct check_conf *conf = conf_new("a", &s, NULL);
    load(&b, &conf, 1);
    struct check *c = engine_find(&b.engine, "a");
    for (int i = 0; i < 2; i++)
        engine_check_now(&b.engine, c, on_answer, &asked[i]);
    load(&b, NULL, 0);
    bench_run(&b);
    assert_true(asked[0].removed && asked[1].removed);
}

static bool one_result(struct bench *b)
{
    return b->results >= 1;
}

/* The loop is held up past the deadline while a run is under way: by others, or by work of its own.
 */
static void stall(struct script *s, bool busy, const char *expected)
{
    struct bench b;
    bench_open(&b, one_result);
    struct check_conf *conf = conf_new("a", s, NULL);
    load(&b, &conf, 1);
    while (!s->started)
        uv_run(&b.loop, UV_RUN_ONCE);
    int64_t end = clock_now() + 20 * MS + SCHED_STALL_NS + 50 * MS;
    while (busy && clock_now() < end)
        ;
    struct timespec pause = {0, 20 * MS + SCHED_STALL_NS + 50 * MS};
    if (!busy)
        nanosleep(&pause, NULL);
    bench_run(&b);
    assert_true(str_starts(b.log, expected));
}

static void test_stall(void **state)
{
    (void)state;
    stall(&(struct script){.act = ACT_HANG}, false, "a:internal");
    /* What came meanwhile is judged, good or bad. */
    stall(&(struct script){.act = ACT_FAIL}, false, "a:refused");
    stall(&(struct script){.act = ACT_SLOW}, false, "a:ok");
    /* What one target does to the loop is no excuse for another. */
    stall(&(struct script){.act = ACT_HANG}, true, "a:timeout");
    stall(&(struct script){.act = ACT_SLOW}, true, "a:ok");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_inside_start),
        cmocka_unit_test(test_second_finish_is_ignored),
        cmocka_unit_test(test_stop_from_a_hook),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_stuck_run),
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_after),
        cmocka_unit_test(test_after_killed),
        cmocka_unit_test(test_after_paused),
        cmocka_unit_test(test_after_its_own_fault),
        cmocka_unit_test(test_release_when_blocked),
        cmocka_unit_test(test_check_now),
        cmocka_unit_test(test_check_now_removed),
        cmocka_unit_test(test_stall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
