/* redact: see redact.h. */
#include "config/redact.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "base/words.h"

#define HIDDEN "***"

static bool name_is(const char *name, size_t len, const char *word)
{
    return strlen(word) == len && strncasecmp(name, word, len) == 0;
}

/* Does the name of an option or header speak of a secret? */
static bool is_telling(const char *name, size_t len)
{
    static const char *const parts[] = {
        "pass",   "pwd",     "secret", "token", "credential",         "auth", "jwt", "signature",
        "cookie", "session", "sas",    "nonce", "mechanismproperties"};
    static const char *const words[] = {"sig", "code", "sid", "otp", "pin", "pw", "hmac", "k"};
    static const char *const harmless[] = {"authSource", "authMechanism", "author",
                                           "target_session_attrs", "get-server-public-key"};
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
        if (name_is(name, len, harmless[i]))
            return false;
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (name_is(name, len, words[i]))
            return true;
    if (len >= 3 && strncasecmp(name + len - 3, "key", 3) == 0) /* key, api_key, X-Api-Key */
        return true;
    for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
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
    if (later && later != at && (mongo || !len || (!at && !is_plain_authority(authority, len))))
        at = later;
    return at ? at + 1 : authority;
}

/* Where "//" and its like end; a slip in them ("mongodb//", "name=http:/") must not bare the rest.
 */
static const char *find_authority(const char *url)
{
    const char *authority = strstr(url, "://");
    if (authority)
        return authority + 3;
    size_t word = strcspn(url, "=:/@");
    word = url[word] == '=' ? word + 1 : 0;
    while (isalpha((unsigned char)url[word]) || url[word] == '+')
        word++;
    size_t slip = strspn(url + word, ":/");
    return slip && (slip > 1 || url[word] == '/') ? url + word + slip : url;
}

/* The next value in a query that its name tells to be a secret, from `*at` on; `*at` moves behind
 * it. NULL: no more. */
static const char *next_in_query(const char **at, size_t *len)
{
    while (**at) {
        const char *name = *at, *equals;
        size_t n = strcspn(name, "&;#");
        *at += n + (name[n] != '\0');
        equals = memchr(name, '=', n);
        if (!equals || equals + 1 == name + n || !is_telling(name, (size_t)(equals - name)))
            continue;
        *len = (size_t)(name + n - equals - 1);
        return equals + 1;
    }
    return NULL;
}

char *redact_url(const char *url)
{
    struct buf b;
    buf_init(&b, 4 * strlen(url) + 64);
    const char *authority = find_authority(url), *rest = behind_userinfo(url, authority), *secret;
    size_t len;
    buf_add(&b, url, (size_t)(authority - url));
    if (rest != authority)
        buf_puts(&b, HIDDEN "@");
    const char *query = strchr(rest, '?'), *at = query ? query + 1 : "";
    while ((secret = next_in_query(&at, &len))) {
        buf_add(&b, rest, (size_t)(secret - rest));
        buf_puts(&b, HIDDEN);
        rest = secret + len;
    }
    buf_puts(&b, rest);
    return buf_take(&b);
}

int redact_secrets_of(const char *url, int (*each)(void *ctx, const char *secret, size_t len),
                      void *ctx)
{
    const char *authority = find_authority(url), *rest = behind_userinfo(url, authority), *secret;
    int rc = 0;
    if (rest != authority) {
        const char *colon = memchr(authority, ':', (size_t)(rest - 1 - authority));
        secret = colon ? colon + 1 : authority; /* a token may stand there alone */
        rc = each(ctx, secret, (size_t)(rest - 1 - secret));
    }
    const char *query = strchr(rest, '?'), *at = query ? query + 1 : "";
    for (size_t len; rc == 0 && (secret = next_in_query(&at, &len));)
        rc = each(ctx, secret, len);
    return rc;
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
    if (strcmp(text, "off") == 0)
        return false;
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

static bool may_be_secret(const char *value)
{
    return value && *value && !strchr("/-", *value) && value[strspn(value, "0123456789")];
}

bool redact_is_telling_command(const char *text)
{
    char **argv;
    struct err e;
    bool found = false;
    if (words_split(text, &argv, &e) < 0)
        return false;
    for (size_t i = 1; argv[0] && argv[i] && !found; i++) {
        const char *name = argv[i] + strspn(argv[i], "-");
        size_t len = strcspn(name, "=");
        const char *value = name[len] ? name + len + 1 : name > argv[i] ? argv[i + 1] : NULL;
        found = len > 1 && is_telling(name, len) && may_be_secret(value);
    }
    words_free(argv);
    return found;
}
