/* http_jar: see http_jar.h. */
#include "http/http_jar.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http_wire.h"

static struct http_text trim(const char *from, const char *end)
{
    while (from < end && isspace((unsigned char)*from))
        from++;
    while (end > from && isspace((unsigned char)end[-1]))
        end--;
    return (struct http_text){from, (size_t)(end - from)};
}

/* The next piece up to a semicolon, taken apart at its "="; false at the end. */
static bool next_pair(struct http_text *rest, struct http_text *name, struct http_text *value)
{
    if (!rest->len)
        return false;
    const char *at = rest->data, *all = at + rest->len;
    const char *end = memchr(at, ';', rest->len);
    if (!end)
        end = all;
    const char *equals = memchr(at, '=', (size_t)(end - at));
    *name = trim(at, equals ? equals : end);
    *value = trim(equals ? equals + 1 : end, end);
    rest->data = end < all ? end + 1 : all;
    rest->len = (size_t)(all - rest->data);
    return true;
}

static bool is(struct http_text t, const char *word)
{
    return t.len == strlen(word) && strncasecmp(t.data, word, t.len) == 0;
}

/* Up to the last slash of the request's path (section 5.1.4). */
static size_t folder_len(const char *path)
{
    size_t len = strcspn(path, "?");
    while (len > 1 && path[len - 1] != '/')
        len--;
    return len > 1 ? len - 1 : 1;
}

static void cookie_free(struct http_cookie *c)
{
    free(c->host);
    free(c->path);
    free(c->name);
    str_wipe(c->value);
    free(c);
}

static size_t size_of(const struct http_cookie *c)
{
    return sizeof *c + strlen(c->host) + strlen(c->path) + strlen(c->name) + strlen(c->value);
}

/* Drops the one that `c` takes the place of. */
static void drop_older(struct http_jar *jar, const struct http_cookie *c)
{
    for (struct http_cookie **at = &jar->first; *at;) {
        struct http_cookie *old = *at;
        if (strcmp(old->name, c->name) == 0 && strcmp(old->path, c->path) == 0 &&
            strcasecmp(old->host, c->host) == 0) {
            *at = old->next;
            jar->bytes -= size_of(old);
            cookie_free(old);
        } else {
            at = &old->next;
        }
    }
}

/* Max-Age=0 and a negative one take a cookie away; so does an Expires in the past, but servers that
 * mean that send an empty value too, and clocks differ: what is empty and expires is taken away. */
static struct http_cookie *read_cookie(const struct http_url *url, struct http_text line,
                                       bool *is_gone)
{
    struct http_text name, value, key, arg, path = {0};
    struct http_cookie *c = calloc(1, sizeof *c);
    bool first = next_pair(&line, &name, &value), expires = false;
    *is_gone = false;
    if (!c)
        return NULL;
    while (first && next_pair(&line, &key, &arg)) {
        if (is(key, "Path") && arg.len && arg.data[0] == '/')
            path = arg;
        else if (is(key, "Secure"))
            c->is_secure = true;
        else if (is(key, "Expires"))
            expires = true;
        else if (is(key, "Max-Age") && arg.len && (arg.data[0] == '-' || is(arg, "0")))
            *is_gone = true;
    }
    *is_gone = *is_gone || (expires && first && !value.len);
    c->host = strdup(url->host);
    c->path =
        path.len ? str_dup_n(path.data, path.len) : str_dup_n(url->path, folder_len(url->path));
    c->name = first ? str_dup_n(name.data, name.len) : NULL;
    c->value = first ? str_dup_n(value.data, value.len) : NULL;
    if (c->host && c->path && c->name && c->value)
        return c;
    cookie_free(c);
    return NULL;
}

int http_jar_take(struct http_jar *jar, const struct http_url *url, const struct buf *headers,
                  struct err *e)
{
    struct http_text line;
    for (size_t at = 0; http_header_next(headers, "Set-Cookie", &at, &line);) {
        bool is_gone;
        struct http_cookie *c = line.len ? read_cookie(url, line, &is_gone) : NULL;
        if (!c)
            continue;
        drop_older(jar, c);
        if (is_gone || !*c->name || (c->is_secure && !url->tls)) {
            cookie_free(c);
            continue;
        }
        struct http_cookie **last = &jar->first;
        while (*last)
            last = &(*last)->next;
        *last = c;
        jar->bytes += size_of(c);
        if (jar->bytes > HTTP_JAR_BYTES_MAX)
            return err_set(e, "the redirects set cookies of over %d KiB", HTTP_JAR_BYTES_MAX >> 10);
    }
    return 0;
}

static bool is_for(const struct http_cookie *c, const struct http_url *url)
{
    size_t len = strlen(c->path);
    bool path = strncmp(url->path, c->path, len) == 0 &&
                (c->path[len - 1] == '/' || strchr("/?", url->path[len]));
    return path && strcasecmp(c->host, url->host) == 0 && (url->tls || !c->is_secure);
}

char *http_jar_header(const struct http_jar *jar, const struct http_url *url,
                      const char *configured)
{
    struct buf b;
    bool any = false;
    buf_init(&b, SIZE_MAX / 2);
    buf_puts(&b, configured ? configured : "");
    for (const struct http_cookie *c = jar->first; c; c = c->next) {
        if (!is_for(c, url))
            continue;
        buf_printf(&b, "%s%s=%s", b.len ? "; " : "", c->name, c->value);
        any = true;
    }
    if (any)
        return buf_take(&b);
    buf_fini(&b);
    return NULL;
}

void http_jar_fini(struct http_jar *jar)
{
    while (jar->first) {
        struct http_cookie *c = jar->first;
        jar->first = c->next;
        cookie_free(c);
    }
}
