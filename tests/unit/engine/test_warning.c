/* When a warning begins and ends, and what of it a check tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "engine/warning.h"

/* Each letter a success: W with a warning, c without; upper case marks of `want` where it is on. */
static void story(uint32_t retries, uint32_t successes, const char *results, const char *want)
{
    struct warning w = {0};
    struct health_policy p = {.retries = retries, .success_threshold = successes};
    bool before = false;
    for (size_t i = 0; results[i]; i++) {
        bool changed = warning_apply(&w, &p, results[i] == 'W');
        assert_int_equal(w.on, want[i] == '1');
        assert_int_equal(changed, w.on != before);
        before = w.on;
    }
}

static void test_it_begins_and_ends_as_a_verdict_does(void **state)
{
    (void)state;
    story(1, 1, "cWcWW", "01011");
    story(3, 1, "WWcWWWWc", "00000110");
    story(2, 2, "WWcWccW", "0111100");
}

static void test_counters_do_not_turn_over(void **state)
{
    (void)state;
    struct warning w = {.on = true, .warned = UINT32_MAX};
    struct health_policy p = {.retries = 1, .success_threshold = 1};
    assert_false(warning_apply(&w, &p, true));
    assert_true(w.on && w.warned == UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_begins_and_ends_as_a_verdict_does),
        cmocka_unit_test(test_counters_do_not_turn_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
