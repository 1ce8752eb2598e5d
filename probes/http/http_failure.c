/* http_failure: see http_failure.h. It only reads what an exchange has noted. */
#include "http/http_failure.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* How far it had come, to complete "closed the connection ...". */
static const char *stage(const struct http_exchange *x, char *out, size_t size)
{
    switch (x->reached) {
    case HTTP_TUNNEL:
        return "without a reply to CONNECT";
    case HTTP_ASKED:
        return "without a reply";
    case HTTP_HEAD:
        return "within the headers of its reply";
    case HTTP_BODY:
        snprintf(out, size, "within the body, after %zu bytes", x->body_bytes);
        return out;
    default:
        return "during the TLS handshake";
    }
}

static enum reason closed(const struct http_exchange *x, struct err *e)
{
    char buf[64];
    err_set(e, "%s closed the connection %s", http_exchange_peer(x), stage(x, buf, sizeof buf));
    return REASON_CLOSED;
}

static enum reason reset(const struct http_exchange *x, struct err *e)
{
    char buf[64];
    err_set(e, "%s reset the connection %s", http_exchange_peer(x), stage(x, buf, sizeof buf));
    return REASON_RESET;
}

static enum reason not_http(const struct http_exchange *x, struct err *e)
{
    const struct buf *got = &x->reply.body;
    const char *peer = http_exchange_peer(x);
    char excerpt[HTTP_EXCERPT_MAX];
    bool is_http2 = got->len >= 9 && got->data[0] == 0 && got->data[1] == 0 && got->data[3] == 4;
    /* A TLS alert record: what a TLS server answers to plain text (RFC 8446 section 5.1). */
    if (!x->url->tls && got->len >= 2 && got->data[0] == 0x15 && got->data[1] == 0x03)
        err_set(e, "%s speaks TLS: is the URL https://?", peer);
    else if (is_http2) /* its first frame, SETTINGS (RFC 9113 section 6.5) */
        err_set(e, "%s speaks only HTTP/2: set http_version to 2", peer);
    else
        err_set(e, "the reply from %s is not HTTP%s", peer, http_excerpt(&x->reply, excerpt));
    return REASON_PROTOCOL;
}

static enum reason no_tunnel(const struct http_exchange *x, struct err *e)
{
    err_set(e, "the proxy %s opens no way to it: HTTP %d", http_exchange_peer(x), x->reply.status);
    return x->reply.status == 407 ? REASON_AUTH : REASON_UNREACHABLE;
}

static enum reason connection_failure(const struct http_exchange *x, struct err *e)
{
    const struct http1 *c = &x->http1;
    bool stood = *c->stream.peer != '\0';
    if (stood && c->reason == REASON_RESET)
        return reset(x, e);
    if (stood && c->reason == REASON_CLOSED)
        return closed(x, e);
    *e = c->error;
    if (c->reason == REASON_TLS && strstr(e->text, "does not speak TLS"))
        err_set(e, "%s: is the URL http://?", c->error.text);
    return c->reason;
}

static enum reason lost(const struct http_exchange *x, struct err *e)
{
    const struct http1 *c = &x->http1;
    enum reason told = http2_words(&x->http2, http_exchange_peer(x), e);
    if (told != REASON_OK)
        return told;
    if (c->outcome == HTTP1_FAILED)
        return connection_failure(x, e);
    if (c->outcome != HTTP1_BROKEN)
        return closed(x, e);
    err_set(e, "the %s from %s %s broken: %s", c->wire.in_body ? "body" : "headers",
            http_exchange_peer(x), c->wire.in_body ? "is" : "are", c->wire.broken);
    return REASON_PROTOCOL;
}

enum reason http_failure(const struct http_exchange *x, struct err *e)
{
    /* A status that is not wanted is the verdict, whatever became of the body. */
    bool refused =
        x->reached == HTTP_BODY && !status_set_has(&x->conf->expect.status, x->reply.status);
    if (refused)
        return REASON_OK;
    switch (x->outcome) {
    case HTTP_NOT_HTTP:
        return not_http(x, e);
    case HTTP_TOO_MANY_HEADERS:
        err_set(e, "the headers from %s are over %d KiB", http_exchange_peer(x),
                HTTP_HEADERS_MAX >> 10);
        return REASON_PROTOCOL;
    case HTTP_WRONG_VERSION:
        err_set(e, "%s speaks HTTP/1, http_version is 2", http_exchange_peer(x));
        return REASON_MISMATCH;
    case HTTP_NO_TUNNEL:
        return no_tunnel(x, e);
    case HTTP_INTERNAL:
        err_set(e, "%s", *x->http1.error.text ? x->http1.error.text : "out of memory");
        return REASON_INTERNAL;
    case HTTP_WHOLE:
    case HTTP_ENOUGH:
        return REASON_OK;
    case HTTP_LOST:
    case HTTP_PENDING:
        break;
    }
    return lost(x, e);
}
