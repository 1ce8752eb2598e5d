/* The engine with a scripted type on a real loop: one result and one release a run, deadlines,
 * stuck runs, reload, checks on demand, the stop from any hook, and a stall of the program. */
#include <time.h>

#include "engine_rig.h"

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

/* Waiters of one check: the one that is answered first calls the others off, and asks again. */
static struct {
    struct check_waiter *of[3];
    int answers[3];
} rivals;

static void on_rival(void *ctx, struct check *c, const struct check_result *r)
{
    struct check_waiter **own = ctx;
    (void)r;
    rivals.answers[own - rivals.of]++;
    *own = NULL;
    for (size_t i = 0; i < ARRAY_LEN(rivals.of); i++)
        if (rivals.of[i])
            engine_check_now_cancel(rivals.of[i]);
    memset(rivals.of, 0, sizeof rivals.of);
    if (c->n_results < 2)
        *own = engine_check_now(c->engine, c, on_rival, own);
}

static bool two_results(struct bench *b)
{
    return b->results == 2;
}

static void test_check_now_among_rivals(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_OK};
    memset(&rivals, 0, sizeof rivals);
    bench_open(&b, two_results);
    struct check_conf *conf = conf_new("a", &s, NULL);
    conf->policy.interval = conf->policy.initial_delay = 3600 * NS_PER_S;
    load(&b, &conf, 1);
    struct check *c = engine_find(&b.engine, "a");
    for (size_t i = 0; i < ARRAY_LEN(rivals.of); i++)
        rivals.of[i] = engine_check_now(&b.engine, c, on_rival, &rivals.of[i]);
    bench_run(&b);
    int answers = 0;
    for (size_t i = 0; i < ARRAY_LEN(rivals.of); i++)
        answers += rivals.answers[i];
    assert_int_equal(answers, 2); /* of the first run, and of the one that it asked for */
    assert_int_equal(s.started, 2);
}

static bool one_result(struct bench *b)
{
    return b->results >= 1;
}

/* What sched.c takes for busy, and a little more. */
static bool is_busy(int64_t begin, clock_t used)
{
    int64_t cpu = (int64_t)(clock() - used) * (NS_PER_S / CLOCKS_PER_SEC);
    return cpu > 60 * MS && cpu > (clock_now() - begin) / 8;
}

/* Works for so long that the loop stalls. False: the machine gave it too little time to be busy. */
static bool keep_busy(void)
{
    int64_t begin = clock_now(), least = begin + 20 * MS + SCHED_STALL_NS + 50 * MS;
    clock_t used = clock();
    while (clock_now() < least || (!is_busy(begin, used) && clock_now() < begin + 5 * NS_PER_S))
        ;
    return is_busy(begin, used);
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
    struct timespec pause = {0, 20 * MS + SCHED_STALL_NS + 50 * MS};
    if (!busy)
        nanosleep(&pause, NULL);
    else if (!keep_busy() && strcmp(expected, "a:timeout") == 0)
        expected = "a:internal"; /* it was starved: no verdict is the right one */
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

/* While the program is stopped a run cannot let go: that is not held against the target. */
static void test_stall_before_release(void **state)
{
    (void)state;
    struct bench b;
    struct script s = {.act = ACT_HANG, .release_ms = 1500};
    bench_open(&b, two_results);
    struct check_conf *conf = conf_new("a", &s, NULL);
    load(&b, &conf, 1);
    while (!b.results)
        uv_run(&b.loop, UV_RUN_ONCE);
    nanosleep(&(struct timespec){1, 200 * MS}, NULL);
    bench_run(&b);
    assert_true(str_starts(b.log, "a:timeout a:timeout"));
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
        cmocka_unit_test(test_check_now),
        cmocka_unit_test(test_check_now_removed),
        cmocka_unit_test(test_check_now_among_rivals),
        cmocka_unit_test(test_stall),
        cmocka_unit_test(test_stall_before_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
