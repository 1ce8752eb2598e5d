/* http_exchange: one request and its reply by libcurl, on a connected descriptor. It gathers what
 * came, bounded, and says how the exchange ended; whether the reply is the right one is
 * http_expect's to say, and where to go next http.c's. */
#ifndef PROBE_HTTP_EXCHANGE_H
#define PROBE_HTTP_EXCHANGE_H

#include "curl_glue.h"
#include "http_conf.h"

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
    int fd;         /* connected; curl's, and -1, once it has taken it */

    struct http_reply reply;
    size_t body_bytes;      /* seen; the reply keeps what is needed */
    bool sent;              /* the connection stood, TLS and all, and the request went out */
    bool status_seen;       /* a status line came */
    bool headers_complete;  /* and the empty line after the headers of the final reply */
    bool too_many_headers;  /* given up: over HTTP_HEADERS_MAX */
    bool not_http;          /* given up: reply.body is the beginning of what came instead */
    bool enough;            /* given up: all that the verdict needs is there */
    struct tls_guest guest; /* on the certificate */
    bool setup_failed;      /* TLS could not be set up; setup_error says why */
    struct err setup_error;
    char error[CURL_ERROR_SIZE];

    struct curl_transfer transfer;
    /* Private. */
    struct curl_slist *connect_to;
    size_t header_bytes;
};

/* Is the reply a redirect that is to be followed? Then `location` is where to, as it came;
 * empty: nowhere, or too far to say. */
bool http_exchange_redirects(const struct http_exchange *x, char *location, size_t size);

/* on_done comes once, unless http_exchange_end comes before it. On -1 still call _end. */
int http_exchange_start(struct http_exchange *x,
                        void (*on_done)(struct curl_transfer *t, CURLcode rc), struct err *e);

/* How far it has come, for probe_note_later. */
void http_exchange_note(const struct http_exchange *x, char out[PROBE_DETAIL_MAX]);

/* How it ended: REASON_OK when the reply is whole, or there is all that the verdict needs; else the
 * reason, with words that name the peer. */
enum reason http_exchange_result(struct http_exchange *x, CURLcode rc, struct err *e);

/* Closes everything of it, in any state, also a zeroed one. */
void http_exchange_end(struct http_exchange *x);

#endif
