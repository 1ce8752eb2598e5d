/* HTTPS: certificates good and bad in each way, handshakes broken at each stage, plain text where
 * TLS is spoken and the other way round. The certificates are made here. */
#include "http_rig.h"
#include "run_harness.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define OK_REPLY "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes"
#define DAY      86400L

struct pair {
    X509 *cert;
    EVP_PKEY *key;
};

static char dir[] = "/tmp/probe-tls-XXXXXX";
static struct pair ca, other_ca, good, client;
static char ca_file[64], other_ca_file[64], client_file[64];

/* Signed by `issuer`, or by itself; `names` as OpenSSL's subjectAltName, NULL: a CA. */
static struct pair make_pair(const char *common_name, const char *names, long from, long to,
                             const struct pair *issuer)
{
    static long serial = 1;
    struct pair p = {X509_new(), EVP_EC_gen("P-256")};
    X509_set_version(p.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(p.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(p.cert), from);
    X509_gmtime_adj(X509_getm_notAfter(p.cert), to);
    X509_set_pubkey(p.cert, p.key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(p.cert), "CN", MBSTRING_ASC,
                               (const unsigned char *)common_name, -1, -1, 0);
    const struct pair *by = issuer ? issuer : &p;
    X509_set_issuer_name(p.cert, X509_get_subject_name(by->cert));
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, by->cert, p.cert, NULL, NULL, 0);
    X509_EXTENSION *ext =
        X509V3_EXT_conf_nid(NULL, &ctx, names ? NID_subject_alt_name : NID_basic_constraints,
                            names ? names : "critical,CA:TRUE");
    X509_add_ext(p.cert, ext, -1);
    X509_EXTENSION_free(ext);
    X509_sign(p.cert, by->key, EVP_sha256());
    return p;
}

static void pair_free(struct pair *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

static void write_pem(char *path, size_t size, const char *name, const struct pair *p, bool key)
{
    snprintf(path, size, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    PEM_write_X509(f, p->cert);
    if (key)
        PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

static SSL_CTX *server_ctx(const struct pair *p)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(ctx, p->cert);
    SSL_CTX_use_PrivateKey(ctx, p->key);
    return ctx;
}

static int setup(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    ca = make_pair("a test CA", NULL, -DAY, 30 * DAY, NULL);
    other_ca = make_pair("another CA", NULL, -DAY, 30 * DAY, NULL);
    good = make_pair("good", "IP:127.0.0.1,DNS:app.invalid", -DAY, 10 * DAY + 3600, &ca);
    client = make_pair("client", "DNS:client", -DAY, 10 * DAY, &ca);
    write_pem(ca_file, sizeof ca_file, "ca.pem", &ca, false);
    write_pem(other_ca_file, sizeof other_ca_file, "other.pem", &other_ca, false);
    write_pem(client_file, sizeof client_file, "client.pem", &client, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(ca_file);
    unlink(other_ca_file);
    unlink(client_file);
    rmdir(dir);
    pair_free(&ca);
    pair_free(&other_ca);
    pair_free(&good);
    pair_free(&client);
    return 0;
}

/* One request to a server with that certificate. */
static void ask(struct harness *r, SSL_CTX *ctx, const char *const *keys)
{
    struct server s = {.tls = ctx};
    const char *pairs[16] = {"url"};
    SCRIPT(&s, {ACT_TLS, NULL}, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY});
    server_start(&s, NULL);
    pairs[1] = url_of(&s, "https", "/");
    for (size_t i = 0; i < 12 && keys[i]; i++)
        pairs[i + 2] = keys[i];
    rig_run(r, pairs, NULL);
    server_stop(&s);
}

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_good(void **state)
{
    (void)state;
    struct harness r;
    SSL_CTX *ctx = server_ctx(&good);
    ask(&r, ctx, KEYS("tls_ca", ca_file, "expect_body", "^yes$"));
    expect_result(&r, REASON_OK, "HTTP 200 from 127.0.0.1:");
    assert_true(r.phases[PHASE_TLS] && r.phases[PHASE_REQUEST]);
    assert_true(llabs(r.not_after - (time(NULL) + 10 * DAY + 3600)) < 60);
    SSL_CTX_free(ctx);
}

static void test_min_days(void **state)
{
    (void)state;
    struct harness r;
    SSL_CTX *ctx = server_ctx(&good);
    ask(&r, ctx, KEYS("tls_ca", ca_file, "tls_min_days", "10"));
    expect_result(&r, REASON_OK, "HTTP 200");
    ask(&r, ctx, KEYS("tls_ca", ca_file, "tls_min_days", "11"));
    expect_result(&r, REASON_OK, "HTTP 200");
    assert_non_null(strstr(r.warning, "the certificate expires on 20"));
    assert_non_null(strstr(r.warning, "in 10 days; tls_min_days is 11"));
    SSL_CTX_free(ctx);
}

static void refused(const struct pair *p, const char *const *keys, const char *words)
{
    struct harness r;
    SSL_CTX *ctx = server_ctx(p);
    ask(&r, ctx, keys);
    expect_result(&r, REASON_TLS, words);
    assert_non_null(strstr(r.detail, "127.0.0.1:"));
    SSL_CTX_free(ctx);
}

static void test_bad_certificates(void **state)
{
    (void)state;
    struct pair expired = make_pair("old", "IP:127.0.0.1", -9 * DAY, -DAY, &ca);
    struct pair future = make_pair("new", "IP:127.0.0.1", DAY, 9 * DAY, &ca);
    struct pair self = make_pair("self", "IP:127.0.0.1", -DAY, 9 * DAY, NULL);
    struct pair elsewhere = make_pair("b", "DNS:b.invalid", -DAY, 9 * DAY, &ca);
    refused(&expired, KEYS("tls_ca", ca_file), "the certificate expired on 20");
    refused(&future, KEYS("tls_ca", ca_file), "the certificate is not valid before 20");
    refused(&self, KEYS("tls_ca", ca_file), "the certificate is self-signed");
    refused(&self, KEYS("method", "GET"), "the certificate is self-signed"); /* the system's CAs */
    refused(&elsewhere, KEYS("tls_ca", ca_file),
            "the certificate is not for 127.0.0.1; it is for b.invalid");
    refused(&good, KEYS("tls_ca", other_ca_file), "is unknown: not among tls_ca");
    refused(&good, KEYS("tls_ca", ca_file, "tls_server_name", "b.invalid"),
            "not for b.invalid; it is for");

    struct harness r;
    SSL_CTX *ctx = server_ctx(&expired);
    ask(&r, ctx, KEYS("tls_verify", "no"));
    expect_result(&r, REASON_OK, "HTTP 200");
    ask(&r, ctx, KEYS("tls_verify", "no", "tls_min_days", "1"));
    expect_result(&r, REASON_OK, "HTTP 200");
    assert_non_null(strstr(r.warning, "the certificate expired on 20"));
    SSL_CTX_free(ctx);
    pair_free(&expired);
    pair_free(&future);
    pair_free(&self);
    pair_free(&elsewhere);
}

static char seen_name[64];

static int on_server_name(SSL *ssl, int *alert, void *arg)
{
    (void)alert;
    (void)arg;
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(seen_name, sizeof seen_name, "%s", name ? name : "");
    return SSL_TLSEXT_ERR_OK;
}

static void test_server_name(void **state)
{
    (void)state;
    struct harness r;
    struct server s = {.tls = server_ctx(&good)};
    SSL_CTX_set_tlsext_servername_callback(s.tls, on_server_name);
    SCRIPT(&s, {ACT_TLS, NULL}, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY});
    server_start(&s, NULL);
    rig_run(
        &r,
        KEYS("url", url_of(&s, "https", "/x"), "tls_ca", ca_file, "tls_server_name", "app.invalid"),
        NULL);
    server_stop(&s);
    expect_result(&r, REASON_OK, "HTTP 200");
    assert_string_equal(seen_name, "app.invalid");
    char host[64];
    snprintf(host, sizeof host, "\r\nHost: 127.0.0.1:%u\r\n", (unsigned)s.port);
    assert_non_null(strstr(s.requests[0], host));
    assert_non_null(strstr(s.requests[0], "GET /x HTTP/1.1\r\n"));
    SSL_CTX_free(s.tls);
}

/* The name in the URL, an address by connect_to. */
static void test_connect_to(void **state)
{
    (void)state;
    struct harness r;
    struct server s = {.tls = server_ctx(&good)};
    SCRIPT(&s, {ACT_TLS, NULL}, {ACT_READ, NULL}, {ACT_SEND, OK_REPLY});
    server_start(&s, NULL);
    char to[32];
    snprintf(to, sizeof to, "127.0.0.1:%u", (unsigned)s.port);
    rig_run(&r, KEYS("url", "https://app.invalid/", "tls_ca", ca_file, "connect_to", to), NULL);
    expect_result(&r, REASON_OK, "HTTP 200");
    rig_run(&r, KEYS("url", "https://app.invalid./", "tls_ca", ca_file, "connect_to", to), NULL);
    expect_result(&r, REASON_OK, "HTTP 200");
    server_stop(&s);
    SSL_CTX_free(s.tls);
}

static void test_client_certificate(void **state)
{
    (void)state;
    struct harness r;
    SSL_CTX *ctx = server_ctx(&good);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), ca.cert);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    ask(&r, ctx, KEYS("tls_ca", ca_file, "tls_cert", client_file));
    expect_result(&r, REASON_OK, "HTTP 200");
    ask(&r, ctx, KEYS("tls_ca", ca_file));
    expect_result(&r, REASON_TLS, "the server wants a client certificate (tls_cert)");
    SSL_CTX_free(ctx);
}

static void broken(const struct step *steps, const char *scheme, enum reason reason,
                   const char *words)
{
    struct harness r;
    struct server s = {.tls = server_ctx(&good)};
    server_script(&s, steps);
    server_start(&s, NULL);
    rig_run(&r, KEYS("url", url_of(&s, scheme, "/"), "tls_ca", ca_file, "follow_redirects", "yes"),
            NULL);
    server_stop(&s);
    expect_result(&r, reason, words);
    assert_non_null(strstr(r.detail, "127.0.0.1:"));
    SSL_CTX_free(s.tls);
}

#define STEPS(...) ((const struct step[]){__VA_ARGS__, {ACT_END, NULL}})

static void test_broken_handshakes(void **state)
{
    (void)state;
    broken(STEPS({ACT_FIN, NULL}), "https", REASON_CLOSED, "during the TLS handshake");
    broken(STEPS({ACT_SOME, NULL}, {ACT_RESET, NULL}), "https", REASON_RESET,
           "during the TLS handshake");
    broken(STEPS({ACT_SEND, "HTTP/1.1 400 Bad Request\r\n\r\n"}, {ACT_FIN, NULL}), "https",
           REASON_TLS,
           "the server does not speak TLS; it sent \"HTTP/1.1 400 Bad Request\\r\\n\\r\\n\": is "
           "the URL http://?");
    broken(STEPS({ACT_SEND, "\x16\x03\x03"}, {ACT_FIN, NULL}), "https", REASON_CLOSED,
           "during the TLS handshake");
    broken(STEPS({ACT_TLS, NULL}, {ACT_READ, NULL}), "https", REASON_CLOSED, "without a reply");
    broken(STEPS({ACT_TLS, NULL}, {ACT_READ, NULL}, {ACT_RESET, NULL}), "https", REASON_RESET,
           "without a reply");
    broken(STEPS({ACT_TLS, NULL}, {ACT_READ, NULL},
                 {ACT_SEND, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nyes"}),
           "https", REASON_CLOSED, "within the body, after 3 bytes");
    /* OpenSSL's server sees that it is spoken to in plain and says nothing. */
    broken(STEPS({ACT_TLS, NULL}), "http", REASON_CLOSED, "without a reply");
}

/* The body goes on until the close, which is a FIN alone. */
static void unended(const char *body, const char *key, const char *value, enum reason reason,
                    const char *words)
{
    struct harness r;
    struct server s = {.tls = server_ctx(&good)};
    SCRIPT(&s, {ACT_TLS, NULL}, {ACT_READ, NULL}, {ACT_SEND, "HTTP/1.1 200 OK\r\n\r\n"},
           {ACT_SEND, body}, {ACT_FIN, NULL});
    server_start(&s, NULL);
    rig_run(&r, KEYS("url", url_of(&s, "https", "/"), "tls_ca", ca_file, key, value), NULL);
    server_stop(&s);
    expect_result(&r, reason, words);
    SSL_CTX_free(s.tls);
}

static void test_a_body_that_may_be_cut(void **state)
{
    (void)state;
    unended("ok", "method", "GET", REASON_OK, "HTTP 200");
    unended("ok", "expect_body", "^ok", REASON_OK, "HTTP 200");
    unended("{\"a\": 1}", "expect_json", "/a = 1", REASON_OK, "HTTP 200");
    unended("{\"a\": 1", "expect_json", "/a = 1", REASON_MISMATCH, "is not JSON");
    unended("ok", "expect_body", "^ok$", REASON_MISMATCH,
            "does not match expect_body /^ok$/: \"ok\"; the body may be cut: the server ended TLS "
            "without close_notify");
    unended("ok", "reject_body", "fail", REASON_CLOSED, "the body may be cut");
    unended("ok fail", "reject_body", "fail", REASON_MISMATCH, "matches reject_body /fail/");
}

static int on_alpn_h2_only(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char h2[] = {2, 'h', '2'};
    unsigned char *chosen;
    (void)ssl;
    (void)arg;
    if (SSL_select_next_proto(&chosen, out_len, h2, sizeof h2, in, in_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A server that takes nothing but HTTP/2 in the handshake is asked again in HTTP/2, unless another
 * version was asked for. */
static void test_a_server_of_http_2_alone(void **state)
{
    (void)state;
    const char *const versions[] = {"any", "2", "1.1"};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct harness r;
        struct server s = {.tls = server_ctx(&good)};
        SSL_CTX_set_alpn_select_cb(s.tls, on_alpn_h2_only, NULL);
        SCRIPT(&s, {ACT_TLS, NULL}, {ACT_READ, NULL}); /* its preface ends like a request */
        server_start(&s, NULL);
        rig_run(
            &r,
            KEYS("url", url_of(&s, "https", "/"), "tls_ca", ca_file, "http_version", versions[i]),
            NULL);
        server_stop(&s);
        bool asked = i < 2;
        expect_result(&r, asked ? REASON_CLOSED : REASON_TLS, asked ? "without a reply" : "(ALPN)");
        assert_int_equal(strncmp(s.requests[0], "PRI * HTTP/2.0", 14) == 0, asked);
        SSL_CTX_free(s.tls);
    }
}

static void cancel_at(const char *note, const struct step *steps)
{
    struct harness r;
    struct server s = {.tls = server_ctx(&good)};
    server_script(&s, steps);
    server_start(&s, NULL);
    rig_run(&r, KEYS("url", url_of(&s, "https", "/"), "tls_ca", ca_file), note);
    server_stop(&s);
    assert_true(r.cancelled);
    assert_false(r.finished);
    SSL_CTX_free(s.tls);
}

static void test_cancel(void **state)
{
    (void)state;
    cancel_at("TLS handshake under way", STEPS({ACT_HANG, NULL}));
    cancel_at("no reply to GET https://127.0.0.1:", STEPS({ACT_TLS, NULL}, {ACT_HANG, NULL}));
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_min_days),
        cmocka_unit_test(test_bad_certificates),
        cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_connect_to),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_broken_handshakes),
        cmocka_unit_test(test_a_body_that_may_be_cut),
        cmocka_unit_test(test_a_server_of_http_2_alone),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
