/* Streams: plain and TLS, what a bad certificate or a server of another protocol is called, and the
 * end in every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "net/stream.h"
#include "probe.h"
#include "run_harness.h"
#include "tls_server.h"

struct talk {
    struct probe_run run;
    struct stream stream;
    struct endpoint ep;
    struct buf got;
    bool opened, ended; /* on_open, on_eof */
    bool stop_at_open;
    const char *say; /* once open */
};

static struct {
    char dir[64];
    char *ca_file, *client_file, *client_key;
    struct pair ca, good, client;
    struct tls_conf trusting, verified;
} world;

static void on_closed(struct stream *s)
{
    struct talk *t = s->owner;
    endpoint_fini(&t->ep);
    buf_fini(&t->got);
    probe_release(&t->run);
}

static void finish(struct talk *t, enum reason reason, const char *detail)
{
    probe_finish(&t->run, reason, "%s", detail);
    stream_close(&t->stream, on_closed);
}

static void on_open(struct stream *s)
{
    struct talk *t = s->owner;
    assert_false(t->opened);
    t->opened = true;
    if (t->stop_at_open)
        finish(t, REASON_OK, s->peer);
    else if (t->say)
        stream_write(s, t->say, strlen(t->say));
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct talk *t = s->owner;
    assert_true(t->opened);
    buf_add(&t->got, data, len);
    if (t->say && strstr(t->got.data, t->say))
        finish(t, REASON_OK, t->got.data);
}

static void on_eof(struct stream *s)
{
    struct talk *t = s->owner;
    assert_true(t->opened);
    finish(t, REASON_OK, t->got.len ? t->got.data : "(nothing)");
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    finish(s->owner, reason, detail);
}

static const struct stream_events events = {on_open, on_data, on_eof, on_fail};

static void cancel(struct probe_run *run)
{
    stream_close(&container_of(run, struct talk, run)->stream, on_closed);
}

static const struct probe_type type = {.name = "talk", .cancel = cancel};

static struct talk *begin(struct harness *h, const char *host, uint16_t port, struct tls_conf *tls)
{
    struct talk *t = container_of(harness_run_new(h, sizeof *t), struct talk, run);
    char text[64];
    struct err e;
    snprintf(text, sizeof text, "%s:%u", host, port);
    assert_int_equal(endpoint_parse(&t->ep, text, 0, &e), 0);
    buf_init(&t->got, 4096);
    h->type = &type;
    stream_start(&t->stream, &t->run, &t->ep, tls, &events, t);
    return t;
}

/* One conversation with a server that has `cert` and does `act`. */
static void talk(struct harness *h, struct server *s, struct tls_conf *tls, const char *say,
                 int timeout_ms)
{
    server_start(s);
    harness_open(h);
    struct talk *t = begin(h, "127.0.0.1", s->port, tls);
    t->say = say;
    harness_wait(h, timeout_ms);
    harness_close(h);
    server_stop(s);
}

static void fails(struct server s, struct tls_conf *tls, enum reason reason, const char *words)
{
    struct harness h;
    talk(&h, &s, tls, NULL, 5000);
    if (h.reason != reason || !strstr(h.detail, words))
        fail_msg("expected %s, \"%s\"; got %s, \"%s\"", reason_name(reason), words,
                 reason_name(h.reason), h.detail);
    assert_non_null(strstr(h.detail, "127.0.0.1:"));
}

static void cert_fails(const char *cn, const char *names, const struct pair *issuer, long from,
                       long to, const char *words)
{
    struct pair p = new_cert(cn, names, issuer, from, to);
    fails((struct server){.cert = p}, &world.verified, REASON_TLS, words);
    free_pair(&p);
}

static void test_talks(void **state)
{
    (void)state;
    struct harness h;
    static const int versions[] = {0, TLS1_2_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct server s = {.cert = world.good, .max_version = versions[i]};
        talk(&h, &s, &world.verified, "ping", 5000);
        assert_int_equal(h.reason, REASON_OK);
        assert_string_equal(h.detail, "hello\nping");
        assert_true(h.phases[PHASE_CONNECT] && h.phases[PHASE_TLS]);
        int64_t left = h.not_after - clock_wall() / NS_PER_S;
        assert_true(left > 90 * DAY_S && left < 91 * DAY_S);
    }
    struct server bye = {.act = ACT_TLS_BYE, .cert = world.good};
    talk(&h, &bye, &world.verified, NULL, 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.detail, "hello\n");
    struct server plain = {.act = ACT_PLAIN};
    talk(&h, &plain, NULL, "220 plain\r\n", 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_false(h.phases[PHASE_TLS]);
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

static void test_min_days(void **state)
{
    (void)state;
    struct harness h;
    struct server s = {.cert = world.good};
    struct tls_conf c = world.verified;
    c.min_days = 90;
    talk(&h, &s, &c, "x", 5000);
    assert_int_equal(h.reason, REASON_OK);
    c.min_days = 91;
    fails(s, &c, REASON_TLS, "in 90 days; tls_min_days is 91");
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
        SSL_CTX_free(c.ctx);
        s.client_ca = world.good.cert; /* no CA at all: ours is not accepted */
        c.ctx = NULL;
        fails(s, &c, REASON_TLS, "does not accept our client certificate");
        SSL_CTX_free(c.ctx);
    }
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

static void on_tick(uv_timer_t *timer)
{
    (void)timer;
}

/* Cancelled after each turn of the loop in turn, until it gets so far that it ends by itself. */
static void test_cancelled_anywhere(void **state)
{
    (void)state;
    struct tls_conf *confs[] = {NULL, &world.verified};
    for (size_t i = 0; i < ARRAY_LEN(confs); i++) {
        struct server s = {.act = confs[i] ? ACT_TLS : ACT_PLAIN, .cert = world.good};
        server_start(&s);
        for (int turns = 0; turns < 6; turns++) {
            struct harness h;
            harness_open(&h);
            begin(&h, turns % 2 ? "127.0.0.1" : "localhost", s.port, confs[i]);
            uv_timer_start(&h.deadline, on_tick, 5, 5); /* each turn ends */
            for (int n = 0; n < turns; n++)
                uv_run(&h.loop, UV_RUN_ONCE);
            harness_cancel(&h);
            assert_false(h.finished);
            harness_close(&h);
        }
        server_stop(&s);
    }
}

static void test_closed_from_inside(void **state)
{
    (void)state;
    struct server s = {.cert = world.good};
    server_start(&s);
    struct harness h;
    harness_open(&h);
    begin(&h, "127.0.0.1", s.port, &world.verified)->stop_at_open = true;
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    harness_close(&h);
    server_stop(&s);
    harness_open(&h);
    begin(&h, "127.0.0.1", s.port, &world.verified);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_REFUSED);
    harness_close(&h);
}

/* What the server sees when a plain connection ends: a reset, so that no TIME_WAIT is left. */
static void test_resets(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    struct harness h;
    harness_open(&h);
    begin(&h, "127.0.0.1", ntohs(in.sin_port), NULL)->stop_at_open = true;
    harness_wait(&h, 5000);
    harness_close(&h);
    int peer = accept(fd, NULL, NULL);
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), -1);
    close(peer);
    close(fd);
}

/* A reset right behind the last bytes is a reset, not an end in order. */
static void test_reset_after_bytes(void **state)
{
    (void)state;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const struct linger at_once = {.l_onoff = 1};
    socklen_t len = sizeof in;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    getsockname(fd, (struct sockaddr *)&in, &len);
    struct harness h;
    harness_open(&h);
    begin(&h, "127.0.0.1", ntohs(in.sin_port), NULL);
    /* The loop has not turned yet: the bytes and the reset are found together. */
    int peer = accept(fd, NULL, NULL);
    assert_int_equal(send(peer, "22", 2, MSG_NOSIGNAL), 2);
    setsockopt(peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(peer);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_RESET);
    harness_close(&h);
    close(fd);
}

static int open_world(void **state)
{
    (void)state;
    snprintf(world.dir, sizeof world.dir, "/tmp/probe-test-stream-XXXXXX");
    if (!mkdtemp(world.dir))
        return -1;
    world.ca = new_cert("Test CA", NULL, NULL, -DAY_S, 365 * DAY_S);
    world.good = new_cert("db.example", "DNS:db.example,IP:127.0.0.1,IP:::1,DNS:localhost",
                          &world.ca, -DAY_S, 90 * DAY_S + DAY_S / 2);
    world.client = new_cert("client", "DNS:client", &world.ca, -DAY_S, 90 * DAY_S);
    world.ca_file = write_pem(world.dir, "ca.pem", world.ca.cert, NULL);
    world.client_file = write_pem(world.dir, "client.pem", world.client.cert, NULL);
    world.client_key = write_pem(world.dir, "client.key", NULL, world.client.key);
    world.verified = (struct tls_conf){.verify = true, .ca = world.ca_file};
    return 0;
}

static int close_world(void **state)
{
    (void)state;
    char *files[] = {world.ca_file, world.client_file, world.client_key};
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        unlink(files[i]);
        free(files[i]);
    }
    SSL_CTX_free(world.verified.ctx);
    free_pair(&world.ca);
    free_pair(&world.good);
    free_pair(&world.client);
    return rmdir(world.dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_talks),
        cmocka_unit_test(test_bad_certificates),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_min_days),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_not_tls),
        cmocka_unit_test(test_cancelled_anywhere),
        cmocka_unit_test(test_closed_from_inside),
        cmocka_unit_test(test_resets),
        cmocka_unit_test(test_reset_after_bytes),
    };
    return cmocka_run_group_tests(tests, open_world, close_world);
}
