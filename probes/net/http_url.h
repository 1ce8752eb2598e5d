/* http_url: an address of the http type taken apart: http://, https:// and
 * http+unix:///path/to.sock:/request/path. Text only: it looks nothing up and opens nothing. */
#ifndef PROBE_NET_HTTP_URL_H
#define PROBE_NET_HTTP_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

#define HTTP_URL_SHOWN_MAX 160

struct http_url {
    bool tls;
    char *socket_path;     /* of http+unix; NULL otherwise */
    char *host;            /* without brackets; "localhost" for http+unix */
    uint16_t port;         /* given or the scheme's */
    char *authority;       /* for the Host header: host, brackets, port when not the default */
    char *path;            /* with the query, never empty */
    char *user, *password; /* decoded; NULL: not in the URL */
    char *text;            /* for the library: no credentials, no fragment */
    char shown[HTTP_URL_SHOWN_MAX + 4]; /* for people: no credentials, no query, cut when long */
};

/* 0, or -1 with the words; they never repeat the URL, which may hold a password. */
int http_url_parse(struct http_url *u, const char *text, struct err *e);

/* Where the reply of `base` sends one to: absolute or relative, never with credentials. */
int http_url_resolve(struct http_url *u, const struct http_url *base, const char *location,
                     struct err *e);

/* Same scheme, host and port (or socket): what may be told the same secrets. */
bool http_url_same_origin(const struct http_url *a, const struct http_url *b);

/* Safe on a zeroed and on a finished one. */
void http_url_fini(struct http_url *u);

#endif
