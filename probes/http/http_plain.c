/* http_plain: see http_plain.h. */
#include "http/http_plain.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "http/http_exchange.h"

#define REQUEST_MAX (SIZE_MAX / 2) /* what the configuration holds bounds it */

/* ---- The request ---- */

/* The configuration's headers are written as libcurl takes them: "Name: value", "Name;" for an
 * empty value, "Name:" for one that is not to be sent. */
static void add_headers(struct buf *b, const struct curl_slist *list)
{
    for (; list; list = list->next) {
        size_t len = strlen(list->data);
        char last = list->data[len - 1];
        if (last == ':' && len - 1 == strcspn(list->data, ":"))
            continue;
        bool empty = last == ';' && !strchr(list->data, ':');
        buf_add(b, list->data, empty ? len - 1 : len);
        buf_puts(b, empty ? ":\r\n" : "\r\n");
    }
}

static bool has_header(const struct curl_slist *list, const char *name)
{
    size_t len = strlen(name);
    for (; list; list = list->next)
        if (strncasecmp(list->data, name, len) == 0 && strchr(":;", list->data[len]))
            return true;
    return false;
}

static int make_request(const struct http_exchange *x, struct buf *b)
{
    const struct http_conf *c = x->conf;
    const struct curl_slist *headers = x->at_origin ? c->headers : c->safe_headers;
    const char *body = http_exchange_sends_body(x);
    buf_printf(b, "%s %s HTTP/1.%c\r\n", x->method, x->url->path,
               c->version == CURL_HTTP_VERSION_1_0 ? '0' : '1');
    if (!has_header(headers, "Host"))
        buf_printf(b, "Host: %s\r\n", x->url->authority);
    if (!has_header(headers, "Accept"))
        buf_puts(b, "Accept: */*\r\n");
    add_headers(b, headers);
    if (body)
        buf_printf(b, "Content-Length: %zu\r\n", strlen(body));
    buf_puts(b, "\r\n");
    buf_puts(b, body ? body : "");
    return b->failed ? -1 : 0;
}

/* ---- The reply ---- */

static bool on_line(void *owner, const char *line, size_t len)
{
    return http_exchange_line(owner, line, len);
}

static bool on_body(void *owner, const char *data, size_t len)
{
    return http_exchange_body(owner, data, len);
}

static void on_junk(void *owner, const char *data, size_t len)
{
    http_exchange_not_http(owner, data, len);
}

/* Nothing may be touched after this. */
static void end(struct http_exchange *x)
{
    x->plain.is_over = true;
    x->on_done(x);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct http_exchange *x = s->owner;
    if (x->plain.is_over)
        return;
    enum http_wire_step step = http_wire_feed(&x->plain.wire, data, len);
    x->whole = step == HTTP_WIRE_WHOLE;
    if (step != HTTP_WIRE_MORE)
        end(x);
}

static void on_eof(struct stream *s)
{
    struct http_exchange *x = s->owner;
    if (x->plain.is_over)
        return;
    x->whole = http_wire_end(&x->plain.wire) == HTTP_WIRE_WHOLE;
    end(x);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct http_exchange *x = s->owner;
    if (x->plain.is_over)
        return;
    x->plain.failed = reason;
    err_set(&x->plain.error, "%s", detail);
    end(x);
}

/* The exchange may be over on return. */
static int send_request(struct http_exchange *x, const struct buf *request, struct err *e)
{
    static const struct stream_events events = {
        .on_data = on_data, .on_eof = on_eof, .on_fail = on_fail};
    struct stream *s = &x->plain.stream;
    int rc = stream_take(s, x->run, x->fd, x->peer, &events, x);
    x->fd = -1;
    if (rc < 0)
        return err_errno(e, -rc, "%s", x->peer);
    s->in_order = true;
    http_exchange_sending(x);
    stream_write(s, request->data, request->len);
    return 0;
}

int http_plain_start(struct http_exchange *x, struct err *e)
{
    static const struct http_wire_events events = {
        .on_line = on_line, .on_body = on_body, .on_junk = on_junk};
    struct buf request;
    http_wire_init(&x->plain.wire, strcmp(x->method, "HEAD") == 0, &events, x);
    buf_init(&request, REQUEST_MAX);
    int rc = make_request(x, &request);
    if (rc < 0)
        err_set(e, "out of memory");
    else
        rc = send_request(x, &request, e);
    if (request.data)
        explicit_bzero(request.data, request.len);
    buf_fini(&request);
    return rc;
}

static void on_stream_closed(struct stream *s)
{
    struct http_exchange *x = s->owner;
    x->on_ended(x);
}

void http_plain_end(struct http_exchange *x)
{
    http_wire_fini(&x->plain.wire);
    if (x->plain.stream.owner)
        stream_close(&x->plain.stream, on_stream_closed);
    else
        x->on_ended(x);
}
