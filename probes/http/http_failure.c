/* http_failure: see http_failure.h. It only reads what an exchange has noted. Curl has codes of its
 * own for what failed; where one code covers several causes, its message tells them apart. */
#include "http/http_failure.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

static const char *curl_words(const struct http_exchange *x, CURLcode rc)
{
    return *x->curl.error ? x->curl.error : curl_easy_strerror(rc);
}

/* How far it had come, to complete "closed the connection ...". */
static const char *stage(const struct http_exchange *x, char *out, size_t size)
{
    if (!x->sent)
        return "during the TLS handshake";
    if (!x->status_seen)
        return "without a reply";
    if (!x->headers_complete)
        return "within the headers of its reply";
    snprintf(out, size, "within the body, after %zu bytes", x->body_bytes);
    return out;
}

static enum reason closed(const struct http_exchange *x, struct err *e)
{
    char buf[64];
    err_set(e, "%s closed the connection %s", x->peer, stage(x, buf, sizeof buf));
    return REASON_CLOSED;
}

static enum reason reset(const struct http_exchange *x, struct err *e)
{
    char buf[64];
    err_set(e, "%s reset the connection %s", x->peer, stage(x, buf, sizeof buf));
    return REASON_RESET;
}

static enum reason not_http(const struct http_exchange *x, struct err *e)
{
    const struct buf *got = &x->reply.body;
    char excerpt[HTTP_EXCERPT_MAX];
    bool is_http2 = !x->conf->needs_http2 && got->len >= 9 && got->data[0] == 0 &&
                    got->data[1] == 0 && got->data[3] == 4;
    /* A TLS alert record: what a TLS server answers to plain text (RFC 8446 section 5.1). */
    if (!x->url->tls && got->len >= 2 && got->data[0] == 0x15 && got->data[1] == 0x03)
        err_set(e, "%s speaks TLS: is the URL https://?", x->peer);
    else if (is_http2) /* its first frame, SETTINGS (RFC 9113 section 6.5) */
        err_set(e, "%s speaks only HTTP/2: set http_version to 2", x->peer);
    else
        err_set(e, "the reply from %s is not HTTP%s", x->peer, http_excerpt(&x->reply, excerpt));
    return REASON_PROTOCOL;
}

static enum reason tls_failure(const struct http_exchange *x, CURLcode rc, struct err *e)
{
    const char *words = curl_words(x, rc);
    if (x->curl.setup_failed || x->curl.guest.words[0]) {
        err_set(e, "%s: %s", x->peer,
                x->curl.setup_failed ? x->curl.setup_error.text : x->curl.guest.words);
        return REASON_TLS;
    }
    char ours[160];
    if (tls_message_words(words, ours, sizeof ours)) {
        err_set(e, "%s: %s", x->peer, ours);
        return REASON_TLS;
    }
    if (strstr(words, "reset by peer"))
        return reset(x, e);
    if (strstr(words, "SSL_ERROR_SYSCALL") || strstr(words, "unexpected eof"))
        return closed(x, e);
    bool plain = strstr(words, "wrong version number") || strstr(words, "packet length too long") ||
                 strstr(words, "http request");
    const char *last =
        strstr(words, " routines::"); /* "OpenSSL/3.0: error:0A0: SSL routines::why" */
    if (plain)
        err_set(e, "%s: the server does not speak TLS: is the URL http://?", x->peer);
    else
        err_set(e, "%s: TLS failed: %s", x->peer, last ? last + strlen(" routines::") : words);
    return REASON_TLS;
}

static enum reason socket_failure(const struct http_exchange *x, CURLcode rc, struct err *e)
{
    long os_errno = 0;
    curl_easy_getinfo(x->curl.transfer.easy, CURLINFO_OS_ERRNO, &os_errno);
    const char *words = curl_words(x, rc);
    if (strstr(words, "chunk")) {
        err_set(e, "the body from %s is broken: %s", x->peer, words);
        return REASON_PROTOCOL;
    }
    if (strstr(words, " alert ")) /* TLS 1.3: the server looks at our certificate after all else */
        return tls_failure(x, rc, e);
    if (os_errno == ECONNRESET || strstr(words, "reset by peer"))
        return reset(x, e);
    if (os_errno == EPIPE || strstr(words, "unexpected eof") || strstr(words, "SSL_ERROR_SYSCALL"))
        return closed(x, e);
    bool known = os_errno != 0 && os_errno != EAGAIN && os_errno != EINPROGRESS;
    err_set(e, "%s: %s", x->peer, words);
    return known ? reason_from_errno((int)os_errno) : REASON_PROTOCOL;
}

/* Curl has the same code for a header line beyond its own limit of 100 KB. */
static enum reason out_of_memory(const struct http_exchange *x, struct err *e)
{
    if (x->sent && !x->headers_complete && !x->curl.transfer.is_failed) {
        err_set(e, "a header line from %s has no end", x->peer);
        return REASON_PROTOCOL;
    }
    err_set(e, "out of memory");
    return REASON_INTERNAL;
}

static enum reason curl_failure(const struct http_exchange *x, CURLcode rc, struct err *e)
{
    switch (rc) {
    case CURLE_GOT_NOTHING: /* also what curl makes of a reply in HTTP/1 */
        if (x->conf->needs_http2 && x->sent) {
            err_set(e, "%s gave no reply in HTTP/2 (http_version is 2)", x->peer);
            return REASON_PROTOCOL;
        }
        return closed(x, e);
    case CURLE_OK: /* curl takes headers that end with the connection */
    case CURLE_PARTIAL_FILE:
        return closed(x, e);
    case CURLE_COULDNT_CONNECT:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
        return socket_failure(x, rc, e);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
        return tls_failure(x, rc, e);
    case CURLE_OUT_OF_MEMORY:
        return out_of_memory(x, e);
    case CURLE_BAD_FUNCTION_ARGUMENT: /* also of a header, or a trailer, that is none */
        if (x->sent && !x->curl.transfer.is_failed) {
            err_set(e, "the headers from %s are broken", x->peer);
            return REASON_PROTOCOL;
        }
        /* fall through */
    case CURLE_FAILED_INIT:
    case CURLE_UNKNOWN_OPTION:
        err_set(e, "libcurl: %s", curl_words(x, rc));
        return REASON_INTERNAL;
    case CURLE_OPERATION_TIMEDOUT:
        err_set(e, "%s: %s", x->peer, curl_words(x, rc));
        return REASON_TIMEOUT;
    default:
        err_set(e, "the reply from %s is broken: %s", x->peer, curl_words(x, rc));
        return REASON_PROTOCOL;
    }
}

static enum reason plain_failure(const struct http_exchange *x, struct err *e)
{
    const struct http_plain *p = &x->plain;
    if (p->wire.broken) {
        err_set(e, "the %s from %s %s broken: %s", p->wire.in_body ? "body" : "headers", x->peer,
                p->wire.in_body ? "is" : "are", p->wire.broken);
        return REASON_PROTOCOL;
    }
    if (p->failed == REASON_RESET)
        return reset(x, e);
    if (p->failed != REASON_OK && p->failed != REASON_CLOSED) {
        *e = p->error;
        return p->failed;
    }
    return closed(x, e);
}

enum reason http_failure(const struct http_exchange *x, struct err *e)
{
    if (x->not_http)
        return not_http(x, e);
    if (x->too_many_headers) {
        err_set(e, "the headers from %s are over %d KiB", x->peer, HTTP_HEADERS_MAX >> 10);
        return REASON_PROTOCOL;
    }
    if (x->reply.headers.failed || x->reply.body.failed) {
        err_set(e, "out of memory");
        return REASON_INTERNAL;
    }
    return x->way == HTTP_PLAIN ? plain_failure(x, e) : curl_failure(x, x->curl.rc, e);
}
