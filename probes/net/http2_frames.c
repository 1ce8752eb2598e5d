/* http2_frames: what the server's frames say of the end of an exchange, and the words for it. */
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/http2.h"

enum { FRAME_DATA = 0, FRAME_RST_STREAM = 3, FRAME_SETTINGS = 4, FRAME_GOAWAY = 7 };
enum { CODE_REFUSED_STREAM = 7, CODE_HTTP_1_1_REQUIRED = 13 };
#define OUR_STREAM  1 /* a client's first */
#define FLAG_PADDED 8
#define FRAME_MAX   (16 << 10) /* bytes of a payload, unless asked for more: libcurl does not */

static uint32_t number(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Bytes of a body, without the padding (RFC 9113 section 6.1). */
static bool brings_body(const struct http2_frames *f)
{
    uint32_t len = number(f->head) >> 8;
    uint32_t padding = f->head[4] & FLAG_PADDED && len ? 1U + f->payload[0] : 0;
    return f->head[3] == FRAME_DATA && len > padding;
}

/* A GOAWAY is held back until it is known: libcurl loses the trailers of a request that it lets
 * finish. */
static bool is_held(const struct http2_frames *f)
{
    return f->head[3] == FRAME_GOAWAY && number(f->head) >> 8 <= FRAME_MAX;
}

static bool lets_finish(const struct http2_frames *f)
{
    return f->n_payload >= 8 && f->goaway_last >= OUR_STREAM && !f->goaway_code;
}

/* The GOAWAY that was held back, without what is over of its text. */
static void pass_goaway(const struct http2_frames *f, struct buf *pass)
{
    const char len[3] = {0, 0, (char)f->n_payload};
    buf_add(pass, len, sizeof len);
    buf_add(pass, (const char *)f->head + 3, sizeof f->head - 3);
    buf_add(pass, (const char *)f->payload, f->n_payload);
}

static void end_of_frame(struct http2_frames *f, struct buf *pass)
{
    uint32_t stream = number(f->head + 5) & INT32_MAX;
    f->n_idle += !brings_body(f);
    f->is_flood = f->n_idle > HTTP2_IDLE_FRAMES;
    if (f->head[3] == FRAME_RST_STREAM && stream == OUR_STREAM && f->n_payload >= 4) {
        f->is_reset = true;
        f->reset_code = number(f->payload);
    } else if (f->head[3] == FRAME_GOAWAY && f->n_payload >= 8) {
        f->is_goaway = true;
        f->goaway_last = number(f->payload) & INT32_MAX;
        f->goaway_code = number(f->payload + 4);
        snprintf(f->debug, sizeof f->debug, "%.*s", (int)(f->n_payload - 8),
                 (const char *)f->payload + 8);
        str_printable(f->debug, sizeof f->debug - 1);
    }
    if (is_held(f) && !lets_finish(f))
        pass_goaway(f, pass);
    f->n_head = f->n_payload = 0;
}

/* The next bytes of a frame, of one part of it: how many. */
static size_t take_part(struct http2_frames *f, const char *data, size_t len, struct buf *pass)
{
    if (f->n_head < sizeof f->head) {
        f->head[f->n_head++] = (unsigned char)*data;
        f->left = number(f->head) >> 8;
        if (f->n_head == sizeof f->head && !is_held(f))
            buf_add(pass, (const char *)f->head, sizeof f->head);
        return 1;
    }
    size_t n = len < f->left ? len : f->left, room = sizeof f->payload - f->n_payload;
    memcpy(f->payload + f->n_payload, data, n < room ? n : room);
    f->n_payload += n < room ? n : room;
    f->left -= (uint32_t)n;
    if (!is_held(f))
        buf_add(pass, data, n);
    return n;
}

void http2_frames_take(struct http2_frames *f, const char *data, size_t len, struct buf *pass)
{
    if (!f->began)
        f->is_http1 = len >= 5 && memcmp(data, "HTTP/", 5) == 0;
    f->began = true;
    while (len && !f->is_http1 && !f->is_flood) {
        size_t n = take_part(f, data, len, pass);
        data += n;
        len -= n;
        if (f->n_head == sizeof f->head && !f->left)
            end_of_frame(f, pass);
    }
    if (f->is_http1)
        buf_add(pass, data, len);
}

/* RFC 9113 section 7. */
static const char *code_name(uint32_t code, char buf[16])
{
    static const char *const names[] = {"NO_ERROR",
                                        "PROTOCOL_ERROR",
                                        "INTERNAL_ERROR",
                                        "FLOW_CONTROL_ERROR",
                                        "SETTINGS_TIMEOUT",
                                        "STREAM_CLOSED",
                                        "FRAME_SIZE_ERROR",
                                        "REFUSED_STREAM",
                                        "CANCEL",
                                        "COMPRESSION_ERROR",
                                        "CONNECT_ERROR",
                                        "ENHANCE_YOUR_CALM",
                                        "INADEQUATE_SECURITY",
                                        "HTTP_1_1_REQUIRED"};
    if (code < ARRAY_LEN(names))
        return names[code];
    snprintf(buf, 16, "code %u", (unsigned)code);
    return buf;
}

/* libcurl says of some frames that nghttp2 refuses that nothing came. */
static bool is_not_http2(CURLcode rc)
{
    return rc == CURLE_HTTP2 || rc == CURLE_HTTP2_STREAM || rc == CURLE_GOT_NOTHING ||
           rc == CURLE_RECV_ERROR;
}

enum reason http2_words(const struct http2 *h, const char *peer, struct err *e)
{
    const struct http2_frames *f = &h->frames;
    char buf[16];
    if (f->is_flood) {
        err_set(e, "%s keeps sending HTTP/2 frames that bring nothing", peer);
    } else if (f->is_http1) {
        err_set(e, "%s speaks HTTP/1: http_version is 2", peer);
    } else if ((f->is_reset && f->reset_code == CODE_HTTP_1_1_REQUIRED) ||
               (f->is_goaway && f->goaway_code == CODE_HTTP_1_1_REQUIRED)) {
        err_set(e,
                "%s wants HTTP/1.1 for this request (HTTP_1_1_REQUIRED): set http_version to 1.1",
                peer);
        return REASON_MISMATCH;
    } else if (f->is_reset && f->reset_code == CODE_REFUSED_STREAM) {
        err_set(e, "%s refused the request before it looked at it (REFUSED_STREAM)", peer);
    } else if (f->is_reset) {
        err_set(e, "%s ended the request with %s", peer, code_name(f->reset_code, buf));
    } else if (f->is_goaway && f->goaway_last < OUR_STREAM) {
        err_set(e, "%s takes no more requests on this connection (GOAWAY, %s)%s%s", peer,
                code_name(f->goaway_code, buf), *f->debug ? ": " : "", f->debug);
    } else if (f->is_goaway && f->goaway_code) {
        err_set(e, "%s ended the connection (GOAWAY, %s)%s%s", peer, code_name(f->goaway_code, buf),
                *f->debug ? ": " : "", f->debug);
    } else if (h->rc == CURLE_OUT_OF_MEMORY) {
        err_set(e, "out of memory");
        return REASON_INTERNAL;
    } else if (h->rc == CURLE_OK) {
        return REASON_OK;
    } else if (h->sent.goaway_code) {
        err_set(e, "the reply from %s is broken: not as HTTP/2 has it (%s)%s%s", peer,
                code_name(h->sent.goaway_code, buf), *h->sent.debug ? ": " : "", h->sent.debug);
    } else {
        err_set(e, "the reply from %s is broken: %s", peer,
                is_not_http2(h->rc) ? "not as HTTP/2 has it" : curl_easy_strerror(h->rc));
    }
    return REASON_PROTOCOL;
}
