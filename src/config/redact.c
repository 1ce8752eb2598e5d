/* redact: see redact.h. */
#include "config/redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"

#define HIDDEN "***"

/* Does the name of an option or header speak of a secret? */
static bool is_telling(const char *name, size_t len)
{
    static const char *const parts[] = {
        "pass",   "secret",  "token",   "credential",    "signature",           "apikey",
        "cookie", "api-key", "api_key", "authorization", "mechanismproperties", NULL};
    if ((len == 3 && strncasecmp(name, "key", 3) == 0) ||
        (len == 3 && strncasecmp(name, "sig", 3) == 0))
        return true;
    for (size_t p = 0; parts[p]; p++) {
        size_t n = strlen(parts[p]);
        for (size_t i = 0; i + n <= len; i++)
            if (strncasecmp(name + i, parts[p], n) == 0)
                return true;
    }
    return false;
}

/* "host", "host:80", "[::1]:80", or several with commas: nothing that could be a password. */
static bool is_plain_authority(const char *s, size_t len)
{
    bool port = false, bracket = false;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '[')
            bracket = true;
        else if (s[i] == ']')
            bracket = false;
        else if (s[i] == ',')
            port = false;
        else if (s[i] == ':' && !bracket)
            port = true;
        else if (port && !isdigit((unsigned char)s[i]))
            return false;
    }
    return true;
}

/* Where the host begins. Passwords with an unescaped '/' or '@' are invalid, but they are seen, and
 * must not be shown in the very message that says so. */
static const char *behind_userinfo(const char *url, const char *authority)
{
    size_t len = strcspn(authority, "/?#");
    const char *at = memrchr(authority, '@', len);
    const char *later = strrchr(authority, '@');
    bool mongo = strncasecmp(url, "mongodb", 7) == 0;
    if (later && later != at && (mongo || (!at && !is_plain_authority(authority, len))))
        at = later;
    return at ? at + 1 : authority;
}

static void add_query(struct buf *b, const char *query)
{
    while (*query) {
        size_t len = strcspn(query, "&;#");
        const char *equals = memchr(query, '=', len);
        if (equals && equals + 1 < query + len && is_telling(query, (size_t)(equals - query))) {
            buf_add(b, query, (size_t)(equals + 1 - query));
            buf_puts(b, HIDDEN);
        } else {
            buf_add(b, query, len);
        }
        query += len;
        if (*query)
            buf_putc(b, *query++);
    }
}

char *redact_url(const char *url)
{
    struct buf b;
    buf_init(&b, 2 * strlen(url) + 64);
    const char *authority = strstr(url, "://");
    const char *rest = url;
    if (authority) {
        authority += 3;
        rest = behind_userinfo(url, authority);
        buf_add(&b, url, (size_t)(authority - url));
        if (rest != authority)
            buf_puts(&b, HIDDEN "@");
    }
    const char *query = strchr(rest, '?');
    if (query) {
        buf_add(&b, rest, (size_t)(query + 1 - rest));
        add_query(&b, query + 1);
    } else {
        buf_puts(&b, rest);
    }
    return buf_take(&b);
}

/* "Name: value" as "Name: ***"; NULL out of memory. */
static char *redact_header(const char *text)
{
    const char *colon = strchr(text, ':');
    return colon ? str_format("%.*s: %s", (int)(colon - text), text, HIDDEN) : strdup(HIDDEN);
}

char *redact_item(const struct probe_key *key, const char *text)
{
    if (key->flags & KEY_SECRET)
        return key->kind == KEY_LINES ? redact_header(text) : strdup(HIDDEN);
    return key->flags & KEY_MAY_HIDE ? redact_url(text) : strdup(text);
}

bool redact_holds_secret(const struct probe_key *key, const char *text)
{
    if (key->flags & KEY_SECRET) {
        const char *colon = key->kind == KEY_LINES ? strchr(text, ':') : NULL;
        return colon ? is_telling(text, (size_t)(colon - text))
                     : is_telling(key->name, strlen(key->name));
    }
    if (!(key->flags & KEY_MAY_HIDE))
        return false;
    char *shown = redact_url(text);
    bool differs = !shown || strcmp(shown, text) != 0;
    free(shown);
    return differs;
}
