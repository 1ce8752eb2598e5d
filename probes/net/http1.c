/* http1: see http1.h. Events may close the client: nothing is touched after one. */
#include "net/http1.h"

#include <assert.h>
#include <string.h>

#include "base/str.h"

/* ---- A request's text ---- */

void http1_begin_request(struct buf *b, const char *method, const char *target, char minor)
{
    buf_printf(b, "%s %s HTTP/1.%c\r\n", method, target, minor);
}

void http1_add_header(struct buf *b, const char *name, const char *value)
{
    buf_puts(b, name);
    buf_puts(b, *value ? ": " : ":");
    buf_puts(b, value);
    buf_puts(b, "\r\n");
}

void http1_end_request(struct buf *b, const char *body)
{
    if (body)
        buf_printf(b, "Content-Length: %zu\r\n", strlen(body));
    buf_puts(b, "\r\n");
    buf_puts(b, body ? body : "");
}

/* ---- The client ---- */

static const bool may_move[HTTP1_N_STATES][HTTP1_N_STATES] = {
    [HTTP1_NEW] = {[HTTP1_CONNECTING] = true},
    [HTTP1_CONNECTING] = {[HTTP1_OPEN] = true, [HTTP1_OVER] = true, [HTTP1_CLOSING] = true},
    [HTTP1_OPEN] = {[HTTP1_CONNECTING] = true,
                    [HTTP1_READING] = true,
                    [HTTP1_RAW] = true,
                    [HTTP1_OVER] = true,
                    [HTTP1_CLOSING] = true},
    [HTTP1_READING] = {[HTTP1_OPEN] = true, [HTTP1_OVER] = true, [HTTP1_CLOSING] = true},
    [HTTP1_RAW] = {[HTTP1_OVER] = true, [HTTP1_CLOSING] = true},
    [HTTP1_OVER] = {[HTTP1_CLOSING] = true},
};

static void move(struct http1 *c, enum http1_state to)
{
    assert(may_move[c->state][to]);
    c->state = to;
}

static void end(struct http1 *c, enum http1_outcome outcome)
{
    move(c, HTTP1_OVER);
    c->outcome = outcome;
    c->events->on_over(c);
}

static void on_open(struct stream *s)
{
    struct http1 *c = s->owner;
    const struct tls_options *tls = c->tls;
    c->tls = NULL;
    if (tls) {
        stream_start_tls(s, tls, c->host);
        return;
    }
    move(c, HTTP1_OPEN);
    c->events->on_open(c);
}

/* The reply is taken: to CONNECT it opens the way, to all else it is the end. */
static void on_reply(struct http1 *c, enum http_wire_step step)
{
    if (step == HTTP_WIRE_WHOLE && c->wire.kind == HTTP_WIRE_CONNECT && c->wire.status < 300) {
        move(c, HTTP1_OPEN);
        c->events->on_open(c);
        return;
    }
    end(c, step == HTTP_WIRE_WHOLE     ? HTTP1_WHOLE
           : step == HTTP_WIRE_STOPPED ? HTTP1_STOPPED
                                       : HTTP1_BROKEN);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct http1 *c = s->owner;
    if (c->state == HTTP1_RAW) {
        c->events->on_bytes(c, data, len);
    } else if (c->state == HTTP1_READING) {
        enum http_wire_step step = http_wire_feed(&c->wire, data, len);
        if (step != HTTP_WIRE_MORE)
            on_reply(c, step);
    }
}

static void on_eof(struct stream *s)
{
    struct http1 *c = s->owner;
    if (c->state == HTTP1_OVER)
        return;
    bool whole = c->state == HTTP1_READING && http_wire_end(&c->wire) == HTTP_WIRE_WHOLE;
    end(c, whole ? HTTP1_WHOLE : HTTP1_CLOSED);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct http1 *c = s->owner;
    if (c->state == HTTP1_OVER)
        return;
    c->reason = reason;
    err_set(&c->error, "%s", detail);
    end(c, HTTP1_FAILED);
}

static const struct stream_events stream_events = {
    .on_open = on_open, .on_data = on_data, .on_eof = on_eof, .on_fail = on_fail};

void http1_start(struct http1 *c, struct probe_run *run, const struct endpoint *ep,
                 const struct tls_options *tls, const char *host, const struct http1_events *events)
{
    *c = (struct http1){.events = events, .tls = tls, .host = host};
    move(c, HTTP1_CONNECTING);
    stream_start(&c->stream, run, ep, NULL, &stream_events, c);
}

void http1_send(struct http1 *c, const struct buf *request, enum http_wire_kind kind)
{
    http_wire_fini(&c->wire);
    http_wire_init(&c->wire, kind, &c->events->reply, c);
    move(c, HTTP1_READING);
    stream_write(&c->stream, request->data, request->len);
}

void http1_secure(struct http1 *c, const struct tls_options *tls, const char *host)
{
    move(c, HTTP1_CONNECTING);
    stream_start_tls(&c->stream, tls, host);
}

void http1_take_bytes(struct http1 *c)
{
    move(c, HTTP1_RAW);
}

static void on_stream_closed(struct stream *s)
{
    struct http1 *c = s->owner;
    c->on_closed(c);
}

void http1_close(struct http1 *c, void (*on_closed)(struct http1 *c))
{
    move(c, HTTP1_CLOSING);
    c->on_closed = on_closed;
    http_wire_fini(&c->wire);
    stream_close(&c->stream, on_stream_closed);
}
