/* http_url: see http_url.h. The taking apart is libcurl's own, so that what is shown, dialled and
 * requested can never be three different things. */
#include "net/http_url.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/endpoint.h"
#include "base/str.h"

#define UNIX_SCHEME   "http+unix://"
#define UNIX_HOST     "localhost"
#define UNIX_PATH_MAX 107 /* sun_path, less its NUL */

/* curl_url_strerror came with 7.80. */
static const char *url_words(CURLUcode rc)
{
    switch (rc) {
    case CURLUE_BAD_PORT_NUMBER:
        return "the port must be a number from 1 to 65535";
    case CURLUE_NO_HOST:
        return "there is no host in it";
    case CURLUE_UNSUPPORTED_SCHEME:
        return "its scheme is not http or https";
    case CURLUE_OUT_OF_MEMORY:
        return "out of memory";
    case CURLUE_URLDECODE:
        return "its %-escapes are not valid";
    default:
        return "it is not a valid URL";
    }
}

#if LIBCURL_VERSION_NUM < 0x075100 /* what an older one says of a zone that is not there */
#define CURLUE_NO_ZONEID CURLUE_UNKNOWN_PART
#endif

/* A part as our own string; NULL where the URL has none. */
static int get_part(CURLU *handle, CURLUPart part, unsigned flags, char **out, struct err *e)
{
    char *text = NULL;
    CURLUcode rc = curl_url_get(handle, part, &text, flags);
    if (rc == CURLUE_NO_USER || rc == CURLUE_NO_PASSWORD || rc == CURLUE_NO_ZONEID ||
        rc == CURLUE_NO_QUERY)
        return 0;
    if (rc != CURLUE_OK)
        return err_set(e, "%s", url_words(rc));
    *out = strdup(text);
    curl_free(text);
    return *out ? 0 : err_set(e, "out of memory");
}

/* "[fe80::1]" and its zone make "fe80::1%zone". */
static int get_host(struct http_url *u, CURLU *handle, struct err *e)
{
    char *host = NULL, *zone = NULL;
    int rc = -1;
    if (get_part(handle, CURLUPART_HOST, 0, &host, e) < 0 ||
        get_part(handle, CURLUPART_ZONEID, 0, &zone, e) < 0)
        goto out;
    for (const char *p = host; *p; p++)
        if ((unsigned char)*p >= 0x80) {
            err_set(e, "the host name is not ASCII: write its xn-- form");
            goto out;
        }
    size_t len = strlen(host);
    bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';
    const char *bare = brackets ? host + 1 : host;
    u->host = str_format("%.*s%s%s", (int)(brackets ? len - 2 : len), bare, zone ? "%" : "",
                         zone ? zone : "");
    if (!u->host)
        err_set(e, "out of memory");
    else
        rc = 0;
out:
    free(host);
    free(zone);
    return rc;
}

static int get_port(struct http_url *u, CURLU *handle, struct err *e)
{
    char *text = NULL;
    if (get_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &text, e) < 0)
        return -1;
    long port = text ? strtol(text, NULL, 10) : 0;
    free(text);
    if (port < 1 || port > 65535)
        return err_set(e, "the port must be a number from 1 to 65535");
    u->port = (uint16_t)port;
    return 0;
}

/* What the pieces are put together to: the Host header's value and the texts. */
static int compose(struct http_url *u, struct err *e)
{
    bool v6 = strchr(u->host, ':'), usual = u->port == (u->tls ? 443 : 80);
    /* A zone means something on this machine only and is never sent (RFC 6874). */
    int host_len = (int)strcspn(u->host, "%");
    char port[8] = "";
    if (!usual)
        snprintf(port, sizeof port, ":%u", (unsigned)u->port);
    u->authority = str_format("%s%.*s%s%s", v6 ? "[" : "", host_len, u->host, v6 ? "]" : "", port);
    if (!u->authority)
        return err_set(e, "out of memory");
    u->text = str_format("http%s://%s%s", u->tls ? "s" : "", u->authority, u->path);
    if (!u->text)
        return err_set(e, "out of memory");

    size_t path_len = strcspn(u->path, "?");
    char *shown = u->socket_path
                      ? str_format(UNIX_SCHEME "%s:%.*s", u->socket_path, (int)path_len, u->path)
                      : str_format("http%s://%s%.*s%s", u->tls ? "s" : "", u->authority,
                                   (int)path_len, u->path, u->path[path_len] ? "?..." : "");
    if (!shown)
        return err_set(e, "out of memory");
    size_t len = strlen(shown);
    snprintf(u->shown, sizeof u->shown, "%.*s%s", HTTP_URL_SHOWN_MAX, shown,
             len > HTTP_URL_SHOWN_MAX ? "..." : "");
    free(shown);
    return 0;
}

/* Everything but the texts, out of curl's handle. */
static int take(struct http_url *u, CURLU *handle, struct err *e)
{
    char *scheme = NULL, *path = NULL, *query = NULL;
    int rc = -1;
    if (get_part(handle, CURLUPART_SCHEME, 0, &scheme, e) < 0 ||
        get_part(handle, CURLUPART_PATH, 0, &path, e) < 0 ||
        get_part(handle, CURLUPART_QUERY, 0, &query, e) < 0 ||
        get_part(handle, CURLUPART_USER, CURLU_URLDECODE, &u->user, e) < 0 ||
        get_part(handle, CURLUPART_PASSWORD, CURLU_URLDECODE, &u->password, e) < 0 ||
        get_host(u, handle, e) < 0)
        goto out;
    u->tls = strcmp(scheme, "https") == 0;
    if (!u->tls && strcmp(scheme, "http") != 0) {
        err_set(e, "its scheme is %s, not http or https", scheme);
        goto out;
    }
    if (get_port(u, handle, e) < 0)
        goto out;
    u->path = str_format("%s%s%s", path, query ? "?" : "", query ? query : "");
    rc = u->path ? 0 : err_set(e, "out of memory");
out:
    free(scheme);
    free(path);
    free(query);
    return rc;
}

/* The socket's path ends at the first ":/" after it began, so it may hold a colon but not that. */
static int split_unix(const char *text, char **socket_path, char **url, struct err *e)
{
    const char *path = text + strlen(UNIX_SCHEME);
    if (*path != '/')
        return err_set(e, "the path of the socket must be absolute: " UNIX_SCHEME
                          "/run/app.sock:/request/path");
    const char *end = strstr(path, ":/");
    size_t len = end ? (size_t)(end - path) : strlen(path);
    if (len > UNIX_PATH_MAX)
        return err_set(e, "the path of the socket is over %d bytes", UNIX_PATH_MAX);
    *socket_path = str_dup_n(path, len);
    *url = str_format("http://" UNIX_HOST "%s", end ? end + 1 : "/");
    return *socket_path && *url ? 0 : err_set(e, "out of memory");
}

static bool has_control(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text <= 0x20 || *text == 0x7f)
            return true;
    return false;
}

int http_url_parse(struct http_url *u, const char *text, struct err *e)
{
    *u = (struct http_url){0};
    char *url = NULL;
    CURLU *handle = curl_url();
    int rc = -1;
    if (!handle) {
        err_set(e, "out of memory");
    } else if (has_control(text)) {
        err_set(e, "there is a blank or a control byte in it: write %%20 for a blank");
    } else if (strncasecmp(text, UNIX_SCHEME, strlen(UNIX_SCHEME)) == 0) {
        rc = split_unix(text, &u->socket_path, &url, e);
    } else if (strncasecmp(text, "http://", 7) != 0 && strncasecmp(text, "https://", 8) != 0) {
        err_set(e, "it must begin with http://, https:// or " UNIX_SCHEME);
    } else if (strstr(text, "://")[3] == '/') { /* curl is generous with slashes */
        err_set(e, "there is no host in it");
    } else {
        url = strdup(text);
        rc = url ? 0 : err_set(e, "out of memory");
    }
    if (rc == 0) {
        CURLUcode code = curl_url_set(handle, CURLUPART_URL, url, 0);
        /* "http://tcp://10.0.0.1:80/" is a host tcp without a port to libcurl. */
        bool is_inner = str_starts(strstr(url, "://"), "://tcp://");
        const char *words = code || is_inner ? endpoint_kubernetes_words(url) : NULL;
        if (words || code != CURLUE_OK)
            rc = err_set(e, "%s", words ? words : url_words(code));
        else if (take(u, handle, e) < 0 || compose(u, e) < 0)
            rc = -1;
    }
    if (handle)
        curl_url_cleanup(handle);
    free(url);
    if (rc < 0)
        http_url_fini(u);
    return rc;
}

int http_url_resolve(struct http_url *u, const struct http_url *base, const char *location,
                     struct err *e)
{
    *u = (struct http_url){0};
    CURLU *handle = curl_url();
    if (!handle)
        return err_set(e, "out of memory");
    int rc = 0;
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, base->text, 0);
    /* "#x" is the same document (RFC 3986 section 5.2.2); libcurl makes its folder of it. */
    if (code == CURLUE_OK && *location != '#')
        code = curl_url_set(handle, CURLUPART_URL, location, CURLU_URLENCODE);
    /* What a stranger puts into a Location is not for us to log in with. */
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_USER, NULL, 0);
    if (code == CURLUE_OK)
        code = curl_url_set(handle, CURLUPART_PASSWORD, NULL, 0);
    if (code != CURLUE_OK)
        rc = err_set(e, "%s", url_words(code));
    else if (take(u, handle, e) < 0)
        rc = -1;
    if (rc == 0 && base->socket_path && !u->tls && u->port == base->port &&
        strcasecmp(u->host, base->host) == 0) {
        u->socket_path = strdup(base->socket_path);
        if (!u->socket_path)
            rc = err_set(e, "out of memory");
    }
    if (rc == 0)
        rc = compose(u, e);
    curl_url_cleanup(handle);
    if (rc < 0)
        http_url_fini(u);
    return rc;
}

bool http_url_same_origin(const struct http_url *a, const struct http_url *b)
{
    if (a->socket_path || b->socket_path)
        return a->socket_path && b->socket_path && strcmp(a->socket_path, b->socket_path) == 0;
    return a->tls == b->tls && a->port == b->port && strcasecmp(a->host, b->host) == 0;
}

void http_url_fini(struct http_url *u)
{
    free(u->socket_path);
    free(u->host);
    free(u->authority);
    free(u->path);
    free(u->user);
    str_wipe(u->password);
    free(u->text);
    *u = (struct http_url){0};
}
