/* http_plain: an exchange in HTTP/1 without TLS, the most common of all checks, on a stream: half
 * the system calls and a quarter of the instructions that libcurl takes for the same bytes. */
#ifndef PROBE_HTTP_HTTP_PLAIN_H
#define PROBE_HTTP_HTTP_PLAIN_H

#include "base/err.h"
#include "base/reason.h"
#include "http/http_wire.h"
#include "net/stream.h"

struct http_exchange;

struct http_plain {
    struct stream stream;
    struct http_wire wire;
    bool is_over;       /* on_done was called */
    enum reason failed; /* of the connection; REASON_OK: it did not fail */
    struct err error;   /* its words, with the address */
};

/* As http_exchange_start and _end; what came is noted by http_exchange_line and _body. */
int http_plain_start(struct http_exchange *x, struct err *e);
void http_plain_end(struct http_exchange *x);

#endif
