/* http_exchange: one request and its reply on a connected descriptor, by http_plain or http_curl.
 * It gathers what came, bounded, and says how the exchange ended; whether the reply is the right
 * one is http_expect's to say, and where to go next http.c's. */
#ifndef PROBE_HTTP_HTTP_EXCHANGE_H
#define PROBE_HTTP_HTTP_EXCHANGE_H

#include "http/http_conf.h"
#include "http/http_curl.h"
#include "http/http_plain.h"

#define HTTP_HEADERS_MAX  (64 << 10)
#define HTTP_LOCATION_MAX 4096

struct http_exchange {
    /* Set by the caller; they stay until http_exchange_end. */
    struct probe_run *run;
    const struct http_conf *conf;
    const struct http_url *url;
    const char *method;
    const char *peer;
    bool at_origin; /* url is of the configured origin: credentials may go */
    int fd;         /* connected; the exchange's, and -1, once it has taken it */

    struct http_reply reply;
    size_t body_bytes;     /* seen; the reply keeps what is needed */
    bool sent;             /* the connection stood, TLS and all, and the request went out */
    bool status_seen;      /* a status line came */
    bool headers_complete; /* and the empty line after the headers of the final reply */
    bool too_many_headers; /* given up: over HTTP_HEADERS_MAX */
    bool not_http;         /* given up: reply.body is the beginning of what came instead */
    bool enough;           /* given up: all that the verdict needs is there */
    bool whole;            /* the reply came to its end */

    enum http_way { HTTP_NONE, HTTP_PLAIN, HTTP_CURL } way;
    union {
        struct http_plain plain;
        struct http_curl curl;
    };
    /* Private. */
    void (*on_done)(struct http_exchange *x);
    void (*on_ended)(struct http_exchange *x);
    size_t header_bytes;
};

/* Is the reply a redirect that is to be followed? Then `location` is where to, as it came;
 * empty: nowhere, or too far to say. */
bool http_exchange_redirects(const struct http_exchange *x, char *location, size_t size);

/* `on_done` comes once, perhaps from inside, unless http_exchange_end comes before it. On -1, which
 * is without it, still call _end. */
int http_exchange_start(struct http_exchange *x, void (*on_done)(struct http_exchange *x),
                        struct err *e);

/* How far it has come, for probe_note_later. */
void http_exchange_note(const struct http_exchange *x, char out[PROBE_DETAIL_MAX]);

/* How it ended: REASON_OK when the reply is whole, or there is all that the verdict needs; else the
 * reason, with words that name the peer. */
enum reason http_exchange_result(const struct http_exchange *x, struct err *e);

/* Closes everything of it, in any state, also a zeroed one; `on_ended` (perhaps from inside) says
 * that the memory may go. */
void http_exchange_end(struct http_exchange *x, void (*on_ended)(struct http_exchange *x));

/* ---- For http_plain and http_curl: what they saw ---- */

/* The request goes out next. */
void http_exchange_sending(struct http_exchange *x);

/* The body to be sent; NULL: none, and no length of it either. */
const char *http_exchange_sends_body(const struct http_exchange *x);

/* A line of any head (1xx ones come first) with its end, the empty one too, or of the trailer.
 * false: no more is wanted. */
bool http_exchange_line(struct http_exchange *x, const char *line, size_t len);

/* A piece of the body of the final reply; likewise. */
bool http_exchange_body(struct http_exchange *x, const char *data, size_t len);

/* This came where HTTP was due. */
void http_exchange_not_http(struct http_exchange *x, const char *data, size_t len);

#endif
