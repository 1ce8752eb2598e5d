/* agent_client against a scripted server on a thread: what it takes, what it refuses, and that no
 * server can hold it past its deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "cli/agent_client.h"

enum after { AFTER_CLOSE, AFTER_HANG, AFTER_RESET };

/* Serves one connection: reads the request, sends `reply` in pieces of `piece` bytes, ends. */
struct server {
    int listener;
    char address[160], dir[64], path[120];
    const char *reply;
    size_t reply_len, piece;
    enum after after;
    char request[1024];
    int release[2]; /* closed by the test: a hanging server goes on */
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct server *s = arg;
    int fd = accept(s->listener, NULL, NULL);
    if (fd < 0)
        return NULL;
    size_t got = 0;
    while (!strstr(s->request, "\r\n\r\n")) {
        ssize_t n = read(fd, s->request + got, sizeof s->request - got - 1);
        if (n <= 0)
            break;
        got += (size_t)n;
    }
    for (size_t at = 0; at < s->reply_len;) {
        size_t n = s->reply_len - at < s->piece ? s->reply_len - at : s->piece;
        ssize_t sent = send(fd, s->reply + at, n, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        at += (size_t)sent;
    }
    char c;
    if (s->after == AFTER_HANG && read(s->release[0], &c, 1) < 0)
        abort();
    struct linger reset = {.l_onoff = 1};
    if (s->after == AFTER_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    return NULL;
}

static void server_open(struct server *s, int family, const char *reply, size_t len)
{
    *s = (struct server){.reply = reply, .reply_len = len, .piece = 4096};
    strcpy(s->dir, "/tmp/test-agent-client.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->path, sizeof s->path, "%s/s", s->dir);
    s->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->listener >= 0);
    if (family == AF_UNIX) {
        struct sockaddr_un un = {.sun_family = AF_UNIX};
        strcpy(un.sun_path, s->path);
        assert_int_equal(bind(s->listener, (struct sockaddr *)&un, sizeof un), 0);
        strcpy(s->address, s->path);
    } else {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof in;
        assert_int_equal(bind(s->listener, (struct sockaddr *)&in, sizeof in), 0);
        assert_int_equal(getsockname(s->listener, (struct sockaddr *)&in, &size), 0);
        snprintf(s->address, sizeof s->address, "http://localhost:%d", ntohs(in.sin_port));
    }
    assert_int_equal(listen(s->listener, 4), 0);
    assert_int_equal(pipe(s->release), 0);
}

static void server_run(struct server *s)
{
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_close(struct server *s)
{
    close(s->release[1]);
    shutdown(s->listener, SHUT_RDWR); /* wakes an accept nobody came to */
    pthread_join(s->thread, NULL);
    close(s->release[0]);
    close(s->listener);
    unlink(s->path);
    rmdir(s->dir);
}

static int64_t in_s(int s)
{
    return clock_now() + s * NS_PER_S;
}

/* One exchange over a unix socket; the status or -1. */
static int ask(const char *reply, size_t len, size_t piece, enum after after, int64_t budget,
               struct buf *body, struct err *e)
{
    struct server s;
    server_open(&s, AF_UNIX, reply, len);
    s.piece = piece;
    s.after = after;
    server_run(&s);
    int status = agent_request(s.address, NULL, "GET", "/status", clock_now() + budget, body, e);
    server_close(&s);
    assert_string_equal(s.request,
                        "GET /status HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    return status;
}

static void takes(const char *reply, int status, const char *expected)
{
    for (size_t piece = 1; piece <= 4096; piece *= 64) {
        struct buf body;
        struct err e = {{0}};
        int got = ask(reply, strlen(reply), piece, AFTER_CLOSE, 20 * NS_PER_S, &body, &e);
        if (got != status)
            print_error("%s\n", e.text);
        assert_int_equal(got, status);
        assert_string_equal(body.data, expected);
        buf_fini(&body);
    }
}

static void refuses(const char *reply, size_t len, enum after after, const char *words)
{
    struct buf body;
    struct err e = {{0}};
    int64_t budget = after == AFTER_HANG ? 100 * NS_PER_MS : 20 * NS_PER_S;
    assert_int_equal(ask(reply, len, 4096, after, budget, &body, &e), -1);
    assert_non_null(strstr(e.text, "no agent answers at /tmp/test-agent-client."));
    if (!strstr(e.text, words))
        fail_msg("expected \"%s\" in \"%s\"", words, e.text);
    buf_fini(&body);
}

static void test_answers(void **state)
{
    (void)state;
    takes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello");
    takes("HTTP/1.0 503 Service Unavailable\r\ncontent-length:\t2 \r\n\r\n{}", 503, "{}");
    takes("HTTP/1.0 200\r\n\r\nto the end\r\n\r\n", 200, "to the end\r\n\r\n");
    takes("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "");
    takes("HTTP/1.1 422 \r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx", 422, "x");
}

static void test_content_length_ends_it(void **state)
{
    (void)state;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct buf body;
    struct err e;
    assert_int_equal(ask(reply, strlen(reply), 4096, AFTER_HANG, 20 * NS_PER_S, &body, &e), 200);
    assert_string_equal(body.data, "ok");
    buf_fini(&body);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *reply, *words;
    } rows[] = {
        {"", "closed without an answer"},
        {"HTTP/1.1 200 OK\r\nContent-Le", "closed before the answer was whole"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", "closed before the answer was whole"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello!", "more came than"},
        {"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "broken answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello", "broken answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\nhello", "broken answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nhello", "broken answer"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", "whole"},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello", "whole"},
        {"HTTP/1.1 100 Continue\r\n\r\n", "whole"},
        {"HTTP/2.0 200 OK\r\n\r\n", "not HTTP"},
        {"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP"},
        {"SSH-2.0-OpenSSH\r\n\r\n", "not HTTP"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refuses(rows[i].reply, strlen(rows[i].reply), AFTER_CLOSE, rows[i].words);
    static const char nul[] = "HTTP/1.1 200 OK\r\nA: \0\r\n\r\n";
    refuses(nul, sizeof nul - 1, AFTER_CLOSE, "a broken answer: ");
}

static void test_deadline(void **state)
{
    (void)state;
    static const char *const starts[] = {"", "HTTP/1.1 200 OK\r\n",
                                         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
                                         "HTTP/1.1 200 OK\r\n\r\nhe"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        refuses(starts[i], strlen(starts[i]), AFTER_HANG, "no answer in time");
}

static void test_endless_head(void **state)
{
    (void)state;
    size_t len = 200 * 1024;
    char *reply = malloc(len);
    assert_non_null(reply);
    memset(reply, 'a', len);
    memcpy(reply, "HTTP/1.1 200 OK\r\nA: ", 20);
    refuses(reply, len, AFTER_CLOSE, "a line is over 64 KiB");
    free(reply);
}

static void test_endless_body(void **state)
{
    (void)state;
    size_t len = 65 * 1024 * 1024;
    char *reply = malloc(len);
    assert_non_null(reply);
    memset(reply, 'a', len);
    memcpy(reply, "HTTP/1.1 200 OK\r\n\r\n", 19);
    struct buf body;
    struct err e;
    assert_int_equal(ask(reply, len, 1 << 20, AFTER_CLOSE, 60 * NS_PER_S, &body, &e), -1);
    assert_non_null(strstr(e.text, "the answer is over 67108864 bytes"));
    buf_fini(&body);
    free(reply);
}

/* localhost is tried on both families: this server listens on IPv4 only. */
static void test_tcp(void **state)
{
    (void)state;
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    struct server s;
    server_open(&s, AF_INET, reply, strlen(reply));
    server_run(&s);
    struct buf body;
    struct err e;
    assert_int_equal(agent_request(s.address, NULL, "POST", "/check/x", in_s(20), &body, &e), 200);
    assert_string_equal(body.data, "ok");
    buf_fini(&body);
    server_close(&s);
    assert_int_equal(strncmp(s.request, "POST /check/x HTTP/1.0\r\n", 24), 0);
}

static void test_reset(void **state)
{
    (void)state;
    struct server s;
    server_open(&s, AF_INET, "HTTP/1.1 200", 12);
    s.after = AFTER_RESET;
    server_run(&s);
    struct buf body;
    struct err e;
    assert_int_equal(agent_request(s.address, NULL, "GET", "/", in_s(20), &body, &e), -1);
    assert_non_null(strstr(e.text, "reset"));
    buf_fini(&body);
    server_close(&s);
}

static void test_nobody(void **state)
{
    (void)state;
    struct buf body;
    struct err e;
    assert_int_equal(
        agent_request("/nonexistent/probe.sock", NULL, "GET", "/", in_s(20), &body, &e), -1);
    assert_string_equal(
        e.text,
        "no agent answers at /nonexistent/probe.sock: connect to unix:///nonexistent/probe.sock: "
        "no such socket");
    buf_fini(&body);

    struct server s; /* bound, and then no longer listening */
    server_open(&s, AF_INET, "", 0);
    server_run(&s);
    char address[160];
    strcpy(address, s.address);
    server_close(&s);
    assert_int_equal(agent_request(address, NULL, "GET", "/", in_s(20), &body, &e), -1);
    assert_non_null(strstr(e.text, "connect to "));
    buf_fini(&body);
}

/* A full queue of a unix socket is EAGAIN, for which poll cannot wait. */
static void test_full_queue(void **state)
{
    (void)state;
    struct server s;
    server_open(&s, AF_UNIX, "", 0);
    assert_int_equal(listen(s.listener, 0), 0);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    strcpy(un.sun_path, s.path);
    int fds[16];
    size_t n = 0;
    for (; n < 16; n++) {
        fds[n] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fds[n], (struct sockaddr *)&un, sizeof un) < 0)
            break;
    }
    assert_true(n < 16);
    struct buf body;
    struct err e;
    int64_t deadline = clock_now() + 50 * NS_PER_MS;
    assert_int_equal(agent_request(s.path, NULL, "GET", "/", deadline, &body, &e), -1);
    assert_non_null(strstr(e.text, "no answer in time"));
    assert_true(clock_now() >= deadline);
    buf_fini(&body);
    for (size_t i = 0; i <= n && i < 16; i++)
        close(fds[i]);
    server_run(&s);
    server_close(&s);
}

static void test_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *agent, *words;
    } rows[] = {
        {"http://127.0.0.1:0", "is not a port"},
        {"http://127.0.0.1:65536", "is not a port"},
        {"http://127.0.0.1:+1", "is not a port"},
        {"http://[::1", "expected [v6]:port"},
        {"http://[::1]x", "expected [v6]:port"},
        {"http://::1", "bad address of the agent"},
        {"http://127.0.0.1:1/status", "nothing after it"},
        {"http://", "bad address of the agent"},
        {"https://127.0.0.1:1", "expected a socket path"},
        {"unix://", "an empty socket path"},
        {"", "an empty socket path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct buf body;
        struct err e;
        assert_int_equal(agent_request(rows[i].agent, NULL, "GET", "/", in_s(20), &body, &e), -1);
        if (!strstr(e.text, rows[i].words))
            fail_msg("expected \"%s\" in \"%s\"", rows[i].words, e.text);
        buf_fini(&body);
    }
    char path[200];
    memset(path, 'a', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    struct buf body;
    struct err e;
    assert_int_equal(agent_request(path, NULL, "GET", "/", in_s(20), &body, &e), -1);
    assert_non_null(strstr(e.text, "at most 107 work"));
    buf_fini(&body);
    assert_int_equal(agent_request("/x", NULL, "GET", "/a b\r\nX: y", in_s(20), &body, &e), -1);
    assert_non_null(strstr(e.text, "cannot be asked for"));
    buf_fini(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),      cmocka_unit_test(test_content_length_ends_it),
        cmocka_unit_test(test_refusals),     cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_endless_head), cmocka_unit_test(test_endless_body),
        cmocka_unit_test(test_tcp),          cmocka_unit_test(test_reset),
        cmocka_unit_test(test_nobody),       cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
