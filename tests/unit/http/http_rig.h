/* http_rig: what the tests of the http type share: the engine's side of one run on a real loop, and
 * a server in a thread of its own that does what its script says. Included by one file a program.
 */
#ifndef TEST_HTTP_RIG_H
#define TEST_HTTP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "http_settings.h"
#include "run_harness.h"

#define GUARD_MS 20000 /* a test that takes this long has hung */

/* ---- One run ---- */

/* To its release and the loop's clean end; with `cancel_at` it is cancelled as soon as its note
 * holds those words. */
static void rig_run(struct harness *h, const char *const *pairs, const char *cancel_at)
{
    struct probe_report report;
    char *target;
    void *conf = make_conf(pairs, &report, &target);
    if (!conf)
        fail_msg("refused: %s", report.text);
    harness_open(h);
    harness_start(h, &probe_type_http, conf, NULL);
    int64_t limit = clock_now() + GUARD_MS * NS_PER_MS;
    while (cancel_at && !h->released && !strstr(harness_note(h), cancel_at) && clock_now() < limit)
        uv_run(&h->loop, UV_RUN_NOWAIT);
    if (cancel_at)
        harness_cancel(h);
    else
        harness_wait(h, GUARD_MS);
    harness_close(h);
    probe_type_http.dispose(conf);
    free(target);
}

static void expect_result(const struct harness *r, enum reason reason, const char *words)
{
    if (r->finished != 1 || r->reason != reason || !strstr(r->detail, words))
        fail_msg("expected %s with '%s', got %s with '%s' (finished %d times)", reason_name(reason),
                 words, reason_name(r->reason), r->detail, r->finished);
}

/* ---- The server: one script a connection, each a list of acts ---- */

enum act {
    ACT_END,   /* close */
    ACT_READ,  /* a request's head */
    ACT_SOME,  /* whatever comes first */
    ACT_SEND,  /* text */
    ACT_DRIP,  /* text, byte by byte */
    ACT_FLOOD, /* text again and again, until the client has gone */
    ACT_FIN,   /* close our side, then read until the client has gone */
    ACT_HANG,  /* read until the client has gone */
    ACT_RESET, /* close with a reset */
    ACT_TLS,   /* handshake; what follows is inside */
};

struct step {
    enum act act;
    const char *text;
};

#define STEPS_MAX    8
#define REQUESTS_MAX 16

struct server {
    struct step scripts[REQUESTS_MAX][STEPS_MAX]; /* the last one given is used again */
    size_t n_scripts;
    SSL_CTX *tls;
    int fd, stop_fds[2], open_before;
    uint16_t port;
    char path[108]; /* of a unix socket; empty: TCP */
    char requests[REQUESTS_MAX][4096];
    size_t n_requests;
    pthread_t thread;
};

struct client {
    int fd;
    SSL *ssl;
};

static ssize_t client_read(struct client *c, char *buf, size_t size)
{
    return c->ssl ? SSL_read(c->ssl, buf, (int)size) : read(c->fd, buf, size);
}

static bool client_write(struct client *c, const char *data, size_t len)
{
    while (len) {
        ssize_t n =
            c->ssl ? SSL_write(c->ssl, data, (int)len) : send(c->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

static void drain(struct client *c)
{
    char buf[4096];
    while (client_read(c, buf, sizeof buf) > 0)
        ;
}

static void read_request(struct server *s, struct client *c)
{
    char *into = s->requests[s->n_requests < REQUESTS_MAX ? s->n_requests : 0];
    size_t used = 0;
    while (used < sizeof s->requests[0] - 1) {
        ssize_t n = client_read(c, into + used, sizeof s->requests[0] - 1 - used);
        if (n <= 0)
            break;
        used += (size_t)n;
        into[used] = '\0';
        if (strstr(into, "\r\n\r\n"))
            break;
    }
    if (s->n_requests < REQUESTS_MAX - 1)
        s->n_requests++;
}

static void drip(struct client *c, const char *text)
{
    for (; *text; text++) {
        if (!client_write(c, text, 1))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
}

static void serve_script(struct server *s, struct client *c, const struct step *step)
{
    for (;; step++) {
        switch (step->act) {
        case ACT_END:
            return;
        case ACT_READ:
            read_request(s, c);
            break;
        case ACT_SOME:
            client_read(c, s->requests[0], 64);
            break;
        case ACT_SEND:
            client_write(c, step->text, strlen(step->text));
            break;
        case ACT_DRIP:
            drip(c, step->text);
            break;
        case ACT_FLOOD:
            while (client_write(c, step->text, strlen(step->text)))
                ;
            break;
        case ACT_FIN:
            shutdown(c->fd, SHUT_WR);
            drain(c);
            return;
        case ACT_HANG:
            drain(c);
            return;
        case ACT_RESET:
            if (c->ssl)
                SSL_set_quiet_shutdown(c->ssl, 1);
            setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1},
                       sizeof(struct linger));
            return;
        case ACT_TLS:
            c->ssl = SSL_new(s->tls);
            SSL_set_fd(c->ssl, c->fd);
            if (SSL_accept(c->ssl) != 1) {
                /* Closing with the client's request unread would reset, and the alert be lost. */
                shutdown(c->fd, SHUT_WR);
                char buf[4096];
                while (read(c->fd, buf, sizeof buf) > 0)
                    ;
                return;
            }
            break;
        }
    }
}

static void *server_main(void *arg)
{
    struct server *s = arg;
    for (size_t i = 0;; i++) {
        struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN},
                                {.fd = s->stop_fds[0], .events = POLLIN}};
        if (poll(fds, 2, -1) < 0 || fds[1].revents)
            return NULL;
        struct client c = {.fd = accept(s->fd, NULL, NULL)};
        if (c.fd < 0)
            continue;
        setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        serve_script(s, &c, s->scripts[i < s->n_scripts ? i : s->n_scripts - 1]);
        if (c.ssl) {
            SSL_shutdown(c.ssl);
            SSL_free(c.ssl);
        }
        close(c.fd);
    }
}

static void server_script(struct server *s, const struct step *steps)
{
    size_t i = 0;
    do
        s->scripts[s->n_scripts][i] = steps[i];
    while (steps[i++].act != ACT_END);
    s->n_scripts++;
}

#define SCRIPT(s, ...) server_script(s, (const struct step[]){__VA_ARGS__, {ACT_END, NULL}})

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* `path` NULL: TCP on a free port of 127.0.0.1. */
static void server_start(struct server *s, const char *path)
{
    union {
        struct sockaddr any;
        struct sockaddr_in in;
        struct sockaddr_un un;
    } a = {.in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a.in;
    /* The first loop of a process opens a pipe for signals that stays. */
    uv_loop_t first;
    uv_loop_init(&first);
    uv_loop_close(&first);
    s->open_before = count_fds();
    if (path) {
        a.un.sun_family = AF_UNIX;
        snprintf(a.un.sun_path, sizeof a.un.sun_path, "%s", path);
        len = sizeof a.un;
    }
    s->fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, &a.any, len), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    getsockname(s->fd, &a.any, &len);
    s->port = path ? 0 : ntohs(a.in.sin_port);
    assert_int_equal(pipe(s->stop_fds), 0);
    assert_int_equal(pthread_create(&s->thread, NULL, server_main, s), 0);
}

/* For one that was started while another ran: that one may be at a connection yet. */
static void server_end(struct server *s)
{
    close(s->stop_fds[1]);
    pthread_join(s->thread, NULL);
    close(s->stop_fds[0]);
    close(s->fd);
}

/* Also sees to it that no descriptor was left open while it ran. */
static void server_stop(struct server *s)
{
    server_end(s);
    assert_int_equal(count_fds(), s->open_before);
}

/* "scheme://127.0.0.1:PORT/path" in one of a few static places. */
static const char *url_of(const struct server *s, const char *scheme, const char *path)
{
    static char text[4][256];
    static unsigned next;
    char *out = text[next++ % 4];
    snprintf(out, sizeof text[0], "%s://127.0.0.1:%u%s", scheme, (unsigned)s->port, path);
    return out;
}

#endif
