/* Streams with TLS: what a bad certificate or a server of another protocol is called, names, client
 * certificates, ALPN. */
#include <openssl/param_build.h>

#include "run_harness.h"
#include "stream_rig.h"

static void cert_fails(const char *cn, const char *names, const struct pair *issuer, long from,
                       long to, const char *words)
{
    struct pair p = new_cert(cn, names, issuer, from, to);
    fails((struct server){.cert = p}, &world.verified, REASON_TLS, words);
    free_pair(&p);
}

static void test_bad_certificates(void **state)
{
    (void)state;
    const char *ok = "DNS:db.example,IP:127.0.0.1";
    struct pair stranger = new_cert("Stranger CA", NULL, NULL, -DAY_S, 90 * DAY_S);
    cert_fails("old", ok, &world.ca, -10 * DAY_S, -5 * DAY_S, "the certificate expired on 20");
    cert_fails("early", ok, &world.ca, DAY_S, 5 * DAY_S, "not valid before 20");
    cert_fails("self", ok, NULL, -DAY_S, DAY_S, "self-signed (\"self\")");
    cert_fails("astray", ok, &stranger, -DAY_S, DAY_S, "issuer \"Stranger CA\" is unknown");
    cert_fails("other", "DNS:a.example,DNS:*.b.example,IP:10.1.2.3", &world.ca, -DAY_S, DAY_S,
               "not for 127.0.0.1; it is for a.example, *.b.example, 10.1.2.3");
    cert_fails("cn\nonly", "email:x@y.example", &world.ca, -DAY_S, DAY_S, "it is for cn\\nonly");
    free_pair(&stranger);
    struct harness h;
    struct server s = {.cert = new_cert("old", ok, &world.ca, -10 * DAY_S, -5 * DAY_S)};
    talk(&h, &s, &world.verified, NULL, 5000);
    assert_true(h.not_after && h.not_after < clock_wall() / NS_PER_S);
    talk(&h, &s, &world.trusting, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    free_pair(&s.cert);
}

static void test_names(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf c = world.verified;
    c.server_name = (char *)(uintptr_t) "db.example.";
    talk(&h, &s, &c, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    c.server_name = (char *)(uintptr_t) "elsewhere.example";
    fails(s, &c, REASON_TLS,
          "not for elsewhere.example; it is for db.example, 127.0.0.1, ::1, localhost");
    c.server_name = (char *)(uintptr_t) "::1";
    talk(&h, &s, &c, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    /* A name that is resolved is the one that is verified. */
    server_start(&s);
    harness_open(&h);
    begin(&h, "localhost", s.port, &world.verified)->say = "x";
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    harness_close(&h);
    server_stop(&s);
    struct tls_conf system = {.verify = true};
    fails(s, &system, REASON_TLS, "issuer \"Test CA\" is unknown: not among the system's CAs");
}

static void on_open_alpn(struct stream *s)
{
    finish(s->owner, REASON_OK, stream_alpn(s));
}

/* What the server makes of the protocols that are offered. */
static void test_alpn(void **state)
{
    (void)state;
    static const struct {
        const char *offered, *spoken, *words;
        enum reason reason;
    } cases[] = {
        {"h2,http/1.1", "h2", "h2", REASON_OK},
        {"h2,http/1.1", "http/1.1", "http/1.1", REASON_OK},
        {"h2", NULL, "", REASON_OK},
        {NULL, "h2", "", REASON_OK},
        {"h2", "http/1.1", "the server speaks none of the protocols that were offered", REASON_TLS},
        {"h2,,x", "h2", "is no list of protocols", REASON_TLS},
    };
    static const struct stream_events told = {on_open_alpn, on_data, on_eof, on_fail};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct harness h;
        struct server s = {.cert = world.good, .alpn = cases[i].spoken};
        struct tls_options options = {.conf = &world.verified, .alpn = cases[i].offered};
        server_start(&s);
        harness_open(&h);
        begin_with(&h, s.port, &options, &told);
        harness_wait(&h, 5000);
        assert_int_equal(h.reason, cases[i].reason);
        if (cases[i].reason == REASON_OK)
            assert_string_equal(h.detail, cases[i].words);
        else
            assert_non_null(strstr(h.detail, cases[i].words));
        harness_close(&h);
        server_stop(&s);
    }
}

/* After a redirect to another host the settings' name and certificate are not for that one. */
static void test_elsewhere(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf c = world.verified;
    c.server_name = (char *)(uintptr_t) "elsewhere.example";
    server_start(&s);
    harness_open(&h);
    begin_with(&h, s.port, &(struct tls_options){.conf = &c, .elsewhere = true}, &events)->say =
        "x";
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    harness_close(&h);
    server_stop(&s);
    c = (struct tls_conf){
        .verify = true, .ca = world.ca_file, .cert = world.client_file, .key = world.client_key};
    s.client_ca = world.ca.cert;
    server_start(&s);
    harness_open(&h);
    begin_with(&h, s.port, &(struct tls_options){.conf = &c, .elsewhere = true}, &events);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_TLS);
    assert_non_null(strstr(h.detail, "wants a client certificate"));
    harness_close(&h);
    server_stop(&s);
}

/* TLS that begins on a connection already in use, as after a proxy's CONNECT. */
static void on_open_then_tls(struct stream *s)
{
    struct talk *t = s->owner;
    if (!s->tls)
        stream_start_tls(s, &(struct tls_options){.conf = &world.verified}, "127.0.0.1");
    else
        finish(t, REASON_OK, "secured");
}

static void test_starts_tls_later(void **state)
{
    (void)state;
    static const struct stream_events later = {on_open_then_tls, on_data, on_eof, on_fail};
    struct harness h;
    struct server s = {.cert = world.good};
    server_start(&s);
    harness_open(&h);
    begin_with(&h, s.port, &(struct tls_options){0}, &later);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.detail, "secured");
    harness_close(&h);
    server_stop(&s);
}

static void test_min_days(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf c = world.verified;
    c.min_days = 90;
    talk(&h, &s, &c, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.warning, "");
    c.min_days = 91;
    talk(&h, &s, &c, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_non_null(strstr(h.warning, "in 90 days; tls_min_days is 91"));
}

static void test_client_certificate(void **state)
{
    (void)state;
    struct harness h;
    static const int versions[] = {0, TLS1_2_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct server s = {
            .cert = world.good, .client_ca = world.ca.cert, .max_version = versions[i]};
        fails(s, &world.verified, REASON_TLS, "wants a client certificate");
        struct tls_conf c = {.verify = true,
                             .ca = world.ca_file,
                             .cert = world.client_file,
                             .key = world.client_key};
        talk(&h, &s, &c, "ping", 5000);
        assert_int_equal(h.reason, REASON_OK);
        s.client_ca = world.good.cert; /* no CA at all: ours is not accepted */
        fails(s, &c, REASON_TLS, "does not accept our client certificate");
    }
}

static void test_floods(void **state)
{
    (void)state;
    static const enum act acts[] = {ACT_KEY_UPDATES, ACT_TICKETS, ACT_HELLO_REQUESTS};
    for (size_t i = 0; i < ARRAY_LEN(acts); i++)
        fails((struct server){.act = acts[i], .cert = world.good}, &world.verified, REASON_PROTOCOL,
              acts[i] == ACT_HELLO_REQUESTS ? "handshake has no end" : "keeps sending");
}

static void test_noise_after_the_handshake(void **state)
{
    (void)state;
    fails((struct server){.act = ACT_TLS_NOISE, .cert = world.good}, &world.verified, REASON_TLS,
          ": TLS failed: ");
}

/* A modulus of that many bits, whatever its factors. */
static EVP_PKEY *new_public_rsa(int bits, int exponent_bits)
{
    BIGNUM *n = BN_new(), *e = BN_new();
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_RSA, NULL);
    OSSL_PARAM_BLD *build = OSSL_PARAM_BLD_new();
    BN_rand(n, bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    BN_rand(e, exponent_bits, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD);
    OSSL_PARAM_BLD_push_BN(build, "n", n);
    OSSL_PARAM_BLD_push_BN(build, "e", e);
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(build);
    EVP_PKEY_fromdata_init(ctx);
    assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(build);
    EVP_PKEY_CTX_free(ctx);
    BN_free(n);
    BN_free(e);
    return key;
}

/* What would be costly to verify is refused before. */
static void test_costly_chains(void **state)
{
    (void)state;
    struct server s = {.cert = world.good};
    struct pair huge = new_cert("Huge CA", NULL, &world.ca, -DAY_S, DAY_S);
    for (int i = 0; i < 16; i++)
        s.chain[i] = world.ca.cert;
    fails(s, &world.verified, REASON_TLS, "sent 17 certificates; 16 are accepted");
    memset(s.chain, 0, sizeof s.chain);
    EVP_PKEY_free(huge.key);
    huge.key = new_public_rsa(16384, 17);
    X509_set_pubkey(huge.cert, huge.key);
    X509_sign(huge.cert, world.ca.key, EVP_sha256());
    s.chain[0] = huge.cert;
    fails(s, &world.verified, REASON_TLS, "has a key of 16384 bits; 8192 are accepted");
    fails(s, &world.trusting, REASON_TLS, "has a key of 16384 bits; 8192 are accepted");
    EVP_PKEY_free(huge.key);
    huge.key = new_public_rsa(3072, 3000);
    X509_set_pubkey(huge.cert, huge.key);
    X509_sign(huge.cert, world.ca.key, EVP_sha256());
    fails(s, &world.trusting, REASON_TLS, "has an RSA exponent of 3000 bits");
    free_pair(&huge);
    char names[40000] = "DNS:localhost";
    for (int i = 0; strlen(names) < 39000; i++)
        snprintf(names + strlen(names), 32, ",DNS:host%d.example", i);
    struct pair many = new_cert("many", names, &world.ca, -DAY_S, DAY_S);
    fails((struct server){.cert = many}, &world.verified, REASON_TLS, "bytes; 32768 are accepted");
    free_pair(&many);
}

/* What is trusted may be an intermediate CA, or the server's certificate itself. */
static void test_partial_chains(void **state)
{
    (void)state;
    struct harness h;
    struct pair middle = new_cert("Middle CA", NULL, &world.ca, -DAY_S, DAY_S);
    struct pair leaf = new_cert("leaf", "IP:127.0.0.1", &middle, -DAY_S, DAY_S);
    struct pair self = new_cert("self", "IP:127.0.0.1", NULL, -DAY_S, DAY_S);
    struct server s = {.cert = leaf, .chain = {middle.cert}}, own = {.cert = self};
    X509 *const trusted[] = {middle.cert, leaf.cert, self.cert};
    for (size_t i = 0; i < ARRAY_LEN(trusted); i++) {
        struct tls_conf c = {.verify = true,
                             .ca = write_pem(world.dir, "part.pem", trusted[i], NULL)};
        talk(&h, i < 2 ? &s : &own, &c, "x", 5000);
        assert_int_equal(h.reason, REASON_OK);
        unlink(c.ca);
        tls_conf_fini(&c);
    }
    free_pair(&middle);
    free_pair(&leaf);
    free_pair(&self);
}

/* The settings of a thousand checks with the same files have one context. */
static void test_shared_context(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf a = {.verify = true, .ca = world.ca_file}, b = a, system = {.verify = true};
    talk(&h, &s, &a, "x", 5000);
    talk(&h, &s, &b, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_non_null(a.context);
    assert_ptr_equal(a.context, b.context);
    fails(s, &system, REASON_TLS, "unknown");
    assert_ptr_not_equal(a.context, system.context);
}

/* The system's bundle is renewed: connections see it once it was read, which none waits for. */
static void test_renewed_system(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf system = {.verify = true};
    struct pair other = new_cert("Other CA", NULL, NULL, -DAY_S, DAY_S);
    char *bundle = write_pem(world.dir, "bundle.pem", other.cert, NULL);
    setenv("SSL_CERT_FILE", bundle, 1);
    setenv("SSL_CERT_DIR", world.dir, 1);
    fails(s, &system, REASON_TLS, "unknown");
    free(bundle);
    bundle = write_pem(world.dir, "bundle.new", world.ca.cert, NULL);
    assert_int_equal(rename(bundle, getenv("SSL_CERT_FILE")), 0);
    do
        talk(&h, &s, &system, "x", 5000);
    while (h.reason == REASON_TLS);
    assert_int_equal(h.reason, REASON_OK);
    /* One that nobody writes keeps its reader waiting, and no connection. */
    char *fifo = str_format("%s/bundle.fifo", world.dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(rename(fifo, getenv("SSL_CERT_FILE")), 0);
    for (int i = 0; i < 2; i++) {
        talk(&h, &s, &system, "x", 5000);
        assert_int_equal(h.reason, REASON_OK);
    }
    close(open(getenv("SSL_CERT_FILE"), O_WRONLY));
    free(fifo);
    unlink(getenv("SSL_CERT_FILE"));
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    free(bundle);
    free_pair(&other);
}

static void test_not_tls(void **state)
{
    (void)state;
    fails((struct server){.act = ACT_PLAIN}, &world.verified, REASON_TLS,
          "does not speak TLS; it sent \"220 plain\\r\\n\"");
    fails((struct server){.act = ACT_CLOSE}, &world.verified, REASON_CLOSED,
          "closed during the TLS handshake");
    fails((struct server){.act = ACT_CUT}, &world.verified, REASON_CLOSED,
          "closed during the TLS handshake");
    fails((struct server){.act = ACT_RESET}, &world.verified, REASON_RESET, "connection reset");
    fails((struct server){.cert = world.good, .max_version = TLS1_1_VERSION}, &world.verified,
          REASON_TLS, "no version of TLS in common");
    struct harness h;
    struct server silent = {.act = ACT_SILENT};
    talk(&h, &silent, &world.verified, NULL, 100);
    assert_int_equal(h.reason, REASON_TIMEOUT);
    assert_non_null(strstr(h.detail, "TLS handshake"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_certificates),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_elsewhere),
        cmocka_unit_test(test_starts_tls_later),
        cmocka_unit_test(test_min_days),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_floods),
        cmocka_unit_test(test_noise_after_the_handshake),
        cmocka_unit_test(test_costly_chains),
        cmocka_unit_test(test_partial_chains),
        cmocka_unit_test(test_shared_context),
        cmocka_unit_test(test_renewed_system),
        cmocka_unit_test(test_not_tls),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
