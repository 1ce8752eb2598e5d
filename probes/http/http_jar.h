/* http_jar: the cookies that redirects set, for the hops of one check (RFC 6265). Each goes back to
 * the host that set it and to nobody else, whatever its Domain says; after the check it is gone. */
#ifndef PROBE_HTTP_HTTP_JAR_H
#define PROBE_HTTP_HTTP_JAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "net/http_url.h"

#define HTTP_JAR_BYTES_MAX (64 << 10) /* of all cookies of a check */

struct http_cookie {
    struct http_cookie *next;
    char *host, *path, *name, *value;
    bool is_secure;
};

struct http_jar {
    struct http_cookie *first;
    size_t bytes;
};

/* Takes the cookies that a reply from `url` sets. 0, or -1 with the words: too many. */
int http_jar_take(struct http_jar *jar, const struct http_url *url, const struct buf *headers,
                  struct err *e);

/* The value of the Cookie header for a request to `url`, after `configured` (NULL: none), malloc'd;
 * NULL: no cookie of the jar is for it, or memory is out. */
char *http_jar_header(const struct http_jar *jar, const struct http_url *url,
                      const char *configured);

void http_jar_fini(struct http_jar *jar);

#endif
