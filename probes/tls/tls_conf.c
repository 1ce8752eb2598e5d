/* tls_conf: the TLS keys of a type, read and checked. OpenSSL is only touched where a file has to
 * be looked into. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/str.h"
#include "tls/tls_internal.h"

static int copy(char **to, const struct probe_value *v, struct probe_report *report, size_t key)
{
    if (!v->text || !*v->text)
        return 0;
    *to = strdup(v->text);
    if (*to)
        return 0;
    probe_error(report, key, "out of memory");
    return -1;
}

/* Before OpenSSL sees it: it would wait on a FIFO, and its words for a missing file are poor. */
static int check_file(const char *path, struct probe_report *report, size_t key)
{
    struct stat st;
    if (!path)
        return 0;
    if (stat(path, &st) < 0 || access(path, R_OK) < 0) {
        probe_error(report, key, "%s: %s", path, strerror(errno));
        return -1;
    }
    if (!S_ISREG(st.st_mode)) {
        probe_error(report, key, "%s: not a file", path);
        return -1;
    }
    return 0;
}

static int check_name(const char *name, struct probe_report *report, size_t key)
{
    struct endpoint ep;
    struct err e;
    struct in6_addr v6;
    if (!name)
        return 0;
    if (strchr(name, ':')) {
        if (inet_pton(AF_INET6, name, &v6) == 1)
            return 0;
        probe_error(report, key, "it is not a host name or address");
        return -1;
    }
    if (endpoint_parse(&ep, name, 443, &e) < 0) {
        probe_error(report, key, "%s", e.text);
        return -1;
    }
    endpoint_fini(&ep);
    return 0;
}

static int refuse_all(const struct probe_value *v, size_t first, struct probe_report *report)
{
    int rc = 0;
    for (size_t i = 0; i < TLS_KEY_COUNT; i++)
        if (v[i].given && !probe_leave_out(report, first + i)) {
            probe_error(report, first + i, "TLS is off here, so nothing would use it");
            rc = -1;
        }
    return rc;
}

/* The loop signs with it in each handshake in which the server asks for a certificate: with RSA of
 * 4,096 bits for 4 ms, of 8,192 for 40 ms, of 16,384 for 200 ms. */
static int judge_client_key(SSL_CTX *ctx, const struct tls_conf *c, size_t first,
                            struct probe_report *report)
{
    enum { BITS_MOST = 8192, BITS_USUAL = 4096 };
    size_t at = first + (c->key ? TLS_KEY_KEY : TLS_KEY_CERT);
    const EVP_PKEY *key = c->cert ? SSL_CTX_get0_privatekey(ctx) : NULL;
    int kind = key ? EVP_PKEY_get_base_id(key) : EVP_PKEY_NONE;
    int bits = kind == EVP_PKEY_RSA || kind == EVP_PKEY_RSA_PSS ? EVP_PKEY_get_bits(key) : 0;
    if (bits > BITS_MOST)
        probe_error(report, at, "the key has %d bits, expected %d at most", bits, BITS_MOST);
    else if (bits > BITS_USUAL)
        probe_warn(report, at,
                   "all checks wait while it signs, for some 40 ms: the key has %d bits, expected "
                   "%d at most, or an elliptic curve",
                   bits, BITS_USUAL);
    return bits > BITS_MOST ? -1 : 0;
}

/* Reads the files, so that no connection has to. */
static int read_files(struct tls_conf *c, size_t first, struct probe_report *report)
{
    struct err e;
    int key = TLS_KEY_CA;
    SSL_CTX *ctx = tls_context(c, false, &key, &e);
    if (ctx)
        return judge_client_key(ctx, c, first, report);
    probe_error(report, first + (size_t)key, "%s", e.text);
    return -1;
}

int tls_conf_init(struct tls_conf *c, const struct probe_value *v, size_t first, bool on,
                  struct probe_report *report)
{
    *c = (struct tls_conf){.verify = v[TLS_KEY_VERIFY].num != 0,
                           .min_days = v[TLS_KEY_MIN_DAYS].num,
                           .recheck = v[TLS_KEY_RECHECK].num};
    if (!on)
        return refuse_all(v, first, report);
    struct {
        char **to;
        size_t key;
        bool is_file;
    } texts[] = {
        {&c->ca, TLS_KEY_CA, true},
        {&c->cert, TLS_KEY_CERT, true},
        {&c->key, TLS_KEY_KEY, true},
        {&c->key_password, TLS_KEY_PASSWORD, false},
        {&c->server_name, TLS_KEY_SERVER_NAME, false},
    };
    int rc = 0;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        size_t key = texts[i].key;
        if (copy(texts[i].to, &v[key], report, first + key) < 0 ||
            (texts[i].is_file && check_file(*texts[i].to, report, first + key) < 0))
            rc = -1;
    }
    if (check_name(c->server_name, report, first + TLS_KEY_SERVER_NAME) < 0)
        rc = -1;
    if (c->key && !c->cert && !probe_is_missing(report, first + TLS_KEY_CERT)) {
        probe_error(report, first + TLS_KEY_KEY,
                    "a key without a certificate: tls_cert is not set");
        rc = -1;
    }
    if (c->key_password && !c->cert && !probe_is_missing(report, first + TLS_KEY_CERT)) {
        probe_error(report, first + TLS_KEY_PASSWORD,
                    "a pass phrase without a key: tls_cert is not set");
        rc = -1;
    }
    if (!c->verify && v[TLS_KEY_VERIFY].given)
        probe_warn(report, first + TLS_KEY_VERIFY,
                   "any certificate is taken: whoever answers at that address counts as healthy");
    bool whole = !c->cert || c->key || !probe_is_missing(report, first + TLS_KEY_KEY);
    bool reads = c->ca || c->cert || c->verify; /* else there is nothing that could be wrong */
    if (rc == 0 && whole && reads)
        rc = read_files(c, first, report);
    if (rc < 0)
        tls_conf_fini(c);
    return rc;
}

int tls_conf_check_socket(const struct tls_conf *c, size_t first, struct probe_report *report)
{
    size_t name = first + TLS_KEY_SERVER_NAME;
    if (!c->verify || c->any_name || c->server_name || probe_is_missing(report, name) ||
        probe_is_missing(report, first + TLS_KEY_VERIFY))
        return 0;
    probe_error(report, name,
                "must be set: a unix socket has no name to verify the certificate for");
    return -1;
}
