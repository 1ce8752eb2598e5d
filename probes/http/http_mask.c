/* http_mask: see http_mask.h. */
#include "http/http_mask.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SECRET_MIN 4

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
        str_wipe(m->words[i]);
    free(m->words);
    *m = (struct http_mask){0};
}
