/* Distances between words, which word to suggest, and what may be printed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

static void secrets_are_compared(void **state)
{
    (void)state;
    assert_true(str_is_secret("abc", "abc"));
    assert_true(str_is_secret("", ""));
    assert_false(str_is_secret("abd", "abc"));
    assert_false(str_is_secret("ab", "abc"));
    assert_false(str_is_secret("abcd", "abc"));
    assert_false(str_is_secret("abc", ""));
    assert_false(str_is_secret("", "abc"));
    assert_false(str_is_secret("abcabc", "abc"));
}

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

static void controls_become_question_marks(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"plain \xc3\xa9 \xe6\x97\xa5 \xf0\x9f\x98\x80 \xc2\xa0", NULL},
        {"a\x1b[31m\n\x7f", "a?[31m??"},
        {"\xc2\x9b"
         "31m",
         "??31m"},
        {"\xc2\x80\xc2\xa0", "??\xc2\xa0"},
        {"\xe2\x80\xaeltr", "???ltr"},
        {"\xe2\x80\xa8\xe2\x80\xaf\xe2\x81\xa6\xe2\x81\xaa", "???\xe2\x80\xaf???\xe2\x81\xaa"},
        {"\xe2\x80\x8e\xe2\x80\x8d", "???\xe2\x80\x8d"},
        {"\xff\xc3", "??"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char text[64];
        strcpy(text, rows[i][0]);
        str_printable(text, sizeof text);
        assert_string_equal(text, rows[i][1] ? rows[i][1] : rows[i][0]);
    }
    char cut[] = "ab\xe6\x97\xa5";
    str_printable(cut, 4);
    assert_string_equal(cut, "ab");
}

static void base64_pads(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"", ""},
        {":", "Og=="},
        {"a:", "YTo="},
        {"a:b", "YTpi"},
        {"a:\xff"
         "b",
         "YTr/Yg=="},
        {"Aladdin:open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}, /* RFC 7617 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *coded = str_base64(rows[i][0]);
        assert_string_equal(coded, rows[i][1]);
        free(coded);
    }
}

static void joined_is_cut(void **state)
{
    (void)state;
    char out[8];
    assert_string_equal(str_join(out, sizeof out, (const char *const[]){"a", "", "bc", NULL}),
                        "abc");
    assert_string_equal(str_join(out, sizeof out, (const char *const[]){"abcde", "fghi", NULL}),
                        "abcdefg");
    assert_string_equal(str_join(out, sizeof out, (const char *const[]){NULL}), "");
}

static void test_has_word(void **state)
{
    (void)state;
    assert_true(str_has_word("run check wait", "run"));
    assert_true(str_has_word("run check wait", "check"));
    assert_true(str_has_word("run check wait", "wait"));
    assert_true(str_has_word("recheck check", "check"));
    assert_false(str_has_word("recheck", "check"));
    assert_false(str_has_word("checks", "check"));
    assert_false(str_has_word("", "check"));
}

static void test_hex(void **state)
{
    (void)state;
    assert_int_equal(str_hex('0'), 0);
    assert_int_equal(str_hex('9'), 9);
    assert_int_equal(str_hex('a'), 10);
    assert_int_equal(str_hex('F'), 15);
    static const char others[] = "/:@G`g\xe9";
    for (size_t i = 0; i < sizeof others; i++)
        assert_int_equal(str_hex(others[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_has_word),
        cmocka_unit_test(base64_pads),
        cmocka_unit_test(secrets_are_compared),
        cmocka_unit_test(joined_is_cut),
        cmocka_unit_test(distance_counts_edits),
        cmocka_unit_test(controls_become_question_marks),
        cmocka_unit_test(the_nearest_word_is_suggested),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
