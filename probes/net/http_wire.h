/* http_wire: the reply of an HTTP/1 server, taken apart as its bytes come (RFC 9112): lines to one
 * callback, the body without its framing to another. Pure: no connection, no clock, no verdict.
 * What the framing hangs on is strict where leniency would be a guess (two lengths, a chunk size
 * that is no number), and lenient where the RFC lets a client be (a bare LF ends a line). */
#ifndef PROBE_NET_HTTP_WIRE_H
#define PROBE_NET_HTTP_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HTTP_LINE_MAX (64 << 10)

/* The bytes are valid during the call only; false ends the reading there. */
struct http_wire_events {
    /* A line of a head with its line end, the empty one that ends it too; or of the trailer, which
     * has no empty one. */
    bool (*on_line)(void *owner, const char *line, size_t len);
    bool (*on_body)(void *owner, const char *data, size_t len);
    /* This came where a status line of HTTP/1 was due: the reading ends. */
    void (*on_junk)(void *owner, const char *data, size_t len);
};

enum http_wire_step {
    HTTP_WIRE_MORE,
    HTTP_WIRE_WHOLE,   /* what comes after it is not of this reply */
    HTTP_WIRE_STOPPED, /* an event said so */
    HTTP_WIRE_BROKEN,  /* `broken` says why; an unfinished reply when the connection has ended */
};

/* What was asked: which replies have no body, whatever their headers say. */
enum http_wire_kind { HTTP_WIRE_ANY, HTTP_WIRE_HEAD, HTTP_WIRE_CONNECT };

struct http_wire {
    enum http_wire_kind kind;
    int status;
    size_t extra;       /* bytes that came with the end of the reply, after it */
    const char *broken; /* words to complete "the headers are broken: " or "the body is ..." */
    bool in_body;       /* it broke there */
    /* Private. */
    const struct http_wire_events *events;
    void *owner;
    enum http_wire_state {
        HTTP_AT_STATUS_LINE,
        HTTP_AT_HEADER,
        HTTP_AT_LENGTH,      /* `left` bytes of body */
        HTTP_AT_UNTIL_CLOSE, /* a body that ends with the connection */
        HTTP_AT_CHUNK_SIZE,
        HTTP_AT_CHUNK, /* `left` bytes of it */
        HTTP_AT_CHUNK_END,
        HTTP_AT_TRAILER,
    } state;
    bool has_line;   /* of the present head or trailer */
    bool is_framing; /* the last one says how long the body is */
    enum http_wire_coding { HTTP_CODING_NONE, HTTP_CODING_CHUNKED, HTTP_CODING_OTHER } coding;
    enum http_wire_length { HTTP_LENGTH_NONE, HTTP_LENGTH_GIVEN, HTTP_LENGTH_BROKEN } length_kind;
    uint64_t length, left;
    struct buf line; /* the beginning of one whose end is yet to come */
};

void http_wire_init(struct http_wire *w, enum http_wire_kind kind,
                    const struct http_wire_events *events, void *owner);
void http_wire_fini(struct http_wire *w); /* safe on a zeroed one */

/* Takes the bytes. After anything but HTTP_WIRE_MORE it must not be called again. */
enum http_wire_step http_wire_feed(struct http_wire *w, const char *data, size_t len);

/* The peer has ended its side: was that the end of the reply? HTTP_WIRE_WHOLE or _BROKEN, without
 * words in `broken`. */
enum http_wire_step http_wire_end(const struct http_wire *w);

/* The status of "HTTP/1.1 503 Service Unavailable\r\n", of any version, from 100 on; -1: no such
 * line.
 * `*phrase` is set to what follows the number, with the line end. */
int http_wire_status(const char *line, size_t len, const char **phrase);

/* ---- Lines "Name: value\r\n" that were gathered ---- */

struct http_text {
    const char *data; /* not ended by a NUL */
    size_t len;
};

/* The value of the next header with that name (case ignored), without blanks around it; `*at` is 0
 * before the first. */
bool http_header_next(const struct buf *headers, const char *name, size_t *at,
                      struct http_text *value);

#endif
