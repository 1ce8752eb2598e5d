/* words_split: a command line without a shell. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/words.h"

static void test_words(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words; /* joined by | */
    } cases[] = {
        {"a", "a|"},
        {"  a\t b\n\r c ", "a|b|c|"},
        {"a 'b c' \"d e\"", "a|b c|d e|"},
        {"a'b'\"c\"d", "abcd|"},
        {"a '' \"\" b", "a|||b|"},
        {"a 'it\"s' \"it's\"", "a|it\"s|it's|"},
        {"a \"q\\\"q\\\\q\\n\" '\\n'", "a|q\"q\\q\\n|\\n|"},
        {"a\\ b \\'c\\' \\\\", "a b|'c'|\\|"},
        {"a $HOME `b` $(c) ; d | e > f * ~", "a|$HOME|`b`|$(c)|;|d|||e|>|f|*|~|"},
        {"\xc3\xa4 b", "\xc3\xa4|b|"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char **argv, got[128] = "";
        assert_int_equal(words_split(cases[i].text, &argv, NULL), 0);
        for (size_t k = 0; argv[k]; k++) {
            strcat(got, argv[k]);
            strcat(got, "|");
        }
        assert_string_equal(got, cases[i].words);
        words_free(argv);
    }
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "no command"},          {" \n ", "no command"}, {"''", "no command"},
        {"\"\" a", "no command"},    {"a 'b", "not closed"}, {"a \"b", "not closed"},
        {"a \"b\\\"", "not closed"}, {"a \\", "not closed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char **argv;
        struct err e;
        assert_int_equal(words_split(cases[i].text, &argv, &e), -1);
        assert_null(argv);
        assert_non_null(strstr(e.text, cases[i].why));
    }
    words_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
