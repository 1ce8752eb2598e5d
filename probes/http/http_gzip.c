/* http_gzip: see http_gzip.h. RFC 1952: one member after the other, and nothing behind the last. */
#include "http/http_gzip.h"

#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

#define GZIP_WINDOW (15 + 16) /* the largest window; only gzip's own format */
#define PIECE       (16 << 10)
#define MEMBERS_MAX 1000 /* each costs work, though it may hold nothing */

/* Goes through all members. Z_STREAM_END: they are whole; else zlib's word for what is wrong. */
static int inflate_members(z_stream *z, struct buf *out)
{
    unsigned char piece[PIECE];
    int rc, members = 0;
    do {
        z->next_out = piece;
        z->avail_out = sizeof piece;
        rc = inflate(z, Z_NO_FLUSH);
        if (rc != Z_OK && rc != Z_STREAM_END)
            return rc;
        if (buf_add(out, piece, sizeof piece - z->avail_out) < 0)
            return Z_OK; /* it is full: the caller looks */
        if (rc == Z_STREAM_END && z->avail_in &&
            (++members == MEMBERS_MAX || inflateReset(z) != Z_OK))
            return Z_DATA_ERROR;
    } while (rc == Z_OK || z->avail_in);
    return rc;
}

static enum reason say(const z_stream *z, int rc, const struct buf *out, struct err *e)
{
    if (out->failed && out->len == out->cap) {
        err_set(e, "the gzip body holds more than %zu KiB", out->cap >> 10);
        return REASON_MISMATCH;
    }
    if (out->failed || rc == Z_MEM_ERROR || rc == Z_STREAM_ERROR) {
        err_set(e, "the gzip body cannot be decoded: out of memory");
        return REASON_INTERNAL;
    }
    if (rc == Z_BUF_ERROR)
        err_set(e, "the gzip body ends too early");
    else
        err_set(e, "the body is not gzip, though Content-Encoding says so%s%s", z->msg ? ": " : "",
                z->msg ? z->msg : "");
    return REASON_PROTOCOL;
}

enum reason http_gzip_decode(struct buf *body, size_t most, struct err *e)
{
    z_stream z = {0};
    struct buf out;
    if (body->len > HTTP_GZIP_MAX) {
        err_set(e, "the gzip body is over %d KiB", HTTP_GZIP_MAX >> 10);
        return REASON_MISMATCH;
    }
    if (inflateInit2(&z, GZIP_WINDOW) != Z_OK) {
        err_set(e, "the gzip body cannot be decoded: out of memory");
        return REASON_INTERNAL;
    }
    buf_init(&out, most < HTTP_GZIP_MAX ? most : HTTP_GZIP_MAX);
    z.next_in = (unsigned char *)body->data;
    z.avail_in = (unsigned)body->len;
    int rc = inflate_members(&z, &out);
    enum reason reason = rc == Z_STREAM_END && !out.failed ? REASON_OK : say(&z, rc, &out, e);
    inflateEnd(&z);
    if (reason == REASON_OK) {
        size_t cap = body->cap;
        buf_fini(body);
        *body = out;
        body->cap = cap;
    } else {
        buf_fini(&out);
    }
    return reason;
}
