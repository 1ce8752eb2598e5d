/* Durations: Compose's vectors (data/durations.json), words of errors, and that what is formatted
 * reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/str.h"
#include "config/duration.h"

static json_t *load_vectors(void)
{
    static const char path[] = TESTS_DIR "/unit/data/durations.json";
    json_error_t e;
    json_t *all = json_load_file(path, 0, &e);
    if (!all)
        fail_msg("%s: %s", path, e.text);
    return all;
}

static void test_vectors(void **state)
{
    (void)state;
    json_t *all = load_vectors(), *vectors = json_object_get(all, "vectors"), *v;
    size_t i;
    assert_true(json_array_size(vectors) > 30);
    json_array_foreach(vectors, i, v)
    {
        const char *in = json_string_value(json_object_get(v, "in"));
        json_t *want = json_object_get(v, "compose_ns");
        struct err e = {.text = ""};
        int64_t ns = 77;
        int rc = duration_parse(in, &ns, &e);
        if (json_is_integer(want)) {
            if (rc != 0 || ns != json_integer_value(want))
                fail_msg("\"%s\": rc %d, %lld ns, expected %lld (%s)", in, rc, (long long)ns,
                         json_integer_value(want), e.text);
        } else if (rc == 0) {
            fail_msg("\"%s\": %lld ns, expected an error", in, (long long)ns);
        } else {
            assert_true(e.text[0] != '\0');
        }
    }
    json_decref(all);
}

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *in, *words;
    } cases[] = {
        {"30", "missing unit"},
        {"1S", "unknown unit \"S\""},
        {"", "empty"},
        {"-", "not a duration"},
        {"abc", "not a duration"},
        {"1s\x01", "unknown unit \"s\\x01\""},
        {"99999999999h", "too long"},
        {"1h99999999999999999999s", "too long"},
        {".s", "not a duration"},
        {"5 s", "no blank belongs before the unit"},
        {"1m 30s", "no blank belongs in it"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        int64_t ns;
        assert_int_equal(duration_parse(cases[i].in, &ns, &e), -1);
        assert_string_equal(e.text, cases[i].words);
    }
}

static void test_format(void **state)
{
    (void)state;
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = {
        {0, "0s"},
        {1, "1ns"},
        {1000000, "1ms"},
        {1500000000, "1s500ms"},
        {90000000000, "1m30s"},
        {86400000000000, "24h"},
        {-5000000000, "-5s"},
        {INT64_MAX, "2562047h47m16s854ms775us807ns"},
        {1001001, "1ms1us1ns"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[DURATION_SIZE];
        int64_t back;
        assert_string_equal(duration_format(cases[i].ns, text), cases[i].text);
        assert_int_equal(duration_parse(text, &back, NULL), 0);
        assert_int_equal(back, cases[i].ns);
    }
    char text[DURATION_SIZE];
    assert_string_equal(duration_format(INT64_MIN, text), "-2562047h47m16s854ms775us808ns");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
