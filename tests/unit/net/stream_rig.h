/* stream_rig: for the unit tests of stream: a talk with a server in a thread, and certificates.
 * Only one program includes it at a time. */
#ifndef PROBE_TESTS_STREAM_RIG_H
#define PROBE_TESTS_STREAM_RIG_H

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

__attribute__((unused)) static struct talk *begin_with(struct harness *h, uint16_t port,
                                                       const struct tls_options *options,
                                                       const struct stream_events *told)
{
    struct talk *t = container_of(harness_run_new(h, sizeof *t), struct talk, run);
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    assert_int_equal(endpoint_parse(&t->ep, text, 0, NULL), 0);
    buf_init(&t->got, 4096);
    h->type = &type;
    stream_open(&t->stream, &t->run, &t->ep, options, told, t);
    return t;
}

__attribute__((unused)) static struct talk *begin(struct harness *h, const char *host,
                                                  uint16_t port, struct tls_conf *tls)
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

__attribute__((unused)) static void fails(struct server s, struct tls_conf *tls, enum reason reason,
                                          const char *words)
{
    struct harness h;
    talk(&h, &s, tls, NULL, 5000);
    if (h.reason != reason || !strstr(h.detail, words))
        fail_msg("expected %s, \"%s\"; got %s, \"%s\"", reason_name(reason), words,
                 reason_name(h.reason), h.detail);
    assert_non_null(strstr(h.detail, "127.0.0.1:"));
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
    free_pair(&world.ca);
    free_pair(&world.good);
    free_pair(&world.client);
    return rmdir(world.dir);
}

#endif
