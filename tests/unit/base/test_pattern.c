/* Patterns: what compiles, what is refused and in which words, matching over characters, in pieces,
 * and within a budget. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"
#include "base/str.h"

static struct pattern *compiled(const char *text)
{
    struct err e;
    struct pattern *p = pattern_new(text, &e);
    if (!p)
        fail_msg("%s: %s", text, e.text);
    assert_string_equal(pattern_text(p), text);
    return p;
}

static bool found(const char *pattern, const char *data, size_t len)
{
    struct err e;
    struct pattern *p = compiled(pattern);
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_result is = pattern_find_once(p, data, len, true, &budget, &e);
    pattern_free(p);
    assert_true(is.is != PATTERN_UNKNOWN);
    assert_true(budget.steps < PATTERN_STEPS);
    return is.is == PATTERN_MATCH;
}

struct row {
    const char *pattern, *text;
    bool found;
};

static void hold(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (found(rows[i].pattern, rows[i].text, strlen(rows[i].text)) != rows[i].found)
            fail_msg("%s over %s", rows[i].pattern, rows[i].text);
}

static const struct row of_ascii[] = {
    {"OK", "status: OK", true},
    {"^OK", "status: OK", false},
    {"OK$", "status: OK", true},
    {"OK$", "OK\n", false},
    {"^b", "a\nb", false},
    {"(?m)^b$", "a\nb\nc", true},
    {"(?m)^b$", "a\nbc", false},
    {"(?m)\\Ab", "a\nb", false},
    {"(?m:a$)\\z", "a\n", false},
    {"(?m:a$)\\s", "a\n", true},
    {"a.b", "a\nb", false},
    {"(?s)a.b", "a\nb", true},
    {"(?s:a.)b.c", "a\nb\nc", false},
    {"(?s)a(?-s:.)b", "a\nb", false},
    {"a[^x]b", "a\nb", true},
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
    {"[[:^digit:]]", "7", false},
    {"[^[:^digit:]x]", "7", true},
    {"[[:word:]-]", "-", true},
    {"\\<b", "<b>", true},
    {"a|b|cd", "xcx", false},
    {"^(a|b|cd)+$", "acdba", true},
    {"^(a|b|)c$", "c", true},
    {"^(ab){2,3}$", "abab", true},
    {"^(ab){2,3}$", "ab", false},
    {"^(ab){2,3}$", "abababab", false},
    {"^a{2,}$", "aaaa", true},
    {"^a{0}b{1}$", "b", true},
    {"^(a{0,2}b?){3}$", "aabaab", true},
    {"^a{1000}$", "a", false},
    {"a+?b??c*?$", "ac", true},
    {"(?U)a+b+?", "ab", true},
    {"(a*)*b", "aaac", false},
    {"()+x", "x", true},
    {"(^.)+$", "b", true},
    {"(^.)+$", "bcd", false}, /* `^` is at the beginning only, however often it is repeated */
    {"(^a)+b", "ab", true},
    {"(^.){2}$", "bc", false},
    {"^*a", "ba", true},
    {".(^.)", "\n$", false},
    {"(^a|b)(c|d$)", "xbd", true},
    {"(^a|b)(c|d$)", "xad", false},
    {"(a$|b)c", "ac", false},
    {"{\"up\": true}", "{\"up\": true}", true},
    {"^a{,2}$", "a{,2}", true}, /* no repetition: the characters themselves */
    {"^a{01}$", "a{01}", true},
    {"^$", "", true},
    {"$^", "", true},
    {"$^", "x", false},
    {"a^b", "ab", false},
    {"[a-c-]", "-", true},
    {"[\\d-z]", "-", true},
    {"[\\w.-]+@", "a-b.c@", true},
    {"[\\.]", "\\", false},
    {"[\\]\\-\\\\]", "\\", true},
    {"^\\[(ERROR|FATAL)[^\\]]*\\]", "[ERROR 5] disk full", true},
    {"[[.a.]-c]", "b-c]", false},
    {"[[=a]", "=", true},
    {"\\^\\$\\(\\[\\\\", "^$([\\", true},
    {"\\Qa.b*\\E+$", "a.b**", true},
    {"\\Qa.b", "axb", false},
    {"\\x41\\x{42}\\103\\07", "ABC\a", true},
    {"(?P<one>a)(?<two>b)", "ab", true},
    {"\\bOK\\b", "is OK.", true},
    {"\\bOK\\b", "isOK.", false},
    {"\\Bk", "OK ok", true},
    {"\\B", "", true},
    {"\\b", "", false},
    {"^\\b", " a", false},
};

static void matches(void **state)
{
    (void)state;
    hold(of_ascii, ARRAY_LEN(of_ascii));
}

static void matches_characters(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"M[äa]rz", "März", true},
        {"[🟢🟡]", "🔴", false},
        {"[🟢🟡]", "🟡", true},
        {"^.$", "🟢", true},
        {"^ä?$", "ä", true},
        {"^ä?$", "\xc3", false},
        {"^[^a]$", "ß", true},
        {"(?i)straße", "STRAßE", true},
        {"(?i)ÄÖ", "äö", true},
        {"(?i)[^ä]", "Ä", false},
        {"(?i)k", "\xe2\x84\xaa", true}, /* the sign for kelvin */
        {"(?i)σ", "ς", true},
        {"(?i)\\x{e4}", "Ä", true},
        {"(?i:ok) ready", "OK ready", true},
        {"(?i:ok) ready", "OK READY", false},
        {"(?i)o(?-i)k", "OK", false},
        {"(?i)[[:upper:]]", "a", true},
        {"(?i)[^[:^upper:]]", "a", true},
        {"^\\pL+$", "Füße", true},
        {"\\PL", "Füße", false},
        {"^\\p{Greek}+$", "λόγος", true},
        {"\\p{^Greek}", "λ", false},
        {"\\P{^Greek}", "λ", true},
        {"\\p{Lu}", "ä", false},
        {"(?i)\\p{Lu}", "ä", true},
        {"\\p{uppercase letter}", "Ä", true},
        {"\\p{Nd}", "٣", true},
        {"\\d", "٣", false},
        {"[\\p{Han}x]", "中", true},
        {"\\p{Sc}", "€", true},
        {"[^\\pL\\d]", "a1", false},
        {"\\p{Cn}", "\xcd\xb8", true}, /* U+0378 */
        {"\\p{Any}", "\n", true},
        {"\\p{ASCII}", "ä", false},
        {"\\bä", "ä", false}, /* words are of ASCII */
        {"^.$", "\xff", true},
        {"^\\x{fffd}{2}$", "\xff\xfe", true},
        {"^..$", "\xe2\x82", true}, /* half a character is as many as it has bytes */
        {"\xc3\xbf", "\xff", false},
    };
    hold(rows, ARRAY_LEN(rows));
    assert_true(found("b", "a\0b", 3));
    assert_true(found("^a\\x00b$", "a\0b", 3));
    assert_false(found("a b", "a\0b", 3));
    assert_false(found("x", "", 0));
    assert_true(found("^$", NULL, 0));
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

static const struct {
    const char *pattern, *words;
} wrong[] = {
    {"", "empty"},
    {"a)", ") without ("},
    {"(a", "( without )"},
    {"[a", "[ without ]"},
    {"[]", "[ without ]"},
    {"\\", "ends with a backslash"},
    {"(a)\\1", "back-reference"},
    {"(?P<n>a)(?P=n)", "back-reference"},
    {"(?P<n>a)\\k<n>", "back-reference"},
    {"a(?=b)", "looks ahead"},
    {"a(?!b)", "such as [^x]"},
    {"(?<=a)b", "looks behind"},
    {"(?<!a)b", "looks behind"},
    {"(?>a)", "write (?:"},
    {"(?#a)", "comment"},
    {"(?x)a", "flags of i, m, s and U"},
    {"(?i", "(? without )"},
    {"(?-)", "switches no flag off"},
    {"(?P<>a)", "name of a group"},
    {"(?P<a b>a)", "name of a group"},
    {"a*+", "write *"},
    {"a{2}+", "possessive"},
    {"a++", "possessive"},
    {"a**", "put ( ) around"},
    {"a*??", "put ( ) around"},
    {"a{2}{3}", "put ( ) around"},
    {"a{1001}", "at most 1000"},
    {"(a{100}){11}", "at most 1000 times together"},
    {"a{3,2}", "wrong way round"},
    {"[z-a]", "z-a inside [ ] is the wrong way round"},
    {"[a-\\d]", "\\d"},
    {"[[:nonsense:]]", "[:nonsense:] is not known"},
    {"[:digit:]", "write [[:digit:]]"},
    {"x[^:alpha:]", "write [^[:alpha:]]"},
    {"*a", "nothing in front of *"},
    {"(+a)", "nothing in front of +"},
    {"a|?", "nothing in front of ?"},
    {"(?i)*", "nothing in front of *"},
    {"\\C", "write (?s:.)"},
    {"a\\Z", "write \\z"},
    {"\\h", "write [\\t ]"},
    {"[\\h]", "write [\\t ]"},
    {"\\u00e4", "\\x{...}"},
    {"\\y", "\\y is not known"},
    {"\\xg", "two hexadecimal digits"},
    {"\\x{110000}", "beyond the last character"},
    {"\\p{Klingon}", "\\p{Klingon} is not known"},
    {"\\p", "followed by a letter"},
    {"a\xff", "\\xff of it is not UTF-8"},
};

static void refuses_in_words(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        refused(wrong[i].pattern, wrong[i].words);
    refused("(?:a{500}b{500}){1000}", "together");
    char text[12000];
    memset(text, '(', sizeof text);
    text[1500] = '\0';
    refused(text, "more than 1000 deep");
    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = '\0';
    refused(text, "multiply to more than");
    refused("(?:abcdefghijk){1000}", "multiply to more than");
}

/* Whether there is a match is known as soon as it has come, and each byte is looked at once. */
static void goes_on_in_pieces(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        size_t after;
    } rows[] = {
        {"OK\\r\\n$", "+OK\r\n", 5}, {"^\\+OK", "+OK\r\n", 3}, {"ü$", "xxü", 4},
        {"^🟢$", "🟢", 4},       {"no", "yes", 0},         {"\\bOK\\b", "a OK", 4},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e;
        struct pattern *p = compiled(rows[i].pattern);
        struct pattern_budget budget = {PATTERN_STEPS};
        struct pattern_search s;
        pattern_search_init(&s, p, &budget);
        size_t after = 0;
        for (size_t len = 0; !after && len <= strlen(rows[i].text); len++)
            if (pattern_find_so_far(&s, rows[i].text, len, &e).is == PATTERN_MATCH)
                after = len;
        assert_int_equal(after, rows[i].after);
        pattern_search_fini(&s);
        pattern_free(p);
    }
    struct pattern *end = compiled("ok$|\\bno\\b|yes");
    struct pattern_budget enough = {PATTERN_STEPS};
    struct err why;
    assert_true(pattern_find_once(end, "ok", 2, true, &enough, &why).is == PATTERN_MATCH);
    assert_true(pattern_find_once(end, "ok", 2, false, &enough, &why).is == PATTERN_NO_MATCH);
    assert_true(pattern_find_once(end, "no", 2, false, &enough, &why).is == PATTERN_NO_MATCH);
    assert_true(pattern_find_once(end, "no.", 3, false, &enough, &why).is == PATTERN_MATCH);
    assert_true(pattern_find_once(end, "yes", 3, false, &enough, &why).is == PATTERN_MATCH);
    assert_true(pattern_find_once(end, "ye", 2, false, &enough, &why).is == PATTERN_NO_MATCH);
    pattern_free(end);
    char drip[16384];
    struct err e;
    struct pattern *p = compiled("never$");
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_search s;
    pattern_search_init(&s, p, &budget);
    memset(drip, 'n', sizeof drip);
    for (size_t len = 0; len <= sizeof drip; len++)
        assert_true(pattern_find_so_far(&s, drip, len, &e).is == PATTERN_NO_MATCH);
    assert_true(PATTERN_STEPS - budget.steps < 3 * (int)sizeof drip);
    pattern_search_fini(&s);
    pattern_free(p);
}

/* A run's patterns share a budget. What would take more is unknown, never yes or no. */
static void work_is_bounded(void **state)
{
    (void)state;
    static const struct {
        const char *pattern;
        bool unknown;
    } rows[] = {
        {"(a|b)*c.*zz", false},          {"(a.*){10}(b.*){20}zz", false},
        {"((a*)*)*zz", false},           {"a[ab]{250}c", true},
        {"a(a|b){240}Z", true},          {"(a|ab)(b|ba)*(a[ab]{9}){99}c", true},
        {"(?:[ab]{1,9}){1,99}c", false}, {"a\\pL{900}\\d", true},
    };
    size_t len = 1 << 20;
    char *text = malloc(len);
    assert_non_null(text);
    uint32_t random = 1;
    for (size_t i = 0; i < len; i++) {
        random = random * 1664525 + 1013904223;
        text[i] = random >> 31 ? 'a' : 'b';
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e = {{0}};
        struct pattern *p = compiled(rows[i].pattern);
        struct pattern_budget budget = {PATTERN_STEPS};
        struct pattern_result is = pattern_find_once(p, text, len, true, &budget, &e);
        if (is.is != (rows[i].unknown ? PATTERN_UNKNOWN : PATTERN_NO_MATCH))
            fail_msg("%s: %d %s", rows[i].pattern, (int)is.is, e.text);
        assert_true(budget.steps > -PATTERN_STEPS / 10);
        if (rows[i].unknown) {
            assert_non_null(strstr(e.text, "5 ms"));
            assert_true(pattern_find_once(p, text, 1, true, &budget, &e).is == PATTERN_UNKNOWN);
        }
        pattern_free(p);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matches),          cmocka_unit_test(matches_characters),
        cmocka_unit_test(refuses_in_words), cmocka_unit_test(goes_on_in_pieces),
        cmocka_unit_test(work_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
