/* tls: see tls.h. One OpenSSL session between two memory BIOs. */
#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "tls/tls_internal.h"

#define S_PER_DAY INT64_C(86400)

/* More than any server needs: who sends more keeps us at work for its own ends. */
#define HANDSHAKE_MESSAGES 32
#define HANDSHAKE_BYTES    ((size_t)256 * 1024)
#define LATER_MESSAGES     16 /* session tickets, key updates, hello requests */

static int on_verify(int ok, X509_STORE_CTX *store)
{
    struct tls *t =
        SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    if (!ok && !t->words[0])
        tls_verify_words(store, t->conf, t->name, t->words, sizeof t->words);
    return ok;
}

/* When the first of them ends that the server sent, the leaf among them. */
static int64_t earliest_of(STACK_OF(X509) * sent, int64_t earliest)
{
    for (int i = 0; i < sk_X509_num(sent); i++) {
        int64_t end = tls_time(X509_get0_notAfter(sk_X509_value(sent, i)));
        if (end && end < earliest)
            earliest = end;
    }
    return earliest;
}

/* From when until when all of the chain that was verified is good. */
static void note_validity(struct tls_seen *seen, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(chain); i++) {
        int64_t begin = tls_time(X509_get0_notBefore(sk_X509_value(chain, i)));
        int64_t end = tls_time(X509_get0_notAfter(sk_X509_value(chain, i)));
        seen->begins = begin > seen->begins ? begin : seen->begins;
        seen->ends = end < seen->ends ? end : seen->ends;
    }
}

/* OpenSSL's verification, and our limits before it; for every context. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    (void)arg;
    struct tls *t =
        SSL_get_app_data(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf)
        t->seen.not_after = tls_time(X509_get0_notAfter(leaf));
    t->seen.earliest = earliest_of(X509_STORE_CTX_get0_untrusted(store), t->seen.not_after);
    t->seen.begins = INT64_MIN;
    t->seen.ends = INT64_MAX;
    if (tls_chain_words(X509_STORE_CTX_get0_untrusted(store), t->words, sizeof t->words)) {
        X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_CHAIN_TOO_LONG);
        return 0;
    }
    if (t->conf->verify) {
        int rc = X509_verify_cert(store);
        note_validity(&t->seen, X509_STORE_CTX_get0_chain(store));
        return rc;
    }
    X509_STORE_CTX_set_error(store, X509_V_OK);
    return 1;
}

static void on_message(int outgoing, int version, int content_type, const void *data, size_t len,
                       SSL *ssl, void *arg)
{
    (void)version;
    (void)data;
    (void)len;
    (void)ssl;
    if (!outgoing && content_type == SSL3_RT_HANDSHAKE)
        ((struct tls *)arg)->n_messages++;
}

static int on_cert_asked(SSL *ssl, void *arg)
{
    (void)arg;
    struct tls *t = SSL_get_app_data(ssl);
    t->cert_asked = true;
    return 1;
}

/* The name or address that the certificate must be for, from a host as it is written; `out` is what
 * it comes down to. 0: a name, 1: an address, -1: the words. */
static int expect_name(X509_VERIFY_PARAM *param, const char *host, char out[TLS_NAME_SIZE],
                       struct err *e)
{
    unsigned char ip[16];
    snprintf(out, TLS_NAME_SIZE, "%s", host);
    size_t len = strcspn(out, "%");
    out[len] = '\0'; /* the scope of an address is not in its certificate */
    if (len && out[len - 1] == '.')
        out[len - 1] = '\0';
    if (inet_pton(AF_INET, out, ip) == 1 || inet_pton(AF_INET6, out, ip) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, out) == 1
                   ? 1
                   : err_set(e, "cannot set up TLS: out of memory");
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    if (X509_VERIFY_PARAM_set1_host(param, out, 0) == 1)
        return 0;
    return err_set(e, "\"%s\" cannot be verified", out);
}

/* The name to send and to verify; an address is verified but never sent (RFC 6066 section 3). */
static int set_name(struct tls *t, const char *host, bool elsewhere, struct err *e)
{
    const char *name = t->conf->server_name && !elsewhere ? t->conf->server_name : host;
    if (!name)
        return t->conf->verify && !t->conf->any_name
                   ? err_set(e, "tls_server_name is needed on a unix socket")
                   : 0;
    int is_ip = expect_name(SSL_get0_param(t->ssl), name, t->name, e);
    if (is_ip == 0 && SSL_set_tlsext_host_name(t->ssl, t->name) != 1)
        return err_set(e, "\"%s\" cannot be sent as a server name", t->name);
    if (t->conf->any_name) {
        X509_VERIFY_PARAM_set1_host(SSL_get0_param(t->ssl), NULL, 0);
        X509_VERIFY_PARAM_set1_ip(SSL_get0_param(t->ssl), NULL, 0);
    }
    return is_ip < 0 ? -1 : 0;
}

/* "h2,http/1.1" as RFC 7301 section 3.1 has it: each name after its length. */
static int set_alpn(struct tls *t, const char *names, struct err *e)
{
    unsigned char list[ALPN_NAME_MAX];
    size_t used = 0;
    for (const char *at = names; at && *at;) {
        size_t len = strcspn(at, ",");
        if (len == 0 || used + 1 + len > sizeof list)
            return err_set(e, "\"%s\" is no list of protocols", names);
        list[used++] = (unsigned char)len;
        memcpy(list + used, at, len);
        used += len;
        at += len + (at[len] == ',');
    }
    if (used && SSL_set_alpn_protos(t->ssl, list, (unsigned)used) != 0)
        return err_set(e, "cannot set up TLS: out of memory");
    return 0;
}

struct tls *tls_open(const struct tls_options *options, const char *host, struct err *e)
{
    struct tls_conf *c = options->conf;
    int key;
    SSL_CTX *ctx = tls_context(c, true, &key, e);
    if (!ctx)
        return NULL;
    SSL_CTX_set_cert_verify_callback(ctx, verify, NULL);
    struct tls *t = calloc(1, sizeof *t);
    if (t) {
        t->conf = c;
        t->elsewhere = options->elsewhere;
        t->ssl = SSL_new(ctx);
        t->in = BIO_new(BIO_s_mem());
        t->out = BIO_new(BIO_s_mem());
    }
    if (!t || !t->ssl || !t->in || !t->out) {
        if (t) {
            SSL_free(t->ssl);
            BIO_free(t->in);
            BIO_free(t->out);
        }
        free(t);
        err_set(e, "cannot set up TLS: out of memory");
        return NULL;
    }
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_app_data(t->ssl, t);
    SSL_set_verify(t->ssl, SSL_VERIFY_PEER, on_verify);
    SSL_set_msg_callback(t->ssl, on_message);
    SSL_set_msg_callback_arg(t->ssl, t);
    SSL_set_cert_cb(t->ssl, on_cert_asked, NULL);
    SSL_set_connect_state(t->ssl);
    if (options->elsewhere)
        SSL_certs_clear(t->ssl);
    if (set_name(t, host, options->elsewhere, e) == 0 && set_alpn(t, options->alpn, e) == 0)
        return t;
    tls_delete(t);
    return NULL;
}

void tls_delete(struct tls *t)
{
    if (!t)
        return;
    if (t->remembered) /* else SSL_free() would spoil the session for the next run */
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN);
    SSL_free(t->ssl);
    free(t);
}

static void take_out(struct tls *t, struct buf *out)
{
    char *data;
    long n = BIO_get_mem_data(t->out, &data);
    if (n > 0)
        buf_add(out, data, (size_t)n);
    (void)BIO_reset(t->out);
}

/* A TLS record begins with its type and the major version 3 (RFC 8446 section 5.1); what begins
 * otherwise is another protocol, and OpenSSL's words for that mislead. */
static int check_first(struct tls *t, const unsigned char *data, size_t len, struct err *e)
{
    bool tls = data[0] >= 0x14 && data[0] <= 0x18 && (len < 2 || data[1] == 3);
    t->began = true;
    if (tls)
        return 0;
    char excerpt[80];
    return err_set(e, "the server does not speak TLS; it sent \"%s\"",
                   str_excerpt(data, len, excerpt, sizeof excerpt));
}

static int fail(struct tls *t, int rc, struct err *e)
{
    char words[400];
    int error = SSL_get_error(t->ssl, rc);
    if (t->words[0])
        return err_set(e, "%s", t->words);
    if (error == SSL_ERROR_SYSCALL && !ERR_peek_error())
        return err_set(e, "the handshake broke off");
    tls_error_words(t->done ? "TLS" : "the handshake", words, sizeof words);
    return err_set(e, "%s", words);
}

/* Kept as printable text: words for a person may show it. */
static void note_alpn(struct tls *t)
{
    const unsigned char *name;
    unsigned len;
    SSL_get0_alpn_selected(t->ssl, &name, &len);
    str_excerpt(len ? (const char *)name : "", len, t->alpn, sizeof t->alpn);
}

static int flood(struct tls *t, const char *what, struct err *e)
{
    t->flooding = true;
    return err_set(e, "%s", what);
}

static void note_full(struct tls *t)
{
    t->seen.at = clock_now();
    t->seen.size = t->handshake_size;
}

static int handshake(struct tls *t, size_t len, struct err *e)
{
    int rc = SSL_do_handshake(t->ssl);
    t->handshake_size += len;
    if (rc == 1) {
        t->done = true;
        t->n_messages = 0;
        note_alpn(t);
        if (SSL_session_reused(t->ssl))
            t->seen = t->offered;
        else
            note_full(t);
        return 0;
    }
    if (t->n_messages > HANDSHAKE_MESSAGES || t->handshake_size > HANDSHAKE_BYTES)
        return flood(t, "the server's TLS handshake has no end", e);
    int error = SSL_get_error(t->ssl, rc);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        return 0;
    return fail(t, rc, e);
}

/* SSL_read comes back after each message of a handshake, for AUTO_RETRY is off: only with none and
 * no byte taken has it nothing left to do. */
static int read_plain(struct tls *t, struct buf *plain, bool *eof, struct err *e)
{
    char data[4096];
    for (;;) {
        size_t left = BIO_ctrl_pending(t->in);
        unsigned n_messages = t->n_messages;
        int n = SSL_read(t->ssl, data, sizeof data);
        if (t->n_messages > LATER_MESSAGES)
            return flood(t, "the server keeps sending TLS handshake messages after the handshake",
                         e);
        if (n > 0) {
            buf_add(plain, data, (size_t)n);
            continue;
        }
        int error = SSL_get_error(t->ssl, n);
        if (error == SSL_ERROR_ZERO_RETURN)
            *eof = true;
        else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return fail(t, n, e);
        else if (left != BIO_ctrl_pending(t->in) || n_messages != t->n_messages)
            continue;
        return 0;
    }
}

int tls_feed(struct tls *t, const void *data, size_t len, struct buf *plain, struct buf *out,
             bool *done, bool *eof, struct err *e)
{
    ERR_clear_error();
    if (len && !t->began && check_first(t, data, len, e) < 0)
        return -1;
    if (len && BIO_write(t->in, data, (int)len) != (int)len)
        return err_set(e, "out of memory");
    int rc = 0;
    if (t->done)
        t->judged = true;
    else
        rc = handshake(t, len, e);
    *done = t->done;
    if (rc == 0 && t->done)
        rc = read_plain(t, plain, eof, e);
    take_out(t, out);
    if (rc == 0 && (plain->failed || out->failed))
        return err_set(e, "out of memory");
    return rc;
}

enum reason tls_reason(const struct tls *t)
{
    return t->flooding ? REASON_PROTOCOL : REASON_TLS;
}

int tls_write(struct tls *t, const void *data, size_t len, struct buf *out, struct err *e)
{
    ERR_clear_error();
    size_t written = 0;
    if (len && SSL_write_ex(t->ssl, data, len, &written) != 1)
        return fail(t, 0, e);
    take_out(t, out);
    return out->failed ? err_set(e, "out of memory") : 0;
}

void tls_shutdown(struct tls *t, struct buf *out)
{
    ERR_clear_error();
    if (t->done)
        SSL_shutdown(t->ssl);
    ERR_clear_error();
    take_out(t, out);
}

int64_t tls_not_after(const struct tls *t)
{
    return t->seen.not_after;
}

int64_t tls_earliest(const struct tls *t)
{
    return t->seen.earliest;
}

const char *tls_alpn(const struct tls *t)
{
    return t->alpn;
}

bool tls_is_judged(const struct tls *t)
{
    return !t->cert_asked || t->judged || SSL_version(t->ssl) < TLS1_3_VERSION;
}

int tls_days_left(int64_t not_after, int64_t min_days, struct err *e)
{
    char day[TLS_DAY_SIZE];
    int64_t left = not_after - clock_wall() / NS_PER_S;
    if (min_days == 0 || left >= min_days * S_PER_DAY)
        return 0;
    if (left < 0)
        return err_set(e, "the certificate expired on %s", tls_day(not_after, day));
    int64_t days = left / S_PER_DAY;
    return err_set(e, "the certificate expires on %s, in %lld day%s; tls_min_days is %lld",
                   tls_day(not_after, day), (long long)days, days == 1 ? "" : "s",
                   (long long)min_days);
}
