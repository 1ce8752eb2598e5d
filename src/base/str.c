/* str: see str.h. */
#include "base/str.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 63

bool str_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool str_has_word(const char *words, const char *word)
{
    size_t n = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += n)
        if ((at == words || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
            return true;
    return false;
}

char *str_join(char *out, size_t size, const char *const *parts)
{
    size_t len = 0;
    for (; *parts; parts++)
        for (const char *p = *parts; *p && len + 1 < size; p++)
            out[len++] = *p;
    out[len] = '\0';
    return out;
}

char *str_excerpt(const void *data, size_t n, char *out, size_t size)
{
    const unsigned char *u = data;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char piece[8];
        if (u[i] == '\r' || u[i] == '\n')
            snprintf(piece, sizeof piece, "\\%c", u[i] == '\r' ? 'r' : 'n');
        else if (u[i] < 0x20 || u[i] > 0x7e)
            snprintf(piece, sizeof piece, "\\x%02x", u[i]);
        else
            snprintf(piece, sizeof piece, "%c", u[i]);
        size_t add = strlen(piece);
        if (len + add + 4 > size) {
            memcpy(out + len, "...", 4);
            return out;
        }
        memcpy(out + len, piece, add);
        len += add;
    }
    out[len] = '\0';
    return out;
}

size_t str_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX)
        return na + nb + 1;
    /* Optimal string alignment over three rolling rows. */
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *prev = rows[1], *cur = rows[2];
    for (size_t j = 0; j <= nb; j++)
        prev[j] = j;
    for (size_t i = 1; i <= na; i++) {
        cur[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);
            size_t best = prev[j - 1] + (ca != cb);
            if (prev[j] + 1 < best)
                best = prev[j] + 1;
            if (cur[j - 1] + 1 < best)
                best = cur[j - 1] + 1;
            if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
                cb == tolower((unsigned char)a[i - 2]) && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            cur[j] = best;
        }
        size_t *t = before;
        before = prev;
        prev = cur;
        cur = t;
    }
    return prev[nb];
}

const char *str_nearest(const char *word, const char *const *words, size_t n)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 1, least = limit + 1;
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(word, words[i]);
        if (d < least) {
            least = d;
            best = words[i];
        }
    }
    size_t typed = strlen(word);
    for (size_t i = 0; !best && typed > 1 && i < n; i++) /* only begun: "ver" for "version" */
        if (strncasecmp(words[i], word, typed) == 0)
            best = words[i];
    return best;
}

char *str_dup_n(const char *s, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, s, len);
    copy[len] = '\0';
    return copy;
}

void str_wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

char *str_format(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = NULL;
    if (vasprintf(&s, fmt, ap) < 0)
        s = NULL;
    va_end(ap);
    return s;
}
