/* agent_check: see agent_check.h.
 *
 * The line goes out at once, into the empty buffer of the new socket. The connection is then kept
 * for a moment to take in what the client sent (HAProxy's agent-send): closing with unread bytes
 * would be a reset, and could cost the client its line. */
#include "reports/agent_check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/bind.h"
#include "loop/closer.h"
#include "view/verdict.h"

#define CONNECTIONS    64
#define ACCEPT_AT_ONCE 16
#define LINGER         NS_PER_S
#define LINE_AGE       (20 * NS_PER_MS)
#define TICK_MS        50

struct agent_check {
    struct engine *engine;
    int fd;
    bool drain;
    bool drained; /* somebody was told to drain, so that `ready` must end it */
    struct closer closer;
    uv_poll_t poll;
    uv_timer_t tick; /* runs while there is a connection or the listener rests */
    struct {
        int fd;
        int64_t until;
    } open[CONNECTIONS]; /* the oldest first */
    size_t n_open;
    size_t max_open;
    bool resting; /* accept(2) fails: not again until the next tick */
    int64_t line_at;
    size_t line_len;
    char line[AGENT_CHECK_LINE];
};

size_t agent_check_line(char line[AGENT_CHECK_LINE], const struct engine *e, int64_t now,
                        bool drain, bool drained)
{
    struct readiness r = engine_readiness(e, now);
    if (verdict_is_ready(&r))
        return (size_t)snprintf(line, AGENT_CHECK_LINE, "%sup %u%%\n",
                                drain || drained ? "ready " : "", verdict_weight(e, now));
    struct buf why;
    buf_init(&why, AGENT_CHECK_LINE * 4);
    verdict_why(&why, e, &r, now);
    char text[AGENT_CHECK_LINE];
    snprintf(text, sizeof text, "%s", why.data ? why.data : "");
    str_printable(text, AGENT_CHECK_LINE - 16);
    buf_fini(&why);
    return (size_t)snprintf(line, AGENT_CHECK_LINE, "%s #%s\n", drain ? "drain" : "down", text);
}

static void renew_line(struct agent_check *a, int64_t now)
{
    if (a->line_len && now - a->line_at < LINE_AGE)
        return;
    a->line_len = agent_check_line(a->line, a->engine, now, a->drain, a->drained);
    a->line_at = now;
    a->drained |= str_starts(a->line, "drain");
}

/* True once the client has closed, or failed. At most one buffer is taken at a time. */
static bool client_is_done(int fd)
{
    char rest[4096];
    ssize_t n = recv(fd, rest, sizeof rest, MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR);
}

static void drop(struct agent_check *a, size_t i)
{
    close(a->open[i].fd);
    a->n_open--;
    memmove(&a->open[i], &a->open[i + 1], (a->n_open - i) * sizeof a->open[0]);
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void on_tick(uv_timer_t *tick)
{
    struct agent_check *a = container_of(tick, struct agent_check, tick);
    int64_t now = clock_now();
    for (size_t i = a->n_open; i-- > 0;)
        if (client_is_done(a->open[i].fd) || now >= a->open[i].until)
            drop(a, i);
    if (a->resting)
        a->resting = uv_poll_start(&a->poll, UV_READABLE, on_connection) != 0;
    if (!a->n_open && !a->resting)
        uv_timer_stop(tick);
}

static void want_tick(struct agent_check *a)
{
    if (!uv_is_active((uv_handle_t *)&a->tick))
        uv_timer_start(&a->tick, on_tick, TICK_MS, TICK_MS);
}

static void serve_one(struct agent_check *a, int fd, int64_t now)
{
    renew_line(a, now);
    if (send(fd, a->line, a->line_len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ||
        shutdown(fd, SHUT_WR) < 0 || client_is_done(fd)) {
        close(fd);
        return;
    }
    if (a->n_open == a->max_open)
        drop(a, 0);
    a->open[a->n_open].fd = fd;
    a->open[a->n_open].until = time_add(now, LINGER);
    a->n_open++;
    want_tick(a);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct agent_check *a = container_of(poll, struct agent_check, poll);
    int64_t now = clock_now();
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            serve_one(a, fd, now);
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            uv_poll_stop(&a->poll); /* out of descriptors, or forbidden */
            a->resting = true;
            want_tick(a);
            return;
        }
    }
}

/* A small share of the descriptors: a flood here must not take the ones that checks need. */
static size_t connections_allowed(void)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur / 16 >= CONNECTIONS)
        return CONNECTIONS;
    return r.rlim_cur < 32 ? 2 : (size_t)r.rlim_cur / 16;
}

static void on_closed(struct closer *c)
{
    free(container_of(c, struct agent_check, closer));
}

struct agent_check *agent_check_open(struct engine *e, const char *address, bool drain,
                                     const struct agent_check *old, struct err *err)
{
    struct agent_check *a = calloc(1, sizeof *a);
    if (!a) {
        err_set(err, "out of memory");
        return NULL;
    }
    a->engine = e;
    a->drain = drain;
    a->drained = old && old->drained;
    a->max_open = connections_allowed();
    a->fd = bind_tcp(address, old ? old->fd : -1, err);
    if (a->fd < 0) {
        err_prefix(err, "agent_check");
        free(a);
        return NULL;
    }
    int rc = uv_poll_init(e->loop, &a->poll, a->fd);
    if (rc < 0) {
        err_set(err, "agent_check: cannot listen on %s: %s", address, uv_strerror(rc));
        close(a->fd);
        free(a);
        return NULL;
    }
    closer_init(&a->closer, e->loop, on_closed);
    closer_add(&a->closer, &a->poll);
    uv_timer_init(e->loop, &a->tick);
    closer_add(&a->closer, &a->tick);
    uv_poll_start(&a->poll, UV_READABLE, on_connection);
    return a;
}

void agent_check_set(struct agent_check *a, bool drain)
{
    a->drain = drain;
    a->line_len = 0;
}

void agent_check_close(struct agent_check *a)
{
    if (!a)
        return;
    while (a->n_open)
        drop(a, a->n_open - 1);
    closer_close(&a->closer);
    close(a->fd);
}
