/* tls: see tls.h. OpenSSL over memory BIOs: it never sees a descriptor and never blocks. */
#include "tls.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define DATE_SIZE  16
#define NAMES_SIZE 200 /* of a certificate, shown when none fits */
#define CHUNK      4096

/* Bundles of the usual distributions, for images whose hashed folder is not there. */
static const char *const bundles[] = {
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
};

struct tls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's */
    const struct tls_conf *conf;
    char *host;
    bool handshaken;
    int verify_error;
    time_t bad_until;       /* notAfter or notBefore of the certificate that failed */
    char names[NAMES_SIZE]; /* what the leaf certificate is for, when the host is not */
};

/* ---- Settings. ---- */

static void check_readable(const struct probe_value *v, size_t key, struct probe_report *report,
                           bool *bad)
{
    if (!v->text || access(v->text, R_OK) == 0)
        return;
    probe_error(report, key, "cannot read \"%s\"", v->text);
    *bad = true;
}

int tls_conf_init(struct tls_conf *c, const struct probe_value *v, size_t first, bool on,
                  struct probe_report *report)
{
    bool bad = false;
    *c = (struct tls_conf){.verify = v[TLS_KEY_VERIFY].num != 0,
                           .min_days = v[TLS_KEY_MIN_DAYS].num};
    for (size_t i = 0; i < TLS_KEY_COUNT; i++)
        if (!on && v[i].given) {
            probe_error(report, first + i, "has no effect without TLS");
            bad = true;
        }
    for (size_t i = TLS_KEY_CA; i <= TLS_KEY_KEY && on; i++)
        check_readable(&v[i], first + i, report, &bad);
    if (v[TLS_KEY_KEY].text && !v[TLS_KEY_CERT].text) {
        probe_error(report, first + TLS_KEY_KEY, "a key needs its certificate, tls_cert");
        bad = true;
    }
    if (on && !c->verify)
        probe_warn(report, first + TLS_KEY_VERIFY, "any certificate is taken: only for tests");
    char **copies[] = {&c->ca, &c->cert, &c->key, &c->server_name};
    for (size_t i = TLS_KEY_CA; i <= TLS_KEY_SERVER_NAME; i++)
        if (v[i].text && !(*copies[i] = strdup(v[i].text))) {
            probe_error(report, first + i, "out of memory");
            bad = true;
        }
    if (!bad)
        return 0;
    tls_conf_fini(c);
    return -1;
}

void tls_conf_fini(struct tls_conf *c)
{
    free(c->ca);
    free(c->cert);
    free(c->key);
    free(c->server_name);
    SSL_CTX_free(c->ctx);
    *c = (struct tls_conf){0};
}

/* ---- OpenSSL's words. ---- */

/* The last error's reason, and clears the queue. */
static const char *openssl_words(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *words = code ? ERR_reason_error_string(code) : NULL;
    ERR_clear_error();
    return words ? words : "unknown error";
}

static void date_of(time_t t, char out[DATE_SIZE])
{
    struct tm tm;
    gmtime_r(&t, &tm);
    strftime(out, DATE_SIZE, "%Y-%m-%d", &tm);
}

static time_t time_of(const ASN1_TIME *t)
{
    struct tm tm;
    return t && ASN1_TIME_to_tm(t, &tm) == 1 ? timegm(&tm) : 0;
}

/* ---- The context: once a configuration, on its first use. ---- */

static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
    (void)buf;
    (void)size;
    (void)rwflag;
    (void)arg;
    return 0; /* an encrypted key fails; nobody is there to be asked */
}

static bool has_hashed_certificates(const char *path)
{
    DIR *dir = opendir(path);
    bool found = false;
    for (struct dirent *entry; dir && !found && (entry = readdir(dir));) {
        size_t len = strlen(entry->d_name);
        found = len > 2 && strcmp(entry->d_name + len - 2, ".0") == 0;
    }
    if (dir)
        closedir(dir);
    return found;
}

/* OpenSSL's own places first (with SSL_CERT_FILE and SSL_CERT_DIR); a hashed folder is read one
 * certificate at a time, a bundle all at once, which costs milliseconds. */
static void trust_system(SSL_CTX *ctx)
{
    SSL_CTX_set_default_verify_paths(ctx);
    ERR_clear_error();
    const char *dir = getenv(X509_get_default_cert_dir_env());
    const char *file = getenv(X509_get_default_cert_file_env());
    if ((file && access(file, R_OK) == 0) || access(X509_get_default_cert_file(), R_OK) == 0 ||
        has_hashed_certificates(dir ? dir : X509_get_default_cert_dir()))
        return;
    for (size_t i = 0; i < ARRAY_LEN(bundles); i++)
        if (access(bundles[i], R_OK) == 0 &&
            SSL_CTX_load_verify_locations(ctx, bundles[i], NULL) == 1)
            return;
    ERR_clear_error();
}

static bool has_trust(SSL_CTX *ctx)
{
    X509_STORE *store = SSL_CTX_get_cert_store(ctx);
    const char *dir = getenv(X509_get_default_cert_dir_env());
    return sk_X509_OBJECT_num(X509_STORE_get0_objects(store)) > 0 ||
           has_hashed_certificates(dir ? dir : X509_get_default_cert_dir());
}

static int load_own(SSL_CTX *ctx, const struct tls_conf *c, struct err *e)
{
    const char *key = c->key ? c->key : c->cert;
    if (!c->cert)
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, c->cert) != 1)
        return err_set(e, "cannot use the certificate in %s: %s", c->cert, openssl_words());
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return err_set(e, "cannot use the key in %s: %s", key, openssl_words());
    if (SSL_CTX_check_private_key(ctx) != 1)
        return err_set(e, "%s is not the key of %s: %s", key, c->cert, openssl_words());
    return 0;
}

static SSL_CTX *make_context(const struct tls_conf *c, struct err *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx) {
        err_set(e, "TLS cannot be set up: %s", openssl_words());
        return NULL;
    }
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    if (c->ca && SSL_CTX_load_verify_locations(ctx, c->ca, NULL) != 1) {
        err_set(e, "cannot use the CA certificates in %s: %s", c->ca, openssl_words());
    } else {
        if (!c->ca && c->verify)
            trust_system(ctx);
        if (load_own(ctx, c, e) == 0)
            return ctx;
    }
    SSL_CTX_free(ctx);
    return NULL;
}

/* ---- Verification. ---- */

/* "a.example, *.b.example, 10.0.0.1" of the leaf's alternative names. */
static void note_names(struct tls *t, X509 *leaf)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    size_t used = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        char text[INET6_ADDRSTRLEN + 64] = "";
        if (n->type == GEN_DNS) {
            str_excerpt(ASN1_STRING_get0_data(n->d.dNSName),
                        (size_t)ASN1_STRING_length(n->d.dNSName), text, sizeof text);
        } else if (n->type == GEN_IPADD) {
            int len = ASN1_STRING_length(n->d.iPAddress);
            inet_ntop(len == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(n->d.iPAddress), text,
                      len == 4 || len == 16 ? sizeof text : 0);
        }
        if (*text && used + strlen(text) + 3 < sizeof t->names)
            used += (size_t)snprintf(t->names + used, sizeof t->names - used, "%s%s",
                                     used ? ", " : "", text);
    }
    GENERAL_NAMES_free(names);
    if (!used)
        snprintf(t->names, sizeof t->names, "no name");
}

static int on_verify(int ok, X509_STORE_CTX *store)
{
    if (ok)
        return 1;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct tls *t = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);
    t->verify_error = X509_STORE_CTX_get_error(store);
    if (cert)
        t->bad_until =
            time_of(t->verify_error == X509_V_ERR_CERT_NOT_YET_VALID ? X509_get0_notBefore(cert)
                                                                     : X509_get0_notAfter(cert));
    X509 *leaf = X509_STORE_CTX_get0_cert(store);
    if (leaf)
        note_names(t, leaf);
    return 0;
}

static int explain_verify(const struct tls *t, struct err *e)
{
    char date[DATE_SIZE];
    date_of(t->bad_until, date);
    switch (t->verify_error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return err_set(e, "the certificate expired on %s", date);
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return err_set(e, "the certificate is not valid before %s", date);
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return err_set(e, "the certificate is not for %s but for %s", t->host, t->names);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        if (!t->conf->ca && !has_trust(t->conf->ctx))
            return err_set(e, "no CA certificates were found on this system to verify it with: "
                              "install them or set tls_ca");
        if (t->verify_error == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT)
            return err_set(e, "the certificate is self-signed");
        return err_set(e, "the certificate is signed by an unknown CA");
    default:
        return err_set(e, "the certificate is not accepted: %s",
                       X509_verify_cert_error_string(t->verify_error));
    }
}

/* ---- A session. ---- */

static int set_names(struct tls *t, const char *name, struct err *e)
{
    unsigned char address[16];
    bool is_ip = inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    if (!is_ip && SSL_set_tlsext_host_name(t->ssl, name) != 1)
        return err_set(e, "\"%s\" cannot be sent as a server name", name);
    if (!t->conf->verify)
        return 0;
    SSL_set_verify(t->ssl, SSL_VERIFY_PEER, on_verify);
    int rc = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(param, name)
                   : X509_VERIFY_PARAM_set1_host(param, name, 0);
    return rc == 1 ? 0 : err_set(e, "\"%s\" cannot be verified", name);
}

struct tls *tls_open(struct tls_conf *c, const char *host, struct err *e)
{
    const char *name = c->server_name ? c->server_name : host;
    if (!c->ctx && !(c->ctx = make_context(c, e)))
        return NULL;
    if (!name && c->verify) {
        err_set(e, "tls_server_name is needed to verify the certificate on a unix socket");
        return NULL;
    }
    struct tls *t = calloc(1, sizeof *t);
    if (!t) {
        err_set(e, "out of memory");
        return NULL;
    }
    t->conf = c;
    t->host = strdup(name ? name : "");
    t->ssl = SSL_new(c->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    if (!t->host || !t->ssl || !t->in || !t->out) {
        BIO_free(t->in);
        BIO_free(t->out);
        err_set(e, "out of memory");
        tls_free(t);
        return NULL;
    }
    BIO_set_mem_eof_return(t->in, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_app_data(t->ssl, t);
    SSL_set_connect_state(t->ssl);
    if (name && set_names(t, name, e) < 0) {
        tls_free(t);
        return NULL;
    }
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t->host);
    free(t);
}

static void take_out(struct tls *t, struct buf *out)
{
    char chunk[CHUNK];
    int n;
    while ((n = BIO_read(t->out, chunk, sizeof chunk)) > 0)
        buf_add(out, chunk, (size_t)n);
}

/* RFC 8446 section 5.1: a record begins with its type, 20 to 23. */
static bool looks_like_tls(const unsigned char *data)
{
    return data[0] >= 20 && data[0] <= 23;
}

static int fail_handshake(struct tls *t, struct err *e)
{
    if (t->verify_error) {
        ERR_clear_error();
        return explain_verify(t, e);
    }
    return err_set(e, "the TLS handshake failed: %s", openssl_words());
}

static int read_plain(struct tls *t, struct buf *plain, bool *eof, struct err *e)
{
    char chunk[CHUNK];
    for (;;) {
        int n = SSL_read(t->ssl, chunk, sizeof chunk);
        if (n > 0) {
            buf_add(plain, chunk, (size_t)n);
            continue;
        }
        int why = SSL_get_error(t->ssl, n);
        if (why == SSL_ERROR_ZERO_RETURN)
            *eof = true;
        else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            return err_set(e, "TLS failed: %s", openssl_words());
        return 0;
    }
}

int tls_feed(struct tls *t, const void *data, size_t len, struct buf *plain, struct buf *out,
             bool *done, bool *eof, struct err *e)
{
    char excerpt[64];
    ERR_clear_error();
    if (len && !t->handshaken && BIO_number_read(t->in) == 0 && !looks_like_tls(data))
        return err_set(e, "the server does not speak TLS (it sent \"%s\")",
                       str_excerpt(data, len, excerpt, sizeof excerpt));
    if (len && BIO_write(t->in, data, (int)len) != (int)len)
        return err_set(e, "out of memory");
    int rc = 0;
    if (!t->handshaken) {
        int n = SSL_do_handshake(t->ssl);
        int why = n == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, n);
        t->handshaken = n == 1;
        if (n != 1 && why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE)
            rc = fail_handshake(t, e);
    }
    if (rc == 0 && t->handshaken)
        rc = read_plain(t, plain, eof, e);
    take_out(t, out);
    *done = t->handshaken;
    return rc;
}

int tls_write(struct tls *t, const void *data, size_t len, struct buf *out, struct err *e)
{
    ERR_clear_error();
    if (len && SSL_write(t->ssl, data, (int)len) != (int)len)
        return err_set(e, "TLS failed: %s", openssl_words());
    take_out(t, out);
    return 0;
}

void tls_shutdown(struct tls *t, struct buf *out)
{
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    take_out(t, out);
}

int64_t tls_not_after(const struct tls *t)
{
    X509 *cert = SSL_get_peer_certificate(t->ssl);
    int64_t end = cert ? (int64_t)time_of(X509_get0_notAfter(cert)) : 0;
    X509_free(cert);
    return end;
}

int tls_days_left(int64_t not_after, int64_t min_days, struct err *e)
{
    int64_t left = not_after - clock_wall() / NS_PER_S;
    char date[DATE_SIZE];
    if (min_days == 0 || left >= min_days * 86400)
        return 0;
    date_of((time_t)not_after, date);
    return err_set(e, "the certificate ends on %s, in %" PRId64 " days, tls_min_days is %" PRId64,
                   date, left / 86400, min_days);
}
