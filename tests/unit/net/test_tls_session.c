/* TLS sessions that the runs of one check resume: when they do, and all that makes a full handshake
 * of it. */
#include <sched.h>

#include "run_harness.h"
#include "stream_rig.h"
#include "tls/tls_internal.h"

#define RECHECK (300 * NS_PER_S)
#define LIMIT   (10 * NS_PER_S)

struct scene {
    struct harness h;
    struct server server;
    struct tls_conf conf;
    bool elsewhere;
    bool hangs_up; /* once the handshake is done: the ticket comes after our FIN */
};

static void open_scene(struct scene *s)
{
    if (!s->server.cert.cert)
        s->server.cert = world.good;
    if (!s->conf.verify)
        s->conf = (struct tls_conf){.verify = true, .ca = world.ca_file, .recheck = RECHECK};
    server_start(&s->server);
    harness_open(&s->h);
    s->h.remembers = true;
}

static void close_scene(struct scene *s)
{
    harness_close(&s->h);
    server_stop(&s->server);
    tls_context_release(&s->conf);
}

/* One run. */
static void once(struct scene *s)
{
    const struct tls_options options = {.conf = &s->conf, .elsewhere = s->elsewhere};
    struct talk *t = begin_with(&s->h, s->server.port, &options, &events);
    t->say = "x";
    t->stop_at_open = s->hangs_up;
    harness_wait(&s->h, 5000);
}

/* The server counts in a thread of its own, after the client is done perhaps. */
static void expect_handshakes(struct scene *s, unsigned full, unsigned resumed)
{
    int64_t limit = clock_now() + LIMIT;
    while (atomic_load(&s->server.full) + atomic_load(&s->server.resumed) < full + resumed &&
           clock_now() < limit)
        sched_yield();
    assert_int_equal(atomic_load(&s->server.full), full);
    assert_int_equal(atomic_load(&s->server.resumed), resumed);
}

/* Three good runs. */
static void runs(struct scene s, unsigned full, unsigned resumed)
{
    open_scene(&s);
    for (int i = 0; i < 3; i++) {
        once(&s);
        if (s.h.reason != REASON_OK)
            fail_msg("%s: %s", reason_name(s.h.reason), s.h.detail);
        assert_true(s.h.not_after > clock_wall() / NS_PER_S); /* told each time */
    }
    expect_handshakes(&s, full, resumed);
    assert_int_equal(s.h.relied, resumed);
    close_scene(&s);
}

static void test_resumes(void **state)
{
    (void)state;
    runs((struct scene){.hangs_up = false}, 1, 2);
    runs((struct scene){.hangs_up = true}, 1, 2);
    runs((struct scene){.server.max_version = TLS1_2_VERSION}, 1, 2);
    runs((struct scene){.server.max_version = TLS1_2_VERSION, .hangs_up = true}, 1, 2);
}

static void test_full_each_time(void **state)
{
    (void)state;
    struct tls_conf c = {.verify = true, .ca = world.ca_file};
    runs((struct scene){.conf = c}, 3, 0);
    c.recheck = 1; /* ns: over at once */
    runs((struct scene){.conf = c}, 3, 0);
    c.recheck = RECHECK;
    runs((struct scene){.conf = c, .elsewhere = true}, 3, 0);
    runs((struct scene){.conf = c, .server.forgetful = true}, 3, 0);
    c.min_days = 365; /* what it warns of */
    runs((struct scene){.conf = c}, 3, 0);
    c.min_days = 0;
    c.cert = world.client_file;
    c.key = world.client_key;
    runs((struct scene){.conf = c}, 3, 0);
    runs((struct scene){.conf = c, .server.client_ca = world.ca.cert}, 3, 0);
}

static void test_one_shot(void **state)
{
    (void)state;
    struct scene s = {.hangs_up = false};
    open_scene(&s);
    s.h.remembers = false;
    once(&s);
    once(&s);
    expect_handshakes(&s, 2, 0);
    assert_null(s.h.memory);
    close_scene(&s);
}

/* A certificate that ends after it was seen: told by the clock, while the server would resume. */
static void test_expires(void **state)
{
    (void)state;
    const char *names = "DNS:localhost,IP:127.0.0.1";
    struct scene s = {.server.cert = new_cert("soon", names, &world.ca, -DAY_S, 2)};
    int64_t limit = clock_now() + LIMIT;
    open_scene(&s);
    do {
        once(&s);
        int64_t now = clock_wall() / NS_PER_S; /* later than the run's */
        assert_true(s.h.reason != REASON_OK || now <= s.h.not_after + 1);
    } while (s.h.reason == REASON_OK && clock_now() < limit);
    assert_int_equal(s.h.reason, REASON_TLS);
    assert_non_null(strstr(s.h.detail, "the certificate expired on"));
    assert_true(atomic_load(&s.server.resumed) > 0);
    close_scene(&s);
    free_pair(&s.server.cert);
}

/* So is one of a CA in between that the server did not even send. */
static void test_chain_expires(void **state)
{
    (void)state;
    struct pair soon = new_cert("Soon CA", NULL, NULL, -DAY_S, 2);
    struct scene s = {.server.cert =
                          new_cert("x", "DNS:localhost,IP:127.0.0.1", &soon, -DAY_S, DAY_S),
                      .conf = {.verify = true, .recheck = RECHECK}};
    s.conf.ca = write_pem(world.dir, "soon.pem", soon.cert, NULL);
    int64_t limit = clock_now() + LIMIT;
    open_scene(&s);
    do
        once(&s);
    while (s.h.reason == REASON_OK && clock_now() < limit);
    assert_int_equal(s.h.reason, REASON_TLS);
    assert_non_null(strstr(s.h.detail, "expired"));
    assert_true(atomic_load(&s.server.resumed) > 0);
    close_scene(&s);
    unlink(s.conf.ca);
    free(s.conf.ca);
    free_pair(&s.server.cert);
    free_pair(&soon);
}

/* Another server at the same address does not know the session: its certificate is seen at once. */
static void test_another_server(void **state)
{
    (void)state;
    struct scene s = {.hangs_up = false};
    struct pair other = new_cert("other", "DNS:other.example", &world.ca, -DAY_S, DAY_S);
    open_scene(&s);
    once(&s);
    once(&s);
    expect_handshakes(&s, 1, 1);
    SSL_CTX *before = s.server.ctx;
    s.server.ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate(s.server.ctx, other.cert);
    SSL_CTX_use_PrivateKey(s.server.ctx, other.key);
    SSL_CTX_free(before);
    once(&s);
    assert_int_equal(s.h.reason, REASON_TLS);
    assert_non_null(strstr(s.h.detail, "not for 127.0.0.1"));
    close_scene(&s);
    free_pair(&other);
}

/* One that shares the sessions of another is taken for it until the recheck: as documented. */
static void test_certificate_changes_behind_the_session(void **state)
{
    (void)state;
    struct scene s = {.hangs_up = false};
    struct pair other = new_cert("other", "DNS:other.example", &world.ca, -DAY_S, DAY_S);
    open_scene(&s);
    once(&s);
    SSL_CTX_use_certificate(s.server.ctx, other.cert);
    SSL_CTX_use_PrivateKey(s.server.ctx, other.key);
    once(&s);
    assert_int_equal(s.h.reason, REASON_OK);
    expect_handshakes(&s, 1, 1);
    s.conf.recheck = 1;
    once(&s);
    assert_int_equal(s.h.reason, REASON_TLS);
    assert_non_null(strstr(s.h.detail, "not for 127.0.0.1"));
    close_scene(&s);
    free_pair(&other);
}

/* Sessions are of an address: a server that shares them at another one is looked at in full. More
 * addresses than places: the oldest goes. */
static void test_addresses(void **state)
{
    (void)state;
    struct scene s = {.hangs_up = false};
    struct server others[5];
    open_scene(&s);
    once(&s);
    uint16_t port = s.server.port;
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        others[i] = (struct server){.cert = world.good};
        server_start(&others[i]);
        s.server.port = others[i].port;
        once(&s);
        assert_int_equal(s.h.reason, REASON_OK);
        once(&s);
    }
    assert_int_equal(s.h.relied, ARRAY_LEN(others));
    s.server.port = port;
    once(&s);
    expect_handshakes(&s, 2, 0);
    close_scene(&s);
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        server_stop(&others[i]);
}

/* The system's CAs are renewed: what was verified by the old ones is verified again. */
static void test_renewed_system(void **state)
{
    (void)state;
    char *bundle = write_pem(world.dir, "bundle.pem", world.ca.cert, NULL);
    setenv("SSL_CERT_FILE", bundle, 1);
    setenv("SSL_CERT_DIR", world.dir, 1);
    struct scene s = {.conf = {.verify = true, .recheck = RECHECK}};
    open_scene(&s);
    int64_t limit = clock_now() + LIMIT;
    do /* they are read again where the file is this new */
        once(&s);
    while (!atomic_load(&s.server.resumed) && clock_now() < limit);
    assert_true(atomic_load(&s.server.resumed) > 0);
    struct pair other = new_cert("Other CA", NULL, NULL, -DAY_S, DAY_S);
    char *fresh = write_pem(world.dir, "bundle.new", other.cert, NULL);
    assert_int_equal(rename(fresh, bundle), 0);
    limit = clock_now() + LIMIT;
    do
        once(&s);
    while (s.h.reason == REASON_OK && clock_now() < limit);
    assert_int_equal(s.h.reason, REASON_TLS);
    assert_non_null(strstr(s.h.detail, "issuer \"Test CA\" is unknown"));
    close_scene(&s);
    unlink(bundle);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    free(fresh);
    free(bundle);
    free_pair(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resumes),
        cmocka_unit_test(test_full_each_time),
        cmocka_unit_test(test_one_shot),
        cmocka_unit_test(test_expires),
        cmocka_unit_test(test_chain_expires),
        cmocka_unit_test(test_another_server),
        cmocka_unit_test(test_certificate_changes_behind_the_session),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_renewed_system),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
