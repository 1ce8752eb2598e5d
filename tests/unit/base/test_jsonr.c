/* JSON read in place: what is JSON, what pointers lead to, which values are equal, and its bounds.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/jsonr.h"
#include "base/str.h"

static const char *wrong_words(const char *text)
{
    static struct err e;
    return jsonr_find(text, strlen(text), NULL, 0, &e) == JSONR_NOT_JSON ? e.text : NULL;
}

static void tells_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "1",
        "-0.5e+10",
        "\"\"",
        " [ ] ",
        "{}",
        "[[],{\"\":[]}]",
        "\xef\xbb\xbf[1]",
        "null ",
        "\"\\u0000\\ud83d\\ude00\\/\"",
        "\"\\ud800\"",
        "[1,\n2]",
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        if (wrong_words(good[i]))
            fail_msg("%s: %s", good[i], wrong_words(good[i]));
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "it is empty"},
        {" ", "it is empty"},
        {"{", "ends too early"},
        {"[1,", "ends too early"},
        {"[1,\n]", "line 2: expected a value"},
        {"{\"a\":1,}", "a name in quotes"},
        {"{\"a\" 1}", "colon"},
        {"{\"a\"}", "colon"},
        {"{1:2}", "a name in quotes"},
        {"[1 2]", "expected , or ]"},
        {"{\"a\":1]", "expected , or }"},
        {"[}", "expected a value"},
        {"]", "expected a value"},
        {"1 2", "something follows"},
        {"01", "number"},
        {"1.", "number"},
        {"1e+", "number"},
        {"-", "number"},
        {"+1", "expected a value"},
        {"NaN", "expected a value"},
        {"tru", "expected a value"},
        {"\"a", "without end"},
        {"\"\\x\"", "escape"},
        {"\"\\u12g4\"", "escape"},
        {"\"\\", "escape"},
        {"\"a\nb\"", "control character"},
        {"\"\xff\"", "not UTF-8"},
        {"\"\xed\xa0\x80\"", "not UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const char *words = wrong_words(bad[i].text);
        if (!words || !strstr(words, bad[i].words))
            fail_msg("%s: %s", bad[i].text, words ? words : "is taken");
    }
    struct err e;
    assert_int_equal(jsonr_find("[1]\0", 4, NULL, 0, &e), JSONR_NOT_JSON);
}

static void follows_pointers(void **state)
{
    (void)state;
    static const char doc[] =
        "{\"a\": [10, [20, {\"b\": 30}], \"x\"], \"a/b\": 1, \"m~n\": 2, \"~1\": 3, \"\": {\"\": "
        "4},"
        "\"\\u00e4\\ud83d\\ude00\": 5, \"twice\": {\"p\": 1}, \"in\": {\"a\": 6, \"twice\": 0},"
        "\"twice\": {\"q\": 2}, \"0\": {\"1\": 7}}";
    static const struct {
        const char *pointer, *value;
    } rows[] = {
        {"/a/0", "10"},     {"/a/1/1/b", "30"}, {"/a/1", "[20, {\"b\": 30}]"},
        {"/a/2", "\"x\""},  {"/a/3", NULL},     {"/a/-", NULL},
        {"/a/01", NULL},    {"/a/ 1", NULL},    {"/a/99999999999999999999", NULL},
        {"/a/", NULL},      {"/a/0/", NULL},    {"/a~1b", "1"},
        {"/m~0n", "2"},     {"/~01", "3"},      {"/", "{\"\": 4}"},
        {"//", "4"},        {"/ä😀", "5"},       {"/twice/q", "2"},
        {"/twice/p", NULL}, {"/in/a", "6"},     {"/in/a/b", NULL},
        {"/b", NULL},       {"/0/1", "7"},      {"/A", NULL},
    };
    struct jsonr_path paths[ARRAY_LEN(rows) + 1];
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(jsonr_pointer_ok(rows[i].pointer));
        paths[i].pointer = rows[i].pointer;
    }
    paths[ARRAY_LEN(rows)].pointer = "";
    assert_int_equal(jsonr_find(doc, strlen(doc), paths, ARRAY_LEN(paths), &e), JSONR_FOUND);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *value = rows[i].value;
        if (!paths[i].value != !value ||
            (value &&
             (strlen(value) != paths[i].len || memcmp(value, paths[i].value, paths[i].len) != 0)))
            fail_msg("%s leads to %.*s", rows[i].pointer, (int)paths[i].len,
                     paths[i].value ? paths[i].value : "");
    }
    assert_int_equal(paths[ARRAY_LEN(rows)].len, strlen(doc));
    assert_false(jsonr_pointer_ok("a"));
    assert_false(jsonr_pointer_ok("/~"));
    assert_false(jsonr_pointer_ok("/~2"));
}

static void compares_values(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool equal;
    } rows[] = {
        {"1e2", "100", true},
        {"100.0", "1E+2", true},
        {"0.001", "1e-3", true},
        {"-0", "0.0", true},
        {"0e5", "0", true},
        {"10.50", "1.05e1", true},
        {"-1", "1", false},
        {"1", "10", false},
        {"1.1", "1.10000000000000000000000000001", false},
        {"9007199254740993", "9007199254740992", false},
        {"9007199254740993", "9007199254740993.0", true},
        {"123456789012345678901234567890", "1.2345678901234567890123456789e29", true},
        {"123456789012345678901234567890", "123456789012345678901234567891", false},
        {"1e400", "1e401", false},
        {"1e99999999999999999999", "1e99999999999999999998", false},
        {"1e99999999999999999999", "1e99999999999999999999", true},
        {"[1, {\"a\": [1.0]}]", "[1.0,{\"a\":[1]}]", true},
        {"[1]", "[1,1]", false},
        {"[]", "[[]]", false},
        {"[]", "{}", false},
        {"{\"a\":1,\"b\":[2],\"c\":{}}", "{\"c\":{},\"b\":[2.0],\"a\":1e0}", true},
        {"{\"a\":1}", "{\"a\":1,\"b\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"c\":2}", false},
        {"{\"a\":1,\"b\":2}", "{\"a\":1,\"a\":2}", false},
        {"\"\\u00e4\\n\\/\"", "\"ä\\u000a/\"", true},
        {"\"\\ud83d\\ude00\"", "\"😀\"", true},
        {"\"\\u0000\"", "\"\"", false},
        {"\"1\"", "1", false},
        {"true", "false", false},
        {"true", "\"true\"", false},
        {"null", "null", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *a = rows[i].a, *b = rows[i].b;
        enum jsonr_equality want = rows[i].equal ? JSONR_EQUAL : JSONR_DIFFERENT;
        if (jsonr_compare(a, strlen(a), b, strlen(b)) != want ||
            jsonr_compare(b, strlen(b), a, strlen(a)) != want)
            fail_msg("%s and %s", a, b);
    }
}

static void fill(char *text, size_t size, const char *begin, const char *piece)
{
    size_t len = strlen(begin), more = strlen(piece);
    memcpy(text, begin, len);
    for (; len + more < size; len += more)
        memcpy(text + len, piece, more);
    text[len] = '\0';
}

/* A megabyte of brackets is not gone through to its end, and never takes memory. */
static enum jsonr_order order(const char *a, const char *b)
{
    return jsonr_order(a, strlen(a), b, strlen(b));
}

static void orders_numbers(void **state)
{
    (void)state;
    static const char *const rising[] = {"-1e400",
                                         "-10",
                                         "-9.5",
                                         "-9.25",
                                         "-1e-9",
                                         "0",
                                         "1e-400",
                                         "0.5",
                                         "0.51",
                                         "1",
                                         "9",
                                         "10",
                                         "99",
                                         "1e2",
                                         "100.1",
                                         "1e400",
                                         "1e99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(rising); i++)
        for (size_t k = 0; k < ARRAY_LEN(rising); k++) {
            enum jsonr_order want = i < k ? JSONR_LESS : i > k ? JSONR_GREATER : JSONR_SAME;
            if (order(rising[i], rising[k]) != want)
                fail_msg("%s, %s: not %d", rising[i], rising[k], (int)want);
        }
    assert_int_equal(order("-0", "0.0e5"), JSONR_SAME);
    assert_int_equal(order("1.50", "15e-1"), JSONR_SAME);
    assert_int_equal(order("\"1\"", "1"), JSONR_NO_ORDER);
    assert_int_equal(order("1", "true"), JSONR_NO_ORDER);
    assert_int_equal(order("1e99999999999999999999", "2e99999999999999999999"), JSONR_TOO_BIG);
    assert_int_equal(order("-1e99999999999999999999", "2e99999999999999999999"), JSONR_LESS);
}

static void measures(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t n;
    } rows[] = {{"[]", 0},   {"[1,[2,3],{\"a\":[4]}]", 3},
                {"{}", 0},   {"{\"a\":{\"b\":1,\"c\":2},\"d\":[]}", 2},
                {"\"\"", 0}, {"\"a\\u00e4\\ud83d\\ude00\xc3\xa4\"", 4}};
    size_t n;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        assert_true(jsonr_length(rows[i].text, strlen(rows[i].text), &n));
        assert_int_equal(n, rows[i].n);
    }
    assert_false(jsonr_length("12", 2, &n));
    assert_false(jsonr_length("null", 4, &n));
}

static void is_bounded(void **state)
{
    (void)state;
    static const char *const bombs[] = {"{},", "[],", "0,", "\"\",", "{\"\":{}},", "[[[[]]]],"};
    size_t size = 1 << 20;
    char *text = malloc(size);
    struct err e;
    struct jsonr_path path = {.pointer = "/a"};
    assert_non_null(text);
    for (size_t i = 0; i < ARRAY_LEN(bombs); i++) {
        fill(text, size, "[", bombs[i]);
        assert_int_equal(jsonr_find(text, strlen(text), &path, 1, &e), JSONR_TOO_COSTLY);
        assert_non_null(strstr(e.text, "5 ms"));
        assert_false(jsonr_has_at_most(text, strlen(text), 10000));
    }
    fill(text, size, "[", "{\"name\": \"a thing\", \"value\": 12345.5, \"up\": true},");
    strcpy(text + strlen(text) - 1, "]");
    assert_int_equal(jsonr_find(text, strlen(text), &path, 1, &e), JSONR_FOUND);
    assert_true(jsonr_has_at_most(text, strlen(text), 200000));
    fill(text, JSONR_DEPTH + 2, "", "[");
    assert_int_equal(jsonr_find(text, strlen(text), &path, 1, &e), JSONR_TOO_COSTLY);
    assert_non_null(strstr(e.text, "nested too deep"));
    /* Names in the worst order cost work that has an end. */
    char *other = malloc(size);
    size_t a = 1, b = 1;
    strcpy(text, "{");
    strcpy(other, "{");
    for (int i = 0; i < 5000; i++) {
        a += (size_t)sprintf(text + a, "\"%05d\":1,", i);
        b += (size_t)sprintf(other + b, "\"%05d\":1,", 4999 - i);
    }
    text[a - 1] = other[b - 1] = '}';
    assert_int_equal(jsonr_compare(text, a, text, a), JSONR_EQUAL);
    assert_int_equal(jsonr_compare(text, a, other, b), JSONR_HARD);
    free(other);
    free(text);
}

static void shows_in_one_line(void **state)
{
    (void)state;
    static const char text[] = "{ \"a\" : [ 1 , 2 ],\n \"b\": {}, \"c\": [ [ ], null ] }";
    char out[80], small[12];
    assert_true(jsonr_compact(text, strlen(text), out, sizeof out));
    assert_string_equal(out, "{\"a\":[1,2],\"b\":{},\"c\":[[],null]}");
    assert_false(jsonr_compact(text, strlen(text), small, sizeof small));
    assert_string_equal(small, "{\"a\":[1,...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_json),        cmocka_unit_test(follows_pointers),
        cmocka_unit_test(compares_values),   cmocka_unit_test(is_bounded),
        cmocka_unit_test(shows_in_one_line), cmocka_unit_test(orders_numbers),
        cmocka_unit_test(measures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
