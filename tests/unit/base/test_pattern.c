/* Patterns: what compiles, what is refused and in which words, and matching over bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "base/pattern.h"
#include "base/str.h"

static bool found(const char *pattern, const char *data, size_t len)
{
    struct err e;
    struct pattern *p = pattern_new(pattern, &e);
    if (!p)
        fail_msg("%s: %s", pattern, e.text);
    assert_string_equal(pattern_text(p), pattern);
    int yes = pattern_find(p, data, len);
    pattern_free(p);
    assert_true(yes == 0 || yes == 1);
    return yes == 1;
}

static void matches(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool found;
    } rows[] = {
        {"OK", "status: OK", true},
        {"^OK", "status: OK", false},
        {"OK$", "status: OK", true},
        {"a.b", "a\nb", true},
        {"^[0-9]{3} ", "220 ready", true},
        {"\\d+ms", "took 12ms", true},
        {"\\d", "d", false},
        {"^\\w+\\s\\S$", "two 3", true},
        {"\\r\\n$", "+PONG\r\n", true},
        {"\\.", "a", false},
        {"(red|green)", "green", true},
        {"[]x]", "]", true},
        {"[^]x]", "x]", false},
        {"[[:digit:]]", "7", true},
        {"\\<b", "<b>", true},
        {"\xc3\xa4", "M\xc3\xa4rz", true},
        {"a|b|cd", "xcx", false},
        {"^(a|b|cd)+$", "acdba", true},
        {"^(a|b|)c$", "c", true},
        {"^(ab){2,3}$", "abab", true},
        {"^(ab){2,3}$", "ab", false},
        {"^(ab){2,3}$", "abababab", false},
        {"^a{2,}$", "aaaa", true},
        {"^a{0}b{1}$", "b", true},
        {"^(a{0,2}b?){3}$", "aabaab", true},
        {"(a*)*b", "aaac", false},
        {"()+x", "x", true},
        {"(^.)+$", "b", true},
        {"(^.)+$", "bcd", false}, /* `^` is at the first byte only, however often it is repeated */
        {"(^.|`+$)+$", "bcd+", false},
        {"(^a)+b", "ab", true},
        {"(^.){2}$", "bc", false},
        {".(^.)", "\n$", false},
        {"(^.|.|(^.$))(^|(^.))$", "$\n\nx", false},
        {"(^a|b)(c|d$)", "xbd", true},
        {"(^a|b)(c|d$)", "xad", false},
        {"(a$|b)c", "ac", false},
        {"{\"up\": true}", "{\"up\": true}", true},
        {"^$", "", true},
        {"$^", "", true},
        {"$^", "x", false},
        {"a^b", "ab", false},
        {"[a-c-]", "-", true},
        {"[[.a.]-c]", "b", true},
        {"[\\.]", "\\", true},
        {"\\^\\$\\(\\[\\\\", "^$([\\", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (found(rows[i].pattern, rows[i].text, strlen(rows[i].text)) != rows[i].found)
            fail_msg("%s over %s", rows[i].pattern, rows[i].text);
}

static void matches_bytes(void **state)
{
    (void)state;
    assert_true(found("b", "a\0b", 3));
    assert_true(found("a b", "a\0b", 3));
    assert_true(found("^a  $", "a\0\0", 3));
    assert_true(found("\xff\xfe", "\x01\xff\xfe", 3));
    assert_false(found("x", "", 0));
}

static void refused(const char *pattern, const char *words)
{
    struct err e;
    struct pattern *p = pattern_new(pattern, &e);
    if (p)
        fail_msg("%s compiled", pattern);
    if (!strstr(e.text, words))
        fail_msg("%s: %s", pattern, e.text);
}

static void refuses_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *words;
    } rows[] = {
        {"", "empty"},
        {"(a)\\1", "back-references"},
        {"(a", "( without )"},
        {"a)", ") without ("},
        {"[a", "[ without ]"},
        {"[[:digit]", "[: without :]"},
        {"a\\", "backslash"},
        {"\\q", "\\q is not known"},
        {"[\\d]", "ordinary character"},
        {"(?:a)", "Perl"},
        {"a{256}", "at most 255"},
        {"((a{200}){200}){200}", "multiply"},
        {"(a{2}b{250}){250}", "multiply"},
        {"a**", "repetition of a repetition"},
        {"a{2", "{ without }"},
        {"a{3,2}", "wrong way round"},
        {"a{,3}", "begins with a number"},
        {"[z-a]", "wrong way round"},
        {"[[:nonsense:]]", "[:nonsense:] is not known"},
        {"*a", "nothing in front of *"},
        {"(+a)", "nothing in front of +"},
        {"^*", "nothing in front of *"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        refused(rows[i].pattern, rows[i].words);
    char deep[4200];
    memset(deep, '(', sizeof deep);
    deep[1000] = '\0';
    refused(deep, "deep");
    memset(deep, 'a', sizeof deep);
    deep[sizeof deep - 1] = '\0';
    refused(deep, "longer");
}

/* No pattern over no text takes the loop's time: the C library needs minutes for the first. */
static void time_is_bounded(void **state)
{
    (void)state;
    static const char *const patterns[] = {"(a|b)*c.*zz", "(a.*){10}(b.*){20}zz", "((a*)*)*zz",
                                           "a[ab]{250}c", "(a|ab)(b|ba)*(a[ab]{9}){99}c"};
    size_t len = 1 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    uint32_t random = 1;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = random >> 31 ? 'a' : 'b';
    }
    for (size_t i = 0; i < ARRAY_LEN(patterns); i++) {
        struct err e;
        struct pattern *p = pattern_new(patterns[i], &e);
        if (!p)
            fail_msg("%s: %s", patterns[i], e.text);
        clock_t before = clock();
        int found = pattern_find(p, text, len);
        double ms = (double)(clock() - before) * 1000 / CLOCKS_PER_SEC;
        print_message("%s: %d in %.1f ms\n", patterns[i], found, ms);
        assert_true(found <= 0);
        pattern_free(p);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),
        cmocka_unit_test(matches_bytes),
        cmocka_unit_test(refuses_in_words),
        cmocka_unit_test(time_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
