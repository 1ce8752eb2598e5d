/* http_curl: see http_curl.h. Curl's callbacks only note things down or tell curl to stop; nothing
 * is finished or freed from inside them. */
#include "http/http_curl.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http/http_exchange.h"

#define SECONDS_MARGIN 60

/* 7.88.0 and .1 forget that the descriptor is connected and connect it anew (mended in 8.0). The
 * kernel lets that pass on TCP, where it only confirms a connection made without blocking, but not
 * on a unix socket. */
static bool must_connect_itself(const struct http_exchange *x)
{
    if (!x->at_origin || !x->conf->ep.path)
        return false;
    unsigned version = curl_version_info(CURLVERSION_NOW)->version_num;
    return version >= 0x075800 && version < 0x080000;
}

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_exchange *x = arg;
    (void)purpose;
    (void)address;
    int fd = x->fd; /* a second call, which would be another connection, gets none */
    x->fd = -1;
    return fd;
}

static int on_sockopt(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    (void)arg;
    (void)fd;
    (void)purpose;
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * n;
    bool empty = data[len - 1] == '\n' && len == (data[0] == '\r' ? 2 : 1);
    /* Curl takes any line that begins with CR for the empty one that ends the headers. */
    if (x->status_seen && (data[0] == '\r' || data[0] == '\n') && !empty) {
        http_exchange_not_http(x, data, len);
        return 0;
    }
    return http_exchange_line(x, data, len) ? len : 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * n;
    if (x->headers_complete)
        return http_exchange_body(x, data, len) ? len : 0;
    http_exchange_not_http(x, data, len); /* curl takes that for HTTP/0.9, all body */
    return 0;
}

static void note_certificate(struct http_exchange *x)
{
    if (x->curl.guest.not_after && x->at_origin)
        probe_cert_expiry(x->run, x->curl.guest.not_after);
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* The connection stands, TLS and all; the request goes out next. */
static int on_prereq(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    note_certificate(arg);
    http_exchange_sending(arg);
    return CURL_PREREQFUNC_OK;
}
#endif

static void set_request(struct http_exchange *x, CURL *easy)
{
    const struct http_conf *c = x->conf;
    const char *body = http_exchange_sends_body(x);
    if (strcmp(x->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (body) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(body));
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
    } else if (strcmp(x->method, "GET") != 0) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
    }
    bool renamed = x->at_origin && c->tls_url;
    curl_easy_setopt(easy, CURLOPT_URL, renamed ? c->tls_url : x->url->text);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->at_origin ? c->headers : c->safe_headers);
    /* With TLS the version is agreed on in the handshake; in plain 2 can only be assumed. */
    long version = c->version;
    if (c->needs_http2 && x->url->tls)
        version = CURL_HTTP_VERSION_2TLS;
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
}

/* Trust, verification and our own certificate are tls's, so that all types say the same. */
static CURLcode on_ssl_ctx(CURL *easy, void *ssl_ctx, void *arg)
{
    struct http_exchange *x = arg;
    (void)easy;
    struct tls_conf *tls = (struct tls_conf *)(uintptr_t)&x->conf->tls;
    const char *host = x->at_origin && tls->server_name ? tls->server_name : x->url->host;
    if (tls_guest_setup(&x->curl.guest, tls, host, ssl_ctx, x->at_origin, &x->curl.setup_error) ==
        0)
        return CURLE_OK;
    x->curl.setup_failed = true;
    return CURLE_SSL_CERTPROBLEM;
}

static int set_tls(struct http_exchange *x, CURL *easy, struct err *e)
{
    const struct tls_conf *tls = &x->conf->tls;
    if (curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_ssl_ctx) != CURLE_OK)
        return err_set(e, "this libcurl was not built with OpenSSL");
    curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, x);
    /* Curl reads no certificates of its own, which would take it milliseconds a check. */
    curl_easy_setopt(easy, CURLOPT_CAINFO, NULL);
    curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls->verify ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls->verify ? 2L : 0L);
    /* A resumed session shows no certificate, and the certificate is what is checked. */
    curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    return 0;
}

static int set_connection(struct http_exchange *x, CURL *easy, struct err *e)
{
    /* Nothing of the environment: no proxy, no signals, no other protocol. */
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    /* A kept connection would hide a listener that is gone. */
    curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(easy, CURLOPT_FORBID_REUSE, 1L);
    /* The deadline is the engine's; curl's own default of 5 minutes may be shorter. */
    int64_t left_s = (x->run->deadline - clock_now()) / NS_PER_S;
    if (left_s < 0 || left_s > INT32_MAX / 1000 - SECONDS_MARGIN)
        left_s = INT32_MAX / 1000 - SECONDS_MARGIN;
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, (long)left_s + SECONDS_MARGIN);

    if (must_connect_itself(x)) {
        close(x->fd);
        x->fd = -1;
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, x->conf->ep.path);
        return 0;
    }
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, x);
    curl_easy_setopt(easy, CURLOPT_SOCKOPTFUNCTION, on_sockopt);
    /* "any host, any port: this address", so that curl resolves nothing and remembers nothing. */
    bool is_unix = str_starts(x->peer, "unix:");
    char to[DIAL_TEXT_MAX + 8];
    snprintf(to, sizeof to, "::%s", is_unix ? "127.0.0.1:80" : x->peer);
    x->curl.connect_to = curl_slist_append(NULL, to);
    if (!x->curl.connect_to)
        return err_set(e, "out of memory");
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, x->curl.connect_to);
    return 0;
}

static void on_transfer_done(struct curl_transfer *t, CURLcode rc)
{
    struct http_exchange *x = container_of(t, struct http_exchange, curl.transfer);
    note_certificate(x);
    x->curl.rc = rc;
    x->whole = rc == CURLE_OK && x->headers_complete;
    x->on_done(x);
}

int http_curl_start(struct http_exchange *x, struct err *e)
{
    if (curl_glue_init(e) < 0)
        return -1;
    CURL *easy = curl_easy_init();
    if (!easy)
        return err_set(e, "out of memory");
    x->curl.transfer = (struct curl_transfer){.easy = easy, .on_done = on_transfer_done};
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->curl.error);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, x);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, x);
    /* So that what is not HTTP comes to on_body, to be shown; it is never taken for a reply. */
    curl_easy_setopt(easy, CURLOPT_HTTP09_ALLOWED, 1L);
#if LIBCURL_VERSION_NUM >= 0x075000
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_prereq);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, x);
#endif
    set_request(x, easy);
    if (x->url->tls && set_tls(x, easy, e) < 0)
        return -1;
    if (set_connection(x, easy, e) < 0)
        return -1;
    if (x->url->tls)
        probe_phase(x->run, PHASE_TLS);
    else
        http_exchange_sending(x);
    return curl_glue_start(x->run->env, &x->curl.transfer, e);
}

enum reason http_curl_judge(const struct http_exchange *x, struct err *e)
{
    const struct http_conf *c = x->conf;
    if (x->url->tls && tls_days_left(x->curl.guest.not_after, c->tls.min_days, e) < 0) {
        err_prefix(e, "%s", x->peer);
        return REASON_TLS;
    }
    long version = 0;
    curl_easy_getinfo(x->curl.transfer.easy, CURLINFO_HTTP_VERSION, &version);
    if (c->needs_http2 && version != CURL_HTTP_VERSION_2_0) {
        err_set(e, "%s speaks HTTP/1, http_version is 2", x->peer);
        return REASON_MISMATCH;
    }
    return REASON_OK;
}

void http_curl_end(struct http_exchange *x)
{
    if (x->curl.transfer.easy) {
        curl_glue_stop(&x->curl.transfer);
        curl_easy_cleanup(x->curl.transfer.easy);
    }
    curl_slist_free_all(x->curl.connect_to);
}
