/* SASLprep: the examples of RFC 4013 section 3, and each of its rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "scram/saslprep.h"

static void rows(void **state)
{
    (void)state;
    static const struct {
        const char *text, *is; /* NULL: forbidden */
    } all[] = {
        {"I\xc2\xadX", "IX"}, /* U+00AD is left out */
        {"user", "user"},
        {"USER", "USER"},
        {"\xc2\xaa", "a"},      /* U+00AA */
        {"\xe2\x85\xa8", "IX"}, /* U+2168 */
        {"\a", NULL},
        {"\xd8\xa7"
         "1",
         NULL}, /* U+0627: does not end from right to left */
        {"", ""},
        {" s3cr@t ~", " s3cr@t ~"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"cafe\xcc\x81", "caf\xc3\xa9"},
        {"a\xc2\xa0"
         "b",
         "a b"},
        {"a\xe3\x80\x80"
         "b",
         "a b"},
        {"\xd8\xa7"
         "1\xd8\xa8",
         "\xd8\xa7"
         "1\xd8\xa8"},
        {"\xd8\xa7"
         "a\xd8\xa8",
         NULL},
        {"1\xd8\xa7", NULL},
        {"a\x7f", NULL},
        {"\xee\x80\x80", NULL},                   /* private use */
        {"\xef\xbf\xbd", NULL},                   /* U+FFFD */
        {"\xef\xb7\x90", NULL},                   /* U+FDD0 */
        {"\xf0\x9f\xbf\xbe", NULL},               /* U+1FFFE */
        {"\xe2\x80\xae", NULL},                   /* U+202E */
        {"\xf3\xa0\x80\x81", NULL},               /* U+E0001 */
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"}, /* newer than Unicode 3.2 */
        {"\xff", NULL},
        {"a\xc3", NULL},
        {"\xed\xa0\x80", NULL}, /* a surrogate */
        {"\xc0\x80", NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        struct err e = {""};
        char *got = saslprep(all[i].text, &e);
        if (!got != !all[i].is || (got && strcmp(got, all[i].is) != 0))
            fail_msg("row %zu: %s", i, got ? got : e.text);
        assert_true(got || e.text[0]);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
