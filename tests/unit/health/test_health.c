/* The rules of the state machine that Docker does not have; Docker's own are health_replay's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "health/health.h"

#define S NS_PER_S

static const struct health_policy docker = {.interval = 30 * S,
                                            .timeout = 30 * S,
                                            .start_interval = 5 * S,
                                            .retries = 3,
                                            .success_threshold = 1};

static bool apply(struct health_state *s, const struct health_policy *p, enum health_outcome o,
                  int64_t at)
{
    return health_apply(s, p, o, HEALTH_PRIOR_GOOD, at, at, NULL);
}

static void test_success_threshold(void **state)
{
    (void)state;
    struct health_policy p = docker;
    p.success_threshold = 3;
    p.start_period = 100 * S;
    struct health_state s;
    health_init(&s, 0);
    assert_false(apply(&s, &p, HEALTH_SUCCESS, 1 * S));
    assert_int_equal(s.status, HEALTH_STARTING);
    /* The first success ended the grace, though the state is still starting. */
    assert_false(apply(&s, &p, HEALTH_FAILURE, 2 * S));
    assert_int_equal(s.failing_streak, 1);
    assert_int_equal(s.success_streak, 0);
    apply(&s, &p, HEALTH_SUCCESS, 3 * S);
    apply(&s, &p, HEALTH_SUCCESS, 4 * S);
    assert_int_equal(s.status, HEALTH_STARTING);
    assert_true(apply(&s, &p, HEALTH_SUCCESS, 5 * S));
    assert_int_equal(s.status, HEALTH_HEALTHY);
    assert_int_equal(s.since, 5 * S);
}

static void test_own_inability(void **state)
{
    (void)state;
    struct health_policy p = docker;
    p.retries = 2;
    struct health_state s;
    enum health_counted counted;
    health_init(&s, 0);
    apply(&s, &p, HEALTH_SUCCESS, 1 * S);
    for (int i = 0; i < 2; i++) {
        assert_false(
            health_apply(&s, &p, HEALTH_UNABLE, HEALTH_PRIOR_GOOD, 2 * S, 2 * S, &counted));
        assert_int_equal(counted, HEALTH_NOT_OURS_TO_BLAME);
        assert_int_equal(s.failing_streak, 0);
        assert_int_equal(health_next_start(&s, &p, 10 * S, 0), 11 * S); /* retried soon */
    }
    assert_false(health_apply(&s, &p, HEALTH_UNABLE, HEALTH_PRIOR_GOOD, 3 * S, 3 * S, &counted));
    assert_int_equal(counted, HEALTH_COUNTED);
    assert_int_equal(s.failing_streak, 1);
    assert_true(apply(&s, &p, HEALTH_UNABLE, 4 * S));
    assert_int_equal(s.status, HEALTH_UNHEALTHY);
    /* A result of ours ends the streak of inability. */
    apply(&s, &p, HEALTH_SUCCESS, 5 * S);
    apply(&s, &p, HEALTH_UNABLE, 6 * S);
    assert_int_equal(s.status, HEALTH_HEALTHY);
    assert_int_equal(s.failing_streak, 0);
}

static void test_fail_interval(void **state)
{
    (void)state;
    struct health_policy p = docker;
    p.fail_interval = 2 * S;
    struct health_state s;
    health_init(&s, 0);
    assert_int_equal(health_next_start(&s, &p, 10 * S, 0), 12 * S); /* not healthy yet */
    apply(&s, &p, HEALTH_SUCCESS, 10 * S);
    assert_int_equal(health_next_start(&s, &p, 10 * S, 0), 40 * S);
    apply(&s, &p, HEALTH_FAILURE, 40 * S); /* turning */
    assert_int_equal(health_next_start(&s, &p, 40 * S, 0), 42 * S);
    p.start_period = 60 * S;
    health_init(&s, 0);
    assert_int_equal(health_next_start(&s, &p, 10 * S, 0), 15 * S); /* start_interval wins */
}

static void test_block(void **state)
{
    (void)state;
    struct health_state s;
    health_init(&s, 0);
    apply(&s, &docker, HEALTH_FAILURE, 1 * S);
    assert_true(health_block(&s, 2 * S));
    assert_false(health_block(&s, 3 * S));
    assert_int_equal(s.since, 2 * S);
    assert_false(apply(&s, &docker, HEALTH_FAILURE, 3 * S)); /* not blamed */
    assert_int_equal(s.failing_streak, 0);
    assert_false(apply(&s, &docker, HEALTH_SUCCESS, 3 * S));
    assert_true(health_unblock(&s, 9 * S));
    assert_int_equal(s.status, HEALTH_STARTING);
    assert_int_equal(s.started, 9 * S);
    assert_false(health_unblock(&s, 10 * S));
}

static void test_jitter(void **state)
{
    (void)state;
    struct health_policy p = docker;
    p.jitter_percent = 20;
    struct health_state s;
    health_init(&s, 0);
    assert_in_range(health_next_start(&s, &p, 0, 0), 27 * S - 1, 27 * S + 1);
    assert_in_range(health_next_start(&s, &p, 0, UINT32_MAX), 33 * S - 1, 33 * S + 1);
    assert_int_equal(health_first_start(&p, 5 * S, 0), 5 * S);
    assert_in_range(health_first_start(&p, 5 * S, UINT32_MAX), 11 * S - 1, 11 * S + 1);
}

static void test_stale(void **state)
{
    (void)state;
    assert_false(health_is_stale(&docker, 100 * S, 161 * S));
    assert_true(health_is_stale(&docker, 100 * S, 161 * S + 1));
}

static void test_longest_durations(void **state)
{
    (void)state;
    struct health_policy p = docker;
    p.interval = p.timeout = p.initial_delay = INT64_MAX;
    p.jitter_percent = 100;
    struct health_state s;
    health_init(&s, 0);
    assert_true(health_next_start(&s, &p, S, UINT32_MAX) == INT64_MAX);
    assert_true(health_first_start(&p, S, UINT32_MAX) == INT64_MAX);
    assert_false(health_is_stale(&p, S, INT64_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success_threshold),
        cmocka_unit_test(test_own_inability),
        cmocka_unit_test(test_fail_interval),
        cmocka_unit_test(test_block),
        cmocka_unit_test(test_jitter),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_longest_durations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
