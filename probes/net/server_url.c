/* server_url: see server_url.h. */
#include "net/server_url.h"

#include <stdlib.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/str.h"

char *server_url_decode(const char *text, size_t len, struct err *e)
{
    char *out = malloc(len + 1), *to = out;
    if (!out) {
        err_set(e, "out of memory");
        return NULL;
    }
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '%') {
            *to++ = text[i];
            continue;
        }
        int high = i + 2 < len ? str_hex(text[i + 1]) : -1;
        int low = high >= 0 ? str_hex(text[i + 2]) : -1;
        if (low < 0 || high * 16 + low == 0) {
            *to = '\0';
            str_wipe(out);
            err_set(e, "a %% is not followed by the two hex digits of a byte; %% itself is %%25");
            return NULL;
        }
        *to++ = (char)(high * 16 + low);
        i += 2;
    }
    *to = '\0';
    return out;
}

/* Decodes into *out; false with the words. */
static bool take(char **out, const char *text, size_t len, struct err *e)
{
    *out = server_url_decode(text, len, e);
    return *out != NULL;
}

static int parse_login(struct server_url *u, const char *text, size_t len, struct err *e)
{
    const char *colon = memchr(text, ':', len);
    size_t user = colon ? (size_t)(colon - text) : len;
    if (!take(&u->user, text, user, e))
        return -1;
    return !colon || take(&u->password, colon + 1, len - user - 1, e) ? 0 : -1;
}

static int parse(struct server_url *u, const char *text, struct err *e)
{
    size_t authority = strcspn(text, "/?#");
    const char *at = memrchr(text, '@', authority), *rest = text + authority;
    const char *words = endpoint_kubernetes_words(text);
    if (words)
        return err_set(e, "%s", words);
    if (strchr(rest, '#') || (!strchr(rest, '?') && strchr(rest, '@')))
        return err_set(e, "in a user name or password : / ? # [ ] @ and %% must be written %%XX");
    if (at && parse_login(u, text, (size_t)(at - text), e) < 0)
        return -1;
    const char *host = at ? at + 1 : text;
    u->host = str_dup_n(host, (size_t)(rest - host));
    if (!u->host)
        return err_set(e, "out of memory");
    if (*rest == '/') {
        size_t len = strcspn(rest, "?");
        if (len > 1 && !take(&u->path, rest + 1, len - 1, e))
            return -1;
        rest += len;
    }
    if (*rest == '?' && !(u->query = strdup(rest + 1)))
        return err_set(e, "out of memory");
    return 0;
}

int server_url_parse(struct server_url *u, const char *text, struct err *e)
{
    *u = (struct server_url){0};
    int rc = parse(u, text, e);
    if (rc < 0)
        server_url_fini(u);
    return rc;
}

void server_url_fini(struct server_url *u)
{
    free(u->user);
    str_wipe(u->password);
    free(u->host);
    free(u->path);
    str_wipe(u->query); /* some write a password there */
    *u = (struct server_url){0};
}

int server_url_option(const char **at, char **name, char **value, struct err *e)
{
    *at += strspn(*at, "&");
    if (!**at)
        return 1;
    const char *begin = *at;
    size_t len = strcspn(begin, "&");
    const char *equals = memchr(begin, '=', len);
    size_t n = equals ? (size_t)(equals - begin) : len;
    *at = begin + len;
    if (!equals || n == 0)
        return err_set(e, "an option is not of the form name=value");
    if (!take(name, begin, n, e))
        return -1;
    if (take(value, equals + 1, len - n - 1, e))
        return 0;
    free(*name);
    return -1;
}
