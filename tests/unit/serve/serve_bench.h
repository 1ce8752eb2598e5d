/* serve_bench: the API on a real engine whose checks end when the test says, and a client that
 * turns the loop while it waits. For the tests of serve. */
#ifndef TESTS_SERVE_BENCH_H
#define TESTS_SERVE_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "engine/engine.h"
#include "serve/serve.h"

#define PATIENCE (20 * NS_PER_S)

/* ---- A type whose runs wait for the test ---- */

struct fake {
    struct probe_run *run; /* in flight, or NULL */
};

static void fake_start(struct probe_run *run)
{
    ((struct fake *)(uintptr_t)run->conf)->run = run;
}

static void fake_cancel(struct probe_run *run)
{
    ((struct fake *)(uintptr_t)run->conf)->run = NULL;
    probe_release(run);
}

static const struct probe_type fake_type = {
    .name = "fake",
    .run_size = sizeof(struct probe_run),
    .start = fake_start,
    .cancel = fake_cancel,
    .dispose = free,
};

/* ---- The bench ---- */

struct bench {
    uv_loop_t loop;
    struct engine engine;
    struct serve *serve;
    struct agent_conf conf;
    char dir[64], socket[96], listen[32];
    int port;
    uint64_t reload; /* the number that who asks for one is given */
    bool closed, stopped;
    int64_t interval;
};

static void bench_turn(struct bench *b)
{
    uv_run(&b->loop, UV_RUN_NOWAIT);
}

static void bench_on_transition(void *ctx, struct check *c, enum health_status from)
{
    struct bench *b = ctx;
    if (b->serve)
        serve_on_transition(b->serve, c, from);
}

static void bench_on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct bench *b = ctx;
    (void)c;
    (void)r;
    if (b->serve)
        serve_on_result(b->serve);
}

static struct check_conf *bench_conf(struct bench *b, const char *name)
{
    struct check_conf *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct check_conf){
        .refs = 1,
        .name = strdup(name),
        .target = strdup("127.0.0.1:80"),
        .type = &fake_type,
        .conf = calloc(1, sizeof(struct fake)),
        .policy = {.interval = b->interval,
                   .timeout = 30 * NS_PER_S,
                   .start_interval = NS_PER_S,
                   .retries = 1,
                   .success_threshold = 1},
        .levels = LEVEL_READY,
        .required = true,
        .fingerprint = strdup(name),
    };
    return c;
}

/* Loads `n` probes named by `names`, or "p0", "p1", ... when NULL. */
static void bench_load(struct bench *b, const char *const *names, size_t n)
{
    struct config config = {.checks = calloc(n + 1, sizeof *config.checks), .n_checks = n};
    struct err e;
    for (size_t i = 0; i < n; i++) {
        char name[32];
        snprintf(name, sizeof name, "p%zu", i);
        config.checks[i] = bench_conf(b, names ? names[i] : name);
    }
    assert_int_equal(engine_load(&b->engine, &config, &e), 0);
    for (size_t i = 0; i < n; i++)
        if (config.checks[i])
            check_conf_unref(config.checks[i]);
    free(config.checks);
}

static uint64_t bench_reload(void *ctx)
{
    return ((struct bench *)ctx)->reload;
}

static int free_port(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void bench_open(struct bench *b, const char *const *names, size_t n)
{
    struct err e;
    const struct engine_hooks hooks = {
        .on_transition = bench_on_transition, .on_result = bench_on_result, .ctx = b};
    const struct serve_hooks serve_hooks = {.reload = bench_reload, .ctx = b};
    *b = (struct bench){.interval = 3600 * NS_PER_S};
    snprintf(b->dir, sizeof b->dir, "/tmp/test_serve.XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    snprintf(b->socket, sizeof b->socket, "%s/probe.sock", b->dir);
    b->port = free_port();
    snprintf(b->listen, sizeof b->listen, "127.0.0.1:%d", b->port);
    b->conf = (struct agent_conf){.socket = b->socket, .socket_mode = 0600, .listen = b->listen};
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(engine_init(&b->engine, &b->loop, true, 1, &hooks), 0);
    bench_load(b, names, n);
    if (serve_open(&b->serve, &b->engine, &b->conf, &serve_hooks, &e) < 0)
        fail_msg("%s", e.text);
    for (size_t i = 0; i < n; i++)
        while (!((struct fake *)b->engine.checks[i]->conf->conf)->run)
            bench_turn(b);
}

/* Ends the run in flight of a check. */
__attribute__((unused)) static void bench_finish(struct bench *b, size_t i, enum reason reason,
                                                 const char *detail)
{
    struct fake *f = b->engine.checks[i]->conf->conf;
    int64_t end = clock_now() + PATIENCE;
    while (!f->run && clock_now() < end)
        bench_turn(b);
    assert_non_null(f->run);
    struct probe_run *run = f->run;
    f->run = NULL;
    probe_finish(run, reason, "%s", detail);
    probe_release(run);
}

static void bench_on_closed(void *ctx)
{
    ((struct bench *)ctx)->closed = true;
}

static void bench_on_stopped(struct engine *e)
{
    container_of(e, struct bench, engine)->stopped = true;
}

static void bench_close(struct bench *b)
{
    struct serve *s = b->serve;
    serve_close(s, bench_on_closed, b);
    b->serve = NULL;
    engine_stop(&b->engine, bench_on_stopped);
    assert_int_equal(uv_run(&b->loop, UV_RUN_DEFAULT), 0);
    assert_true(b->closed);
    assert_true(b->stopped);
    assert_int_equal(uv_loop_close(&b->loop), 0);
    assert_int_equal(access(b->socket, F_OK), -1);
    assert_int_equal(rmdir(b->dir), 0);
}

/* ---- The client ---- */

struct client {
    int fd;
    struct buf in;
    bool eof;
};

static struct client client_open(struct bench *b, bool on_unix)
{
    struct client c = {0};
    buf_init(&c.in, 64 * 1024 * 1024);
    c.fd = socket(on_unix ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(c.fd >= 0);
    struct sockaddr_in in = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)b->port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", b->socket);
    int rc = on_unix ? connect(c.fd, (struct sockaddr *)&un, sizeof un)
                     : connect(c.fd, (struct sockaddr *)&in, sizeof in);
    assert_true(rc == 0 || errno == EINPROGRESS);
    return c;
}

static void client_close(struct client *c)
{
    close(c->fd);
    buf_fini(&c->in);
}

/* Takes what has come; false once the other side has closed. */
static bool client_take(struct client *c)
{
    char data[65536];
    ssize_t n;
    while ((n = recv(c->fd, data, sizeof data, MSG_DONTWAIT)) > 0)
        assert_int_equal(buf_add(&c->in, data, (size_t)n), 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != ENOTCONN))
        c->eof = true;
    return !c->eof;
}

static void client_send_n(struct bench *b, struct client *c, const char *data, size_t len)
{
    int64_t end = clock_now() + PATIENCE;
    while (len && clock_now() < end) {
        ssize_t n = send(c->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            data += n;
            len -= (size_t)n;
        } else if (errno == EPIPE || errno == ECONNRESET) {
            return; /* refused before it was all sent */
        }
        client_take(c);
        bench_turn(b);
    }
}

__attribute__((unused)) static void client_send(struct bench *b, struct client *c, const char *text)
{
    client_send_n(b, c, text, strlen(text));
}

/* Turns the loop until `text` has come (NULL: until the end). */
static bool client_await(struct bench *b, struct client *c, const char *text)
{
    int64_t end = clock_now() + PATIENCE;
    while (clock_now() < end) {
        bench_turn(b);
        bool open = client_take(c);
        if (text && c->in.data && strstr(c->in.data, text))
            return true;
        if (!open && text)
            print_error("closed without %s: %s\n", text, c->in.data ? c->in.data : "");
        if (!open)
            return !text;
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        poll(&p, 1, 0);
    }
    print_error("still waiting for %s after %zu bytes: %.300s\n", text ? text : "the end",
                c->in.len,
                c->in.len > 300 ? c->in.data + c->in.len - 300
                : c->in.data    ? c->in.data
                                : "");
    return false;
}

/* Removes chunk framing from the body, in place. */
static void dechunk(char *body)
{
    char *in = body, *out = body;
    for (;;) {
        char *after;
        size_t n = strtoul(in, &after, 16);
        assert_memory_equal(after, "\r\n", 2);
        in = after + 2;
        if (n == 0)
            break;
        memmove(out, in, n);
        out += n;
        in += n + 2;
    }
    *out = '\0';
}

struct answer {
    int status;
    char *text; /* all of it */
    char *body;
};

static void answer_fini(struct answer *a)
{
    free(a->text);
}

static struct answer client_answer(struct client *c)
{
    struct answer a = {0};
    a.text = buf_take(&c->in);
    assert_non_null(a.text);
    if (sscanf(a.text, "HTTP/1.1 %d", &a.status) != 1)
        return a;
    a.body = strstr(a.text, "\r\n\r\n");
    assert_non_null(a.body);
    a.body += 4;
    if (strstr(a.text, "Transfer-Encoding: chunked") && *a.body)
        dechunk(a.body);
    return a;
}

#define assert_answer(a, want_status, want_text)                                                   \
    do {                                                                                           \
        if ((a).status != (want_status) || !strstr((a).text, (want_text)))                         \
            fail_msg("expected %d with %s, got: %s", (want_status), (want_text), (a).text);        \
        answer_fini(&(a));                                                                         \
    } while (0)

static struct answer ask_raw(struct bench *b, bool on_unix, const char *data, size_t len)
{
    struct client c = client_open(b, on_unix);
    client_send_n(b, &c, data, len);
    assert_true(client_await(b, &c, NULL));
    struct answer a = client_answer(&c);
    client_close(&c);
    return a;
}

static struct answer ask(struct bench *b, bool on_unix, const char *method, const char *path)
{
    char request[4096];
    int n =
        snprintf(request, sizeof request,
                 "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", method, path);
    return ask_raw(b, on_unix, request, (size_t)n);
}

__attribute__((unused)) static struct answer get(struct bench *b, const char *path)
{
    return ask(b, false, "GET", path);
}

#endif
