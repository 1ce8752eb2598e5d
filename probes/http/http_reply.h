/* http_reply: what is kept of a reply, and what of it is shown. */
#ifndef PROBE_HTTP_HTTP_REPLY_H
#define PROBE_HTTP_HTTP_REPLY_H

#include <stdbool.h>

#include "base/buf.h"

struct http_reply {
    int status;
    char phrase[64];      /* "Service Unavailable", printable; may be empty */
    struct buf headers;   /* of the last header block and the trailer: "Name: value" lines */
    struct buf body;      /* all of it if the verdict hangs on it, else its beginning */
    bool body_cut;        /* it went on beyond max_body */
    bool body_open;       /* nobody says that it is all: RFC 9112 section 9.8 */
    const char *max_body; /* as configured, for the words */
    bool decoded;         /* its Content-Encoding was taken off the body */
    bool quiet;           /* the request held secrets, which a body may echo: show no piece of it */
};

/* `: "..."`, the beginning of what came; empty when there is nothing that may be shown. */
#define HTTP_EXCERPT_MAX 132
const char *http_excerpt(const struct http_reply *reply, char out[HTTP_EXCERPT_MAX]);

#endif
