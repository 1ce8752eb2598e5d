/* http_exchange: one hop of a check: a connection, one request and its reply, over HTTP/1 by
 * net/http1 or over HTTP/2 by http2. It gathers what comes, bounded, and says how the exchange
 * ended; whether the reply is the right one is http_expect's to say, and where to go next
 * http.c's. */
#ifndef PROBE_HTTP_HTTP_EXCHANGE_H
#define PROBE_HTTP_HTTP_EXCHANGE_H

#include "host.h"
#include "http/http_conf.h"
#include "net/http1.h"
#include "net/http2.h"

/* Of all lines before the body, 1xx replies and the trailer among them. Redirects of single sign-on
 * reach some 20 KiB; curl takes 300 KiB, browsers 256 KiB. */
#define HTTP_HEADERS_MAX (256 << 10)

/* How far it has come; http_exchange.c has the table of moves. */
enum http_stage {
    HTTP_IDLE,
    HTTP_CONNECTING, /* name, address, TLS */
    HTTP_TUNNEL,     /* the proxy was asked for a way (CONNECT) */
    HTTP_SECURING,   /* TLS through it */
    HTTP_RESTARTING, /* being closed, to be connected anew for HTTP/2 */
    HTTP_ASKED,      /* the request went out, no status line came */
    HTTP_HEAD,       /* within the headers of a reply, which may be a 1xx */
    HTTP_BODY,       /* after those of the final reply */
    HTTP_ENDING,     /* being closed */
    HTTP_N_STAGES
};

/* How it ended. */
enum http_outcome {
    HTTP_PENDING,
    HTTP_WHOLE,            /* the reply came to its end */
    HTTP_ENOUGH,           /* given up: all that the verdict needs is there */
    HTTP_TOO_MANY_HEADERS, /* given up: over HTTP_HEADERS_MAX */
    HTTP_NOT_HTTP,         /* given up: reply.body is the beginning of what came instead */
    HTTP_INTERNAL,         /* no memory, or what http1.error says */
    HTTP_WRONG_VERSION,    /* http_version is 2, and the server chose HTTP/1 */
    HTTP_NO_TUNNEL,        /* the proxy refused: reply.status is its answer to CONNECT */
    HTTP_LOST,             /* all else: http1 or http2 say how */
};

struct http_exchange {
    /* Set by the caller; they stay until http_exchange_end. */
    struct probe_run *run;
    const struct http_conf *conf;
    const struct http_url *url;
    const struct endpoint *ep; /* where to connect */
    const char *method;
    const char *cookies; /* to send; NULL: none */
    bool at_origin;      /* url is of the configured origin: credentials may go */
    void (*describe)(struct probe_run *run, char out[PROBE_DETAIL_MAX]); /* probe_note_later's */

    struct http_reply reply;
    size_t body_bytes;              /* seen; the reply keeps what is needed */
    enum http_stage stage, reached; /* `reached`: the stage that it ended in */
    enum http_outcome outcome;
    struct http1 http1;
    struct http2 http2; /* in use once http1.state is HTTP1_RAW */
    /* Private. */
    struct tls_options tls;
    size_t header_bytes;
    void (*on_done)(struct http_exchange *x);
    void (*on_ended)(struct http_exchange *x);
};

/* Starts it; `on_done` comes once, perhaps from inside, unless http_exchange_end comes before. */
void http_exchange_start(struct http_exchange *x, void (*on_done)(struct http_exchange *x));

/* Is the reply a redirect that is to be followed? Then `*location` is where to, as it came. */
bool http_exchange_redirects(const struct http_exchange *x, struct http_text *location);

/* How far it has come, for probe_note_later. */
void http_exchange_note(const struct http_exchange *x, char out[PROBE_DETAIL_MAX]);

/* Closes everything of it, once, in any stage but HTTP_IDLE; `on_ended` says that the memory may
 * go. */
void http_exchange_end(struct http_exchange *x, void (*on_ended)(struct http_exchange *x));

/* The address that it is connected to. */
static inline const char *http_exchange_peer(const struct http_exchange *x)
{
    return x->http1.stream.peer;
}

#endif
