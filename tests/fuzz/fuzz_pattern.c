/* Patterns: up to the first newline a pattern, the rest a text. Nothing crashes, and where the
 * pattern is of plain POSIX the answer is the C library's. */
#include <regex.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What both sides understand alike: no escapes, no braces, few repetitions on short texts (the C
 * library's time has no limit), and anchors only at the ends of the whole: inside groups glibc lets
 * them match where musl, Perl and POSIX do not ("(^.)+$" finds all of "bcd", ".(^.)" a "\n$").
 * test_pattern holds our answers to those. */
static bool is_plain(const char *pattern, const char *text)
{
    size_t repetitions = 0;
    for (const char *p = pattern; *p; p++) {
        repetitions += strchr("*+?", *p) != NULL;
        if (*p == '\\' || *p == '{' || *p == '[' || (unsigned char)*p >= 0x80 || repetitions > 6)
            return false;
        if ((*p == '^' && p != pattern) || (*p == '$' && p[1]))
            return false;
        if ((*p == '|' || *p == ')') && (p == pattern || strchr("(|", p[-1])))
            return false;
        if (*p == '|' && (!p[1] || p[1] == ')'))
            return false;
    }
    return strlen(text) < 64 && strlen(pattern) < 64;
}

static void compare(const char *pattern, const char *text, int found)
{
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return;
    if (found != (regexec(&regex, text, 0, NULL, 0) == 0))
        abort();
    regfree(&regex);
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
    if (p) {
        size_t len = size - (size_t)(end - text);
        int found = pattern_find(p, end, len);
        if (found < -1 || found > 1)
            abort();
        if (found >= 0 && len == strlen(end) && is_plain(text, end))
            compare(text, end, found);
    } else if (!*e.text) {
        abort();
    }
    pattern_free(p);
    free(text);
    return 0;
}
