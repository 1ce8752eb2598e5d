/* target: see target.h. */
#include "config/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "registry.h"

#define SCHEMES_MAX 64

static bool is_name_len(const char *s, size_t len)
{
    static const char *const first =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (len == 0 || len > TARGET_NAME_MAX || !strchr(first, s[0]))
        return false;
    for (size_t i = 1; i < len; i++)
        if (!strchr(first, s[i]) && s[i] != '.' && s[i] != '-')
            return false;
    return true;
}

bool target_is_name(const char *text)
{
    return is_name_len(text, strlen(text));
}

bool target_scheme(const char *text, size_t *type, const struct probe_scheme **scheme)
{
    size_t longest = 0;
    for (size_t t = 0; probe_types[t]; t++)
        for (const struct probe_scheme *s = probe_types[t]->schemes; s && s->prefix; s++) {
            size_t len = strlen(s->prefix);
            if (len > longest && strncasecmp(text, s->prefix, len) == 0) {
                longest = len;
                *type = t;
                *scheme = s;
            }
        }
    return longest > 0;
}

const char *target_value(const char *text, const struct probe_scheme *scheme)
{
    return scheme->strip ? text + strlen(scheme->prefix) : text;
}

size_t target_name_len(const char *text)
{
    size_t len = strcspn(text, "="), type;
    const struct probe_scheme *scheme;
    if (!text[len] || !is_name_len(text, len) || !target_scheme(text + len + 1, &type, &scheme))
        return 0;
    return len;
}

static size_t all_schemes(const char *out[SCHEMES_MAX])
{
    size_t n = 0;
    for (size_t t = 0; probe_types[t]; t++)
        for (const struct probe_scheme *s = probe_types[t]->schemes;
             s && s->prefix && n < SCHEMES_MAX; s++)
            if (!probe_types[t]->only_configured)
                out[n++] = s->prefix;
    return n;
}

char *target_suggest(const char *text, const char *const *names, size_t n)
{
    const char *near = str_nearest(text, names, n);
    if (near)
        return strdup(near);
    size_t len = strcspn(text, ":/"); /* of what may be meant as a scheme, with its end */
    if (!text[len])
        return NULL;
    len += str_starts(text + len, "://") ? 3 : str_starts(text + len, "//") ? 2 : 1;
    char prefix[32];
    if (len >= sizeof prefix)
        return NULL;
    memcpy(prefix, text, len);
    prefix[len] = '\0';
    const char *schemes[SCHEMES_MAX];
    near = str_nearest(prefix, schemes, all_schemes(schemes));
    if (near && !strchr(text + len, '@')) {
        /* "http:/host" has lost a slash; that of "unix:/path" is the path's. */
        bool lost = text[len] == '/' && str_starts(text + len - 1, ":/") && !strstr(near, "unix");
        return str_format("%s%s", near, text + len + lost);
    }
    size_t type;
    const struct probe_scheme *scheme;
    char *tcp = str_format("tcp://%s", text);
    if (tcp && text[len - 1] == ':' && text[len] &&
        strspn(text + len, "0123456789") == strlen(text + len) &&
        target_scheme(tcp, &type, &scheme))
        return tcp;
    free(tcp);
    return NULL;
}

char *target_schemes(char *out, size_t size)
{
    const char *schemes[SCHEMES_MAX];
    size_t n = all_schemes(schemes), at = 0;
    out[0] = '\0';
    for (size_t i = 0; i < n && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%s", i ? ", " : "", schemes[i]);
    return out;
}
