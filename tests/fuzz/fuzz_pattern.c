/* Patterns: up to the first newline a pattern, the rest a text. Nothing crashes, and the answer is
 * the same when the text comes in pieces, when the pattern is written otherwise, and, where the
 * pattern is of plain POSIX, from the C library. */
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What both sides understand alike: no escapes, no braces, few repetitions on short texts (the C
 * library's time has no limit), and anchors only at the ends of the whole: inside groups glibc lets
 * them match where RE2 does not. */
static bool is_plain(const char *pattern, const char *text)
{
    size_t repetitions = 0;
    for (const char *p = pattern; *p; p++) {
        repetitions += strchr("*+?", *p) != NULL;
        if (strchr("\\{[.", *p) || (unsigned char)*p >= 0x80 || repetitions > 6)
            return false;
        if ((*p == '^' && p != pattern) || (*p == '$' && p[1]))
            return false;
        if ((*p == '|' || *p == ')') && (p == pattern || strchr("(|", p[-1])))
            return false;
        if ((*p == '|' && (!p[1] || p[1] == ')')) || (*p == '(' && p[1] == '?'))
            return false;
        if (*p == '?' && p != pattern && strchr("*+?", p[-1]))
            return false;
    }
    return strlen(text) < 64 && strlen(pattern) < 64;
}

static void ask_libc(const char *pattern, const char *text, bool found)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return;
    if (found != (regexec(&regex, text, 0, NULL, 0) == 0))
        abort();
    regfree(&regex);
}

static void must_be(struct pattern_result a, bool found)
{
    if (a.is != PATTERN_UNKNOWN && (a.is == PATTERN_MATCH) != found)
        abort();
}

/* A pattern that is `text` between the two is as good as `text` itself. */
static void wrap(const char *before, const char *text, const char *after, const char *data,
                 size_t len, bool found)
{
    struct err e;
    struct pattern_budget budget = {PATTERN_STEPS};
    char *wrapped = str_format("%s%s%s", before, text, after);
    struct pattern *p = wrapped ? pattern_new(wrapped, &e) : NULL;
    if (p)
        must_be(pattern_find_once(p, data, len, true, &budget, &e), found);
    pattern_free(p);
    free(wrapped);
}

static void try(const struct pattern *p, const char *text, const char *data, size_t len)
{
    struct err e;
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_search s;
    pattern_search_init(&s, p, &budget);
    struct pattern_result is = pattern_find(&s, data, len, &e);
    pattern_search_fini(&s);
    if (is.is == PATTERN_UNKNOWN)
        return;
    bool found = is.is == PATTERN_MATCH;
    pattern_search_init(&s, p, &budget);
    is.is = PATTERN_NO_MATCH;
    for (size_t n = 0; n <= len && is.is == PATTERN_NO_MATCH;
         n += n < len && n + 7 > len ? len - n : 7)
        is = pattern_find_so_far(&s, data, n, &e);
    pattern_search_fini(&s);
    if (is.is == PATTERN_NO_MATCH && found)
        abort();
    if (!strstr(text, "\\Q")) {
        wrap("(?:", text, ")", data, len, found);
        wrap("(?s:.*?)(", text, ")", data, len, found);
        wrap("(?:", text, "){1,2}?", data, len, found);
        wrap("(?s)\\A.*(?-s:", text, ")(?s:.*)\\z", data, len, found);
        wrap("x{0}(?:", text, ")|[^\\x{0}-\\x{10ffff}]", data, len, found);
    }
    if (len == strlen(data) && is_plain(text, data))
        ask_libc(text, data, found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = str_dup_n((const char *)data, size);
    char *end = text ? memchr(text, '\n', size) : NULL;
    if (!end) {
        free(text);
        return 0;
    }
    *end++ = '\0';
    struct err e = {{0}};
    struct pattern *p = pattern_new(text, &e);
    if (p)
        try(p, text, end, size - (size_t)(end - text));
    else if (!*e.text)
        abort();
    pattern_free(p);
    free(text);
    return 0;
}
