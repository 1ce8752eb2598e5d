/* http2: an exchange in HTTP/2 by libcurl, on a connection that is not libcurl's: the bytes that
 * came on the stream go to it through a local socket, what it writes there goes to the stream.
 * libcurl never finds more than it was given, does no TLS and looks nothing up. What ended the
 * exchange is read from the server's frames, for libcurl has no words for it. */
#ifndef PROBE_NET_HTTP2_H
#define PROBE_NET_HTTP2_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"
#include "net/http1.h"

/* Frames of one exchange that bring no byte of a body; a server needs a dozen. */
#define HTTP2_IDLE_FRAMES 1000

/* What the frames of one side said of the end (RFC 9113 sections 6.4 and 6.8). */
struct http2_frames {
    bool is_reset, is_goaway, is_http1;
    bool is_flood; /* over HTTP2_IDLE_FRAMES: nothing more is taken */
    uint32_t reset_code, goaway_code, goaway_last;
    char debug[64]; /* of the GOAWAY, printable */
    /* Private. */
    unsigned char head[9];
    size_t n_head; /* bytes of the frame's head that are in */
    uint32_t left; /* bytes of its payload to come */
    unsigned char payload[8 + 63];
    size_t n_payload;
    unsigned n_idle;
    bool began;
};

/* Reads bytes, and adds to `pass` what libcurl is to see of them. */
void http2_frames_take(struct http2_frames *f, const char *data, size_t len, struct buf *pass);

struct http2_request {
    const char *method, *authority, *path, *body; /* body NULL: none */
    size_t body_len;
    bool https; /* its scheme */
    const struct http_header *headers;
    size_t n_headers;
};

struct http2_events {
    struct http_wire_events reply;
    /* These bytes go to the server, unless `over`: then nothing does any more, and how it ended
     * is in `rc`. */
    void (*on_turn)(void *owner, const struct buf *out, bool over);
};

struct http2 {
    struct http2_frames frames;
    /* By libcurl: a GOAWAY of its own tells what it saw of the server's. */
    struct http2_frames sent;
    CURLcode rc; /* CURLE_OK: as the reply has it; else see http2_words */
    /* Private. */
    const struct http2_events *events;
    void *owner;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    char *url;
    int fd;        /* our end of the socket */
    struct buf in; /* not yet in the socket */
};

/* Can this build's libcurl do it? */
bool http2_is_there(void);

/* Sends the request, and takes what the server says. Each ends in one on_turn, after which nothing
 * of the exchange may be touched. -1: it could not begin, and no event came. */
int http2_start(struct http2 *h, const struct http2_request *request,
                const struct http2_events *events, void *owner, struct err *e);
void http2_take(struct http2 *h, const char *data, size_t len);

/* What is to be said of a reply that did not come whole, about the server `peer`; REASON_OK: the
 * server said nothing of it. */
enum reason http2_words(const struct http2 *h, const char *peer, struct err *e);

/* Frees everything; never from inside libcurl's callbacks. Safe on a zeroed one. */
void http2_fini(struct http2 *h);

#endif
