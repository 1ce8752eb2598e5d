/* The slots of the last while: what falls into which, and what has gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "engine/past.h"

static void test_slots(void **state)
{
    (void)state;
    struct past p = {.width = 30 * NS_PER_S};
    assert_null(past_get(&p, 0, PAST_SLOTS - 1));
    past_add(&p, 0, 2 * NS_PER_MS, true);
    past_add(&p, 29 * NS_PER_S, 4 * NS_PER_MS, true);
    past_add(&p, 29 * NS_PER_S, 900 * NS_PER_MS, false);
    past_add(&p, 30 * NS_PER_S, 7 * NS_PER_MS, true);
    const struct past_slot *s = past_get(&p, 40 * NS_PER_S, PAST_SLOTS - 2);
    assert_non_null(s);
    assert_int_equal(s->checks, 3);
    assert_int_equal(s->failed, 1);
    assert_int_equal(s->low, 2000);
    assert_int_equal(s->high, 4000); /* a failure's time is none of the target's */
    assert_int_equal(s->sum, 6000);
    assert_int_equal(past_get(&p, 40 * NS_PER_S, PAST_SLOTS - 1)->checks, 1);
    assert_null(past_get(&p, 40 * NS_PER_S, 0)); /* before the start */
}

static void test_old_ones_go(void **state)
{
    (void)state;
    struct past p = {.width = NS_PER_S};
    past_add(&p, 0, NS_PER_MS, true);
    assert_non_null(past_get(&p, (PAST_SLOTS - 1) * NS_PER_S, 0));
    /* Nothing was checked since: the slot is not of this time any more. */
    for (int i = 0; i < PAST_SLOTS; i++)
        assert_null(past_get(&p, PAST_SLOTS * NS_PER_S, i));
    past_add(&p, PAST_SLOTS * NS_PER_S, 3 * NS_PER_MS, true);
    const struct past_slot *s = past_get(&p, PAST_SLOTS * NS_PER_S, PAST_SLOTS - 1);
    assert_int_equal(s->checks, 1);
    assert_int_equal(s->low, 3000);
}

static void test_failures_alone(void **state)
{
    (void)state;
    struct past p = {.width = NS_PER_S};
    past_add(&p, 5 * NS_PER_S, INT64_MAX, false);
    past_add(&p, 6 * NS_PER_S, INT64_MAX, true);
    assert_int_equal(past_get(&p, 6 * NS_PER_S, PAST_SLOTS - 2)->failed, 1);
    assert_true(past_get(&p, 6 * NS_PER_S, PAST_SLOTS - 1)->high == UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_slots),
                                       cmocka_unit_test(test_old_ones_go),
                                       cmocka_unit_test(test_failures_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
