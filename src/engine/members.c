/* members: see members.h. */
#include "engine/members.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 300 /* bytes of a name or error; longer ones are cut */

static size_t room_of(const char *text)
{
    return text ? strnlen(text, TEXT_MAX) + 1 : 0;
}

static const char *put(char **at, const char *text)
{
    if (!text)
        return NULL;
    char *copy = *at;
    size_t len = strnlen(text, TEXT_MAX);
    memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

struct members *members_new(const struct probe_member *of, size_t n)
{
    size_t size = 0;
    for (size_t i = 0; i < n; i++)
        size += sizeof *of + room_of(of[i].name) + room_of(of[i].error);
    struct members *m = n ? malloc(sizeof *m + size) : NULL;
    if (!m)
        return NULL;
    char *at = (char *)(m->of + n);
    m->n = n;
    for (size_t i = 0; i < n; i++) {
        m->of[i] = of[i];
        m->of[i].name = put(&at, of[i].name);
        m->of[i].error = put(&at, of[i].error);
    }
    return m;
}
