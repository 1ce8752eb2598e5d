/* http_fetch: one HTTP/1 request, made and waited for, on a loop of its own: for commands that need
 * the answer and nothing else. Whatever comes is hostile: all of it is bounded, and the deadline
 * holds. It follows no redirect. */
#ifndef PROBE_NET_HTTP_FETCH_H
#define PROBE_NET_HTTP_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"
#include "net/http1.h"

struct http_fetch {
    const struct endpoint *ep;
    struct tls_conf *tls; /* NULL: plain */
    const char *tls_host; /* who the certificate must be for */
    const struct buf *request;
    int64_t deadline;    /* clock_now() at which it is given up */
    size_t head_max;     /* bytes before the body */
    struct buf *content; /* the body, up to its cap; NULL: none is kept */
    bool follows; /* the head is all that is waited for, and `fd` gives what comes after it */

    int status; /* of the answer */
    int fd;     /* of `follows`: does not block, the caller's to close; else -1 */
};

/* The status of the answer, or -1 with the words and `*reason`. */
int http_fetch(struct http_fetch *f, enum reason *reason, struct err *e);

#endif
