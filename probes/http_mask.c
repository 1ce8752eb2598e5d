/* http_mask: see http_mask.h. */
#include "http_mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SECRET_MIN 4

static void wipe_free(char *s)
{
    if (s)
        explicit_bzero(s, strlen(s));
    free(s);
}

int http_mask_add(struct http_mask *m, const char *secret)
{
    if (!secret || strlen(secret) < SECRET_MIN)
        return 0;
    char **grown = realloc(m->words, (m->n + 1) * sizeof *grown);
    if (!grown)
        return -1;
    m->words = grown;
    m->words[m->n] = strdup(secret);
    if (!m->words[m->n])
        return -1;
    m->n++;
    return 0;
}

/* RFC 4648 section 4. */
int http_mask_add_basic(struct http_mask *m, const char *user, const char *password)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *plain = str_format("%s:%s", user, password);
    size_t len = plain ? strlen(plain) : 0, at = 0;
    char *coded = malloc(len / 3 * 4 + 5);
    int rc = -1;
    if (plain && coded) {
        for (size_t i = 0; i < len; i += 3) {
            unsigned long v = 0;
            for (size_t k = 0; k < 3; k++)
                v = v << 8 | (i + k < len ? (unsigned char)plain[i + k] : 0);
            for (size_t k = 0; k < 4; k++)
                coded[at++] = i + k > len ? '=' : digits[v >> (18 - 6 * k) & 63];
        }
        coded[at] = '\0';
        rc = http_mask_add(m, coded);
        wipe_free(coded);
    } else {
        free(coded);
    }
    wipe_free(plain);
    return rc;
}

void http_mask_apply(const struct http_mask *m, char *text)
{
    for (size_t i = 0; i < m->n; i++) {
        size_t len = strlen(m->words[i]);
        for (char *at = text; (at = strstr(at, m->words[i])); at += len)
            memset(at, '*', len);
    }
}

void http_mask_fini(struct http_mask *m)
{
    for (size_t i = 0; i < m->n; i++)
        wipe_free(m->words[i]);
    free(m->words);
    *m = (struct http_mask){0};
}
