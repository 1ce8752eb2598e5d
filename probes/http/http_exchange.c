/* http_exchange: see http_exchange.h. */
#include "http/http_exchange.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define OWN_HEADERS 3              /* at most, beside the configured ones */
#define BODY_SHOWN  256            /* bytes kept when the verdict does not hang on the body */
#define REQUEST_MAX (SIZE_MAX / 2) /* what the configuration holds bounds it */

static const bool may_move[HTTP_N_STAGES][HTTP_N_STAGES] = {
    [HTTP_IDLE] = {[HTTP_CONNECTING] = true},
    [HTTP_CONNECTING] =
        {[HTTP_TUNNEL] = true, [HTTP_ASKED] = true, [HTTP_RESTARTING] = true, [HTTP_ENDING] = true},
    [HTTP_TUNNEL] = {[HTTP_SECURING] = true, [HTTP_ENDING] = true},
    [HTTP_SECURING] = {[HTTP_ASKED] = true, [HTTP_RESTARTING] = true, [HTTP_ENDING] = true},
    [HTTP_RESTARTING] = {[HTTP_CONNECTING] = true, [HTTP_ENDING] = true},
    [HTTP_ASKED] = {[HTTP_HEAD] = true, [HTTP_ENDING] = true},
    [HTTP_HEAD] = {[HTTP_ASKED] = true, [HTTP_BODY] = true, [HTTP_ENDING] = true},
    [HTTP_BODY] = {[HTTP_ENDING] = true},
};

static void move(struct http_exchange *x, enum http_stage to)
{
    assert(may_move[x->stage][to]);
    x->stage = to;
}

/* ---- What comes ---- */

/* "HTTP/1.1 503 Service Unavailable\r\n" */
static bool take_status_line(struct http_reply *reply, const char *line, size_t len)
{
    const char *p, *end = line + len;
    int status = http_wire_status(line, len, &p);
    if (status < 0)
        return false;
    reply->status = status;
    while (p < end && *p == ' ')
        p++;
    size_t n = (size_t)(end - p);
    while (n && isspace((unsigned char)p[n - 1]))
        n--;
    if (n >= sizeof reply->phrase)
        n = sizeof reply->phrase - 1;
    memcpy(reply->phrase, p, n);
    reply->phrase[n] = '\0';
    str_printable(reply->phrase, sizeof reply->phrase - 1);
    return true;
}

/* Notes the outcome unless there is one; false, so that the reading ends. */
static bool settle(struct http_exchange *x, enum http_outcome outcome)
{
    if (x->outcome == HTTP_PENDING)
        x->outcome = outcome;
    return false;
}

static bool not_http(struct http_exchange *x, const char *data, size_t len)
{
    buf_add(&x->reply.body, data, len < BODY_SHOWN ? len : BODY_SHOWN);
    return settle(x, HTTP_NOT_HTTP);
}

bool http_exchange_redirects(const struct http_exchange *x, struct http_text *location)
{
    int status = x->reply.status;
    bool kind = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    size_t at = 0;
    return kind && x->conf->follow &&
           http_header_next(&x->reply.headers, "Location", &at, location);
}

static bool take_line(struct http_exchange *x, const char *line, size_t len)
{
    struct http_reply *reply = &x->reply;
    x->header_bytes += len;
    if (x->header_bytes > HTTP_HEADERS_MAX)
        return settle(x, HTTP_TOO_MANY_HEADERS);
    if (x->stage == HTTP_ASKED) {
        buf_reset(&reply->headers);
        if (!take_status_line(reply, line, len))
            return not_http(x, line, len);
        move(x, HTTP_HEAD);
        return true;
    }
    if (line[0] != '\r' && line[0] != '\n')
        return buf_add(&reply->headers, line, len) == 0 || settle(x, HTTP_INTERNAL);
    if (reply->status < 200 && reply->status != 101) { /* the reply is yet to come */
        move(x, HTTP_ASKED);
        return true;
    }
    move(x, HTTP_BODY);
    probe_http_status(x->run, (unsigned)reply->status);
    /* After 101 the connection speaks another protocol and has no end. */
    struct http_text location;
    bool enough = reply->status == 101 || http_exchange_redirects(x, &location);
    return !enough || settle(x, HTTP_ENOUGH);
}

static bool take_body(struct http_exchange *x, const char *data, size_t len)
{
    const struct http_expect *expect = &x->conf->expect;
    struct http_reply *reply = &x->reply;
    x->body_bytes += len;
    bool wanted = status_set_has(&expect->status, reply->status);
    size_t keep = wanted && http_expect_reads_body(expect) ? x->conf->max_body : BODY_SHOWN;
    size_t room = keep > reply->body.len ? keep - reply->body.len : 0;
    if (buf_add(&reply->body, data, len < room ? len : room) < 0)
        return settle(x, HTTP_INTERNAL);
    if (x->body_bytes > x->conf->max_body)
        reply->body_cut = true;
    /* A status that is not wanted needs no more than a piece to show. */
    return (wanted && !reply->body_cut) || settle(x, HTTP_ENOUGH);
}

/* ---- The request ---- */

static const char *sends_body(const struct http_exchange *x)
{
    bool is_get = strcmp(x->method, "GET") == 0, same = strcmp(x->method, x->conf->method) == 0;
    /* A body that was asked for, but neither with the GET that a redirect made of it nor for
     * another host than it is meant for. */
    if (x->conf->body && x->at_origin && (!is_get || same) && strcmp(x->method, "HEAD") != 0)
        return x->conf->body;
    return strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 ? "" : NULL;
}

/* In a tunnel the proxy's headers have gone to the proxy. */
static bool to_proxy(const struct http_exchange *x)
{
    return x->conf->ep.is_proxy && !x->url->tls;
}

static int next_header(const struct http_exchange *x, size_t *at, struct http_header *h)
{
    const struct http_conf *c = x->conf;
    const struct http_header own[OWN_HEADERS] = {
        {x->at_origin && http_conf_header(c, "Host") ? NULL : "Host", x->url->authority},
        {x->cookies ? "Cookie" : NULL, x->cookies},
        {to_proxy(x) && c->proxy_auth ? "Proxy-Authorization" : NULL, c->proxy_auth},
    };
    for (; *at < OWN_HEADERS; ++*at)
        if (own[*at].name) {
            *h = own[(*at)++];
            return 1;
        }
    for (; *at - OWN_HEADERS < c->n_headers; ++*at) {
        const struct http_conf_header *from = &c->headers[*at - OWN_HEADERS];
        bool merged = x->cookies && strcasecmp(from->name, "Cookie") == 0;
        if (!merged && (from->is_safe || x->at_origin)) {
            *h = (struct http_header){from->name, from->value};
            ++*at;
            return 1;
        }
    }
    return 0;
}

static int make_request(const struct http_exchange *x, struct buf *b)
{
    struct http_header h;
    bool old = x->conf->version == HTTP_VERSION_1_0;
    http1_begin_request(b, x->method, to_proxy(x) ? x->url->text : x->url->path, old ? '0' : '1');
    for (size_t at = 0; next_header(x, &at, &h);)
        http1_add_header(b, h.name, h.value);
    http1_end_request(b, sends_body(x));
    return b->failed ? -1 : 0;
}

static int make_connect(const struct http_exchange *x, struct buf *b)
{
    const struct http_url *u = x->url;
    bool v6 = strchr(u->host, ':');
    char *to = str_format("%s%s%s:%u", v6 ? "[" : "", u->host, v6 ? "]" : "", (unsigned)u->port);
    http1_begin_request(b, "CONNECT", to ? to : "", '1');
    http1_add_header(b, "Host", to ? to : "");
    if (x->conf->proxy_auth)
        http1_add_header(b, "Proxy-Authorization", x->conf->proxy_auth);
    http1_end_request(b, NULL);
    free(to);
    return to && !b->failed ? 0 : -1;
}

/* ---- HTTP/1 ---- */

/* The caller is told, once; nothing of the exchange may be touched after this. */
static void end(struct http_exchange *x, enum http_outcome outcome)
{
    settle(x, outcome);
    x->reached = x->stage;
    x->on_done(x);
}

static void send_request(struct http_exchange *x,
                         int (*make)(const struct http_exchange *, struct buf *))
{
    struct buf request;
    bool connect = make == make_connect;
    buf_init(&request, REQUEST_MAX);
    move(x, connect ? HTTP_TUNNEL : HTTP_ASKED);
    probe_note_later(x->run, x->describe);
    if (make(x, &request) < 0)
        end(x, HTTP_INTERNAL);
    else
        http1_send(&x->http1, &request,
                   connect                          ? HTTP_WIRE_CONNECT
                   : strcmp(x->method, "HEAD") == 0 ? HTTP_WIRE_HEAD
                                                    : HTTP_WIRE_ANY);
    if (request.data)
        explicit_bzero(request.data, request.len);
    buf_fini(&request);
}

/* ---- HTTP/2 ---- */

static bool on_http2_line(void *owner, const char *line, size_t len)
{
    return take_line(owner, line, len);
}

static bool on_http2_body(void *owner, const char *data, size_t len)
{
    return take_body(owner, data, len);
}

static void on_http2_turn(void *owner, const struct buf *out, bool over)
{
    struct http_exchange *x = owner;
    bool whole = x->http2.rc == CURLE_OK && x->stage == HTTP_BODY;
    if (over)
        end(x, whole ? HTTP_WHOLE : HTTP_LOST);
    else if (out->len)
        stream_write(&x->http1.stream, out->data, out->len);
}

static void start_http2(struct http_exchange *x)
{
    static const struct http2_events events = {
        .reply = {.on_line = on_http2_line, .on_body = on_http2_body}, .on_turn = on_http2_turn};
    struct http_header *headers = calloc(OWN_HEADERS + x->conf->n_headers, sizeof *headers);
    struct http2_request request = {.method = x->method,
                                    .authority = x->url->authority,
                                    .path = x->url->path,
                                    .body = sends_body(x),
                                    .https = x->url->tls,
                                    .headers = headers};
    request.body_len = request.body ? strlen(request.body) : 0;
    struct err *e = &x->http1.error;
    move(x, HTTP_ASKED);
    probe_note_later(x->run, x->describe);
    http1_take_bytes(&x->http1);
    for (size_t at = 0; headers && next_header(x, &at, &headers[request.n_headers]);)
        request.n_headers++;
    if (!headers || http2_start(&x->http2, &request, &events, x, e) < 0)
        end(x, HTTP_INTERNAL);
    free(headers);
}

/* ---- Its course ---- */

static void on_open(struct http1 *c)
{
    struct http_exchange *x = container_of(c, struct http_exchange, http1);
    bool needs_http2 = x->conf->version == HTTP_VERSION_2;
    if (x->stage == HTTP_TUNNEL) {
        move(x, HTTP_SECURING);
        http1_secure(c, &x->tls, x->url->host);
        return;
    }
    if (x->stage == HTTP_CONNECTING && x->url->tls && x->conf->ep.is_proxy) {
        send_request(x, make_connect);
        return;
    }
    bool http2 = x->url->tls ? strcmp(stream_alpn(&c->stream), "h2") == 0 : needs_http2;
    if (needs_http2 && !http2) {
        end(x, HTTP_WRONG_VERSION);
        return;
    }
    probe_phase(x->run, PHASE_REQUEST);
    if (!http2) {
        send_request(x, make_request);
        return;
    }
    start_http2(x);
}

/* ---- The reply over HTTP/1 ---- */

static bool on_line(void *owner, const char *line, size_t len)
{
    struct http_exchange *x = container_of((struct http1 *)owner, struct http_exchange, http1);
    if (x->stage != HTTP_TUNNEL)
        return take_line(x, line, len);
    x->header_bytes += len;
    return x->header_bytes <= HTTP_HEADERS_MAX || settle(x, HTTP_TOO_MANY_HEADERS);
}

static bool on_body(void *owner, const char *data, size_t len)
{
    struct http_exchange *x = container_of((struct http1 *)owner, struct http_exchange, http1);
    if (x->stage != HTTP_TUNNEL)
        return take_body(x, data, len);
    x->reply.status = x->http1.wire.status;
    return settle(x, HTTP_NO_TUNNEL);
}

static void on_junk(void *owner, const char *data, size_t len)
{
    not_http(container_of((struct http1 *)owner, struct http_exchange, http1), data, len);
}

static void on_bytes(struct http1 *c, const char *data, size_t len)
{
    struct http_exchange *x = container_of(c, struct http_exchange, http1);
    if (x->outcome == HTTP_PENDING)
        http2_take(&x->http2, data, len);
}

static void start(struct http_exchange *x);

static void on_closed(struct http1 *c)
{
    struct http_exchange *x = container_of(c, struct http_exchange, http1);
    if (x->stage == HTTP_RESTARTING)
        start(x);
    else
        x->on_ended(x);
}

/* The server took none of the protocols that were offered, and they were not all. */
static bool speaks_only_http2(const struct http_exchange *x)
{
    return (x->stage == HTTP_CONNECTING || x->stage == HTTP_SECURING) &&
           x->conf->version == HTTP_VERSION_ANY && x->tls.alpn && strcmp(x->tls.alpn, "h2") != 0 &&
           x->http1.outcome == HTTP1_FAILED && x->http1.reason == REASON_TLS &&
           strstr(x->http1.error.text, "(ALPN)");
}

static void on_over(struct http1 *c)
{
    struct http_exchange *x = container_of(c, struct http_exchange, http1);
    if (speaks_only_http2(x)) {
        x->tls.alpn = "h2";
        move(x, HTTP_RESTARTING);
        http1_close(c, on_closed);
    } else if (x->stage == HTTP_TUNNEL && c->outcome == HTTP1_WHOLE) {
        x->reply.status = c->wire.status;
        end(x, HTTP_NO_TUNNEL);
    } else {
        x->reply.body_open = c->stream.is_cut;
        end(x, c->outcome == HTTP1_WHOLE ? HTTP_WHOLE : HTTP_LOST);
    }
}

/* ---- Begin and end ---- */

static void start(struct http_exchange *x)
{
    static const struct http1_events events = {
        .on_open = on_open,
        .reply = {.on_line = on_line, .on_body = on_body, .on_junk = on_junk},
        .on_bytes = on_bytes,
        .on_over = on_over,
    };
    bool tls = x->url->tls && !x->conf->ep.is_proxy;
    move(x, HTTP_CONNECTING);
    http1_start(&x->http1, x->run, x->ep, tls ? &x->tls : NULL, x->url->host, &events);
}

void http_exchange_start(struct http_exchange *x, void (*on_done)(struct http_exchange *x))
{
    static const char *const alpn[] = {[HTTP_VERSION_ANY] = "http/1.1",
                                       [HTTP_VERSION_1_0] = NULL,
                                       [HTTP_VERSION_1_1] = "http/1.1",
                                       [HTTP_VERSION_2] = "h2,http/1.1"};
    x->on_done = on_done;
    buf_init(&x->reply.headers, HTTP_HEADERS_MAX);
    buf_init(&x->reply.body, x->conf->max_body > BODY_SHOWN ? x->conf->max_body : BODY_SHOWN);
    x->reply.max_body = x->conf->max_body_text;
    x->reply.quiet = x->conf->secret;
    x->tls = (struct tls_options){.conf = (struct tls_conf *)(uintptr_t)&x->conf->tls,
                                  .alpn = alpn[x->conf->version],
                                  .elsewhere = !x->at_origin};
    start(x);
}

void http_exchange_note(const struct http_exchange *x, char out[PROBE_DETAIL_MAX])
{
    const char *peer = http_exchange_peer(x);
    switch (x->stage) {
    case HTTP_TUNNEL:
        snprintf(out, PROBE_DETAIL_MAX, "connected to the proxy %s, but no reply to CONNECT", peer);
        break;
    case HTTP_ASKED:
        snprintf(out, PROBE_DETAIL_MAX, "connected to %s, but no reply to %s %s", peer, x->method,
                 x->url->shown);
        break;
    case HTTP_HEAD:
        snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but its headers have no end",
                 x->reply.status, peer);
        break;
    case HTTP_BODY:
        if (x->body_bytes)
            snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but the body stopped after %zu bytes",
                     x->reply.status, peer, x->body_bytes);
        else
            snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but no body yet", x->reply.status,
                     peer);
        break;
    default: /* the notes of dial and stream stand */
        break;
    }
}

void http_exchange_end(struct http_exchange *x, void (*on_ended)(struct http_exchange *x))
{
    bool closing = x->stage == HTTP_RESTARTING;
    move(x, HTTP_ENDING);
    x->on_ended = on_ended;
    buf_fini(&x->reply.headers);
    buf_fini(&x->reply.body);
    http2_fini(&x->http2);
    if (!closing)
        http1_close(&x->http1, on_closed);
}
