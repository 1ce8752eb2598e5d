/* http_exchange: see http_exchange.h. Curl's callbacks only note things down or tell curl to stop;
 * nothing is finished or freed from inside them. */
#include "http_exchange.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "http_failure.h"

#define BODY_SHOWN     256 /* bytes kept when the verdict does not hang on the body */
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

/* "HTTP/1.1 503 Service Unavailable\r\n" */
static bool take_status_line(struct http_exchange *x, const char *line, size_t len)
{
    const char *end = line + len, *p = line + strlen("HTTP/");
    if (len < strlen("HTTP/") || strncasecmp(line, "HTTP/", strlen("HTTP/")) != 0)
        return false;
    while (p < end && (isdigit((unsigned char)*p) || *p == '.'))
        p++;
    if (end - p < 4 || *p != ' ' || !isdigit((unsigned char)p[1]) ||
        !isdigit((unsigned char)p[2]) || !isdigit((unsigned char)p[3]) ||
        (end - p > 4 && !isspace((unsigned char)p[4])))
        return false;
    x->reply.status = (p[1] - '0') * 100 + (p[2] - '0') * 10 + (p[3] - '0');
    p += 4;
    while (p < end && *p == ' ')
        p++;
    size_t n = (size_t)(end - p);
    while (n && isspace((unsigned char)p[n - 1]))
        n--;
    if (n >= sizeof x->reply.phrase)
        n = sizeof x->reply.phrase - 1;
    memcpy(x->reply.phrase, p, n);
    x->reply.phrase[n] = '\0';
    str_printable(x->reply.phrase, sizeof x->reply.phrase - 1);
    return true;
}

bool http_exchange_redirects(const struct http_exchange *x, char *location, size_t size)
{
    int status = x->reply.status;
    bool kind = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    *location = '\0';
    return kind && x->conf->follow &&
           http_header_value(&x->reply.headers, "Location", location, size) != 0;
}

/* One header line, of any header block (1xx ones come first) or of the trailer. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http_exchange *x = arg;
    size_t len = size * n;
    x->sent = true;
    x->header_bytes += len;
    if (x->header_bytes > HTTP_HEADERS_MAX) {
        x->too_many_headers = true;
        return 0;
    }
    if (!x->status_seen) {
        buf_reset(&x->reply.headers);
        x->status_seen = take_status_line(x, data, len);
        if (!x->status_seen) {
            x->not_http = true;
            buf_add(&x->reply.body, data, len < BODY_SHOWN ? len : BODY_SHOWN);
            return 0;
        }
        return len;
    }
    if (data[0] != '\r' && data[0] != '\n')
        return buf_add(&x->reply.headers, data, len) == 0 ? len : 0;
    if (data[len - 1] != '\n' || len > (data[0] == '\r' ? 2 : 1)) {
        /* Curl takes any line that begins with CR for the empty one that ends the headers. */
        x->not_http = true;
        buf_add(&x->reply.body, data, len < BODY_SHOWN ? len : BODY_SHOWN);
        return 0;
    }
    if (x->reply.status < 200 && x->reply.status != 101) { /* the reply is yet to come */
        x->status_seen = false;
        return len;
    }
    x->headers_complete = true;
    /* After 101 the connection speaks another protocol and has no end. */
    char location[HTTP_LOCATION_MAX];
    x->enough = x->reply.status == 101 || http_exchange_redirects(x, location, sizeof location);
    return x->enough ? 0 : len;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_exchange *x = arg;
    const struct http_expect *expect = &x->conf->expect;
    size_t len = size * n;
    x->sent = true;
    x->body_bytes += len;
    if (!x->headers_complete) /* curl takes what is not HTTP for HTTP/0.9, all body */
        x->not_http = true;
    bool wanted = !x->not_http && status_set_has(&expect->status, x->reply.status);
    size_t keep = wanted && http_expect_reads_body(expect) ? x->conf->max_body : BODY_SHOWN;
    size_t room = keep > x->reply.body.len ? keep - x->reply.body.len : 0;
    if (buf_add(&x->reply.body, data, len < room ? len : room) < 0)
        return 0;
    if (x->body_bytes > x->conf->max_body)
        x->reply.body_cut = true;
    /* A status that is not wanted needs no more than a piece to show. */
    x->enough = !x->not_http && (!wanted || x->reply.body_cut);
    if (x->enough || x->not_http)
        return 0;
    return len;
}

static void note_certificate(struct http_exchange *x)
{
    if (x->guest.not_after && x->at_origin)
        probe_cert_expiry(x->run, x->guest.not_after);
}

static void on_sending(struct http_exchange *x)
{
    note_certificate(x);
    x->sent = true;
    probe_phase(x->run, PHASE_REQUEST);
}

#if LIBCURL_VERSION_NUM >= 0x075000
/* The connection stands, TLS and all; the request goes out next. */
static int on_prereq(void *arg, char *remote, char *local, int remote_port, int local_port)
{
    (void)remote;
    (void)local;
    (void)remote_port;
    (void)local_port;
    on_sending(arg);
    return CURL_PREREQFUNC_OK;
}
#endif

static void set_request(struct http_exchange *x, CURL *easy)
{
    const struct http_conf *c = x->conf;
    bool is_get = strcmp(x->method, "GET") == 0;
    /* A body that was asked for, but not with the GET that a redirect made of it. */
    bool has_body = c->body && (!is_get || strcmp(c->method, "GET") == 0);
    if (strcmp(x->method, "HEAD") == 0) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (has_body || strcmp(x->method, "POST") == 0 || strcmp(x->method, "PUT") == 0) {
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, has_body ? (long)strlen(c->body) : 0L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, has_body ? c->body : "");
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
    } else if (!is_get) {
        curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, x->method);
    }
    bool renamed = x->at_origin && c->tls_url;
    curl_easy_setopt(easy, CURLOPT_URL, renamed ? c->tls_url : x->url->text);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, x->at_origin ? c->headers : c->safe_headers);
    if (x->at_origin && c->user) {
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, c->user);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, c->password);
    }
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
    if (tls_guest_setup(&x->guest, tls, host, ssl_ctx, x->at_origin, &x->setup_error) == 0)
        return CURLE_OK;
    x->setup_failed = true;
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
    x->connect_to = curl_slist_append(NULL, to);
    if (!x->connect_to)
        return err_set(e, "out of memory");
    curl_easy_setopt(easy, CURLOPT_CONNECT_TO, x->connect_to);
    return 0;
}

int http_exchange_start(struct http_exchange *x,
                        void (*on_done)(struct curl_transfer *t, CURLcode rc), struct err *e)
{
    if (curl_glue_init(e) < 0)
        return -1;
    CURL *easy = curl_glue_take(x->run->env);
    if (!easy)
        return err_set(e, "out of memory");
    x->transfer = (struct curl_transfer){.easy = easy, .on_done = on_done};
    buf_init(&x->reply.headers, HTTP_HEADERS_MAX);
    buf_init(&x->reply.body, x->conf->max_body > BODY_SHOWN ? x->conf->max_body : BODY_SHOWN);
    x->reply.max_body = x->conf->max_body_text;
    x->reply.quiet = x->conf->mask.n > 0;

    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, x->error);
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
        on_sending(x);
    return curl_glue_start(x->run->env, &x->transfer, e);
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

enum reason http_exchange_result(struct http_exchange *x, CURLcode rc, struct err *e)
{
    note_certificate(x);
    bool whole = rc == CURLE_OK && x->headers_complete && !x->not_http;
    /* A status that is not wanted is the verdict, whatever became of the body. */
    bool refused = x->headers_complete && !status_set_has(&x->conf->expect.status, x->reply.status);
    if (!whole && !x->enough && !refused)
        return http_failure(x, rc, e);
    if (x->url->tls && tls_days_left(x->guest.not_after, x->conf->tls.min_days, e) < 0) {
        err_prefix(e, "%s", x->peer);
        return REASON_TLS;
    }
    long version = 0;
    curl_easy_getinfo(x->transfer.easy, CURLINFO_HTTP_VERSION, &version);
    if (x->conf->needs_http2 && version != CURL_HTTP_VERSION_2_0) {
        err_set(e, "%s speaks HTTP/1, http_version is 2", x->peer);
        return REASON_MISMATCH;
    }
    return REASON_OK;
}

void http_exchange_end(struct http_exchange *x)
{
    if (x->transfer.easy) {
        curl_glue_stop(&x->transfer);
        bool plain = !x->url->tls && !x->conf->needs_http2 && !x->conf->user && !x->conf->mask.n;
        curl_glue_give(x->run->env, x->transfer.easy, plain);
        x->transfer.easy = NULL;
        buf_fini(&x->reply.headers);
        buf_fini(&x->reply.body);
    }
    curl_slist_free_all(x->connect_to);
    x->connect_to = NULL;
    if (x->fd >= 0)
        close(x->fd);
    x->fd = -1;
}
