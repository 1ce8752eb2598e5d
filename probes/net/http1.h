/* http1: the HTTP/1 client of the whole program: one connection (plain, TLS or a unix socket), one
 * request, one reply. It gives no verdict: its owner says what a reply means, and how much of one
 * may be kept. It follows no redirect and has no timer: deadlines are the owner's. */
#ifndef PROBE_NET_HTTP1_H
#define PROBE_NET_HTTP1_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"
#include "net/http_wire.h"
#include "net/stream.h"

/* ---- A request's text ---- */

struct http_header {
    const char *name, *value;
};

/* "METHOD TARGET HTTP/1.`minor`", the headers, the length of the body, and the body; `body` NULL:
 * none, and no length either. Into `b`, which is failed where memory is out. */
void http1_begin_request(struct buf *b, const char *method, const char *target, char minor);
void http1_add_header(struct buf *b, const char *name, const char *value);
void http1_end_request(struct buf *b, const char *body);

/* ---- The client ---- */

/* It moves only as http1.c's table has it:
 *
 *   NEW -> CONNECTING -> OPEN -> READING -> OVER
 *               ^          |-> RAW -----------^
 *               |----------|  (TLS inside a tunnel)
 *
 * A failure leads to OVER from any of them, http1_close to CLOSING. */
enum http1_state {
    HTTP1_NEW,
    HTTP1_CONNECTING, /* name, address, TLS */
    HTTP1_OPEN,       /* nothing was asked yet */
    HTTP1_READING,    /* the request went out */
    HTTP1_RAW,        /* the owner takes the bytes itself */
    HTTP1_OVER,
    HTTP1_CLOSING,
    HTTP1_N_STATES
};

/* How the reply ended, once it is OVER. */
enum http1_outcome {
    HTTP1_WHOLE,
    HTTP1_STOPPED, /* an event said so */
    HTTP1_BROKEN,  /* wire.broken says why */
    HTTP1_CLOSED,  /* the peer ended its side before */
    HTTP1_FAILED,  /* the connection could not be made or kept: `reason` and `error` */
};

struct http1;

/* Those without `reply` may close the client. */
struct http1_events {
    /* The connection stands, TLS and all: time for http1_send, _secure or _take_bytes. */
    void (*on_open)(struct http1 *c);
    /* As in http_wire_events, whose owner is the client. */
    struct http_wire_events reply;
    void (*on_bytes)(struct http1 *c, const char *data, size_t len); /* RAW only */
    void (*on_over)(struct http1 *c); /* once; nothing comes after it */
};

struct http1 {
    struct stream stream;
    enum http1_state state;
    enum http1_outcome outcome;
    enum reason reason;
    struct err error; /* with the address */
    struct http_wire wire;
    /* Private. */
    const struct http1_events *events;
    const struct tls_options *tls; /* to be begun once connected */
    const char *host;
    void (*on_closed)(struct http1 *c);
};

/* Connects, with TLS unless `tls` is NULL; `host` is who the certificate must be for. All of them
 * must stay. Events may come from inside. */
void http1_start(struct http1 *c, struct probe_run *run, const struct endpoint *ep,
                 const struct tls_options *tls, const char *host,
                 const struct http1_events *events);

/* Sends the request and reads its reply. After one to CONNECT that opens the way, on_open comes
 * again. */
void http1_send(struct http1 *c, const struct buf *request, enum http_wire_kind kind);

/* TLS on a connection that is OPEN, with who is behind a proxy; on_open comes again. */
void http1_secure(struct http1 *c, const struct tls_options *tls, const char *host);

/* What comes is not HTTP/1: it goes to on_bytes. */
void http1_take_bytes(struct http1 *c);

/* Ends it in any state but NEW; `on_closed` says that the memory may go. */
void http1_close(struct http1 *c, void (*on_closed)(struct http1 *c));

#endif
