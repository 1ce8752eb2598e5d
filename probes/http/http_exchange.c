/* http_exchange: see http_exchange.h. */
#include "http/http_exchange.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "http/http_failure.h"

#define BODY_SHOWN 256 /* bytes kept when the verdict does not hang on the body */

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

void http_exchange_not_http(struct http_exchange *x, const char *data, size_t len)
{
    x->sent = x->not_http = true;
    buf_add(&x->reply.body, data, len < BODY_SHOWN ? len : BODY_SHOWN);
}

bool http_exchange_redirects(const struct http_exchange *x, char *location, size_t size)
{
    int status = x->reply.status;
    bool kind = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    *location = '\0';
    return kind && x->conf->follow &&
           http_header_value(&x->reply.headers, "Location", location, size) != 0;
}

bool http_exchange_line(struct http_exchange *x, const char *line, size_t len)
{
    struct http_reply *reply = &x->reply;
    x->sent = true;
    x->header_bytes += len;
    if (x->header_bytes > HTTP_HEADERS_MAX) {
        x->too_many_headers = true;
        return false;
    }
    if (!x->status_seen) {
        buf_reset(&reply->headers);
        x->status_seen = take_status_line(reply, line, len);
        if (!x->status_seen)
            http_exchange_not_http(x, line, len);
        return x->status_seen;
    }
    if (line[0] != '\r' && line[0] != '\n')
        return buf_add(&reply->headers, line, len) == 0;
    if (reply->status < 200 && reply->status != 101) { /* the reply is yet to come */
        x->status_seen = false;
        return true;
    }
    x->headers_complete = true;
    /* After 101 the connection speaks another protocol and has no end. */
    char location[HTTP_LOCATION_MAX];
    x->enough = reply->status == 101 || http_exchange_redirects(x, location, sizeof location);
    return !x->enough;
}

bool http_exchange_body(struct http_exchange *x, const char *data, size_t len)
{
    const struct http_expect *expect = &x->conf->expect;
    struct http_reply *reply = &x->reply;
    x->body_bytes += len;
    bool wanted = status_set_has(&expect->status, reply->status);
    size_t keep = wanted && http_expect_reads_body(expect) ? x->conf->max_body : BODY_SHOWN;
    size_t room = keep > reply->body.len ? keep - reply->body.len : 0;
    if (buf_add(&reply->body, data, len < room ? len : room) < 0)
        return false;
    if (x->body_bytes > x->conf->max_body)
        reply->body_cut = true;
    /* A status that is not wanted needs no more than a piece to show. */
    x->enough = !wanted || reply->body_cut;
    return !x->enough;
}

/* ---- Its course ---- */

const char *http_exchange_sends_body(const struct http_exchange *x)
{
    bool is_get = strcmp(x->method, "GET") == 0;
    /* A body that was asked for, but not with the GET that a redirect made of it. */
    if (x->conf->body && (!is_get || strcmp(x->conf->method, "GET") == 0) &&
        strcmp(x->method, "HEAD") != 0)
        return x->conf->body;
    return strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0 ? "" : NULL;
}

void http_exchange_sending(struct http_exchange *x)
{
    x->sent = true;
    probe_phase(x->run, PHASE_REQUEST);
}

int http_exchange_start(struct http_exchange *x, void (*on_done)(struct http_exchange *x),
                        struct err *e)
{
    x->on_done = on_done;
    buf_init(&x->reply.headers, HTTP_HEADERS_MAX);
    buf_init(&x->reply.body, x->conf->max_body > BODY_SHOWN ? x->conf->max_body : BODY_SHOWN);
    x->reply.max_body = x->conf->max_body_text;
    x->reply.quiet = x->conf->mask.n > 0;
    x->way = x->url->tls || x->conf->needs_http2 ? HTTP_CURL : HTTP_PLAIN;
    return x->way == HTTP_PLAIN ? http_plain_start(x, e) : http_curl_start(x, e);
}

void http_exchange_note(const struct http_exchange *x, char out[PROBE_DETAIL_MAX])
{
    if (!x->sent)
        snprintf(out, PROBE_DETAIL_MAX, "connected to %s, but the TLS handshake is not over",
                 x->peer);
    else if (!x->status_seen)
        snprintf(out, PROBE_DETAIL_MAX, "connected to %s, but no reply to %s %s", x->peer,
                 x->method, x->url->shown);
    else if (!x->headers_complete)
        snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but its headers have no end",
                 x->reply.status, x->peer);
    else if (!x->body_bytes)
        snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but no body yet", x->reply.status,
                 x->peer);
    else
        snprintf(out, PROBE_DETAIL_MAX, "HTTP %d from %s, but the body stopped after %zu bytes",
                 x->reply.status, x->peer, x->body_bytes);
}

enum reason http_exchange_result(const struct http_exchange *x, struct err *e)
{
    /* A status that is not wanted is the verdict, whatever became of the body. */
    bool refused = x->headers_complete && !status_set_has(&x->conf->expect.status, x->reply.status);
    if (!x->whole && !x->enough && !refused)
        return http_failure(x, e);
    return x->way == HTTP_CURL ? http_curl_judge(x, e) : REASON_OK;
}

void http_exchange_end(struct http_exchange *x, void (*on_ended)(struct http_exchange *x))
{
    x->on_ended = on_ended;
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
    buf_fini(&x->reply.headers);
    buf_fini(&x->reply.body);
    if (x->way == HTTP_PLAIN) {
        http_plain_end(x);
        return;
    }
    if (x->way == HTTP_CURL)
        http_curl_end(x);
    on_ended(x);
}
