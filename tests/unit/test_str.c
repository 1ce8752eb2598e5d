/* Distances between words, and which word to suggest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void distance_counts_edits(void **state)
{
    (void)state;
    assert_int_equal(str_distance("status", "status"), 0);
    assert_int_equal(str_distance("STATUS", "status"), 0);
    assert_int_equal(str_distance("statsu", "status"), 1); /* two letters swapped */
    assert_int_equal(str_distance("statu", "status"), 1);
    assert_int_equal(str_distance("sstatus", "status"), 1);
    assert_int_equal(str_distance("stadus", "status"), 1);
    assert_int_equal(str_distance("", "abc"), 3);
    char endless[100];
    memset(endless, 'a', sizeof endless - 1);
    endless[sizeof endless - 1] = '\0';
    assert_true(str_distance(endless, "a") > 90);
}

static void the_nearest_word_is_suggested(void **state)
{
    (void)state;
    static const char *const words[] = {"run", "check", "wait", "status", "explain", "version"};
    size_t n = ARRAY_LEN(words);
    assert_string_equal(str_nearest("chekc", words, n), "check");
    assert_string_equal(str_nearest("Status", words, n), "status");
    assert_string_equal(str_nearest("stats", words, n), "status");
    assert_string_equal(str_nearest("ver", words, n), "version");
    assert_string_equal(str_nearest("exp", words, n), "explain");
    assert_null(str_nearest("nonsense", words, n));
    assert_null(str_nearest("", words, n));
    assert_null(str_nearest("x", words, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(the_nearest_word_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
