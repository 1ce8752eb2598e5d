/* listener: accepts connections, as many as fit, and ends those that hold a place without using it.
 * Accepting is ours and not libmicrohttpd's, so that a full table or a lack of descriptors pauses
 * the listener instead of spinning. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/internal.h"

#define ACCEPT_AT_ONCE 32
#define PAUSE          (100 * NS_PER_MS) /* without descriptors */
#define SWEEP_EVERY    (5 * NS_PER_S)
#define PATIENCE_MS    100      /* with another agent that starts in the socket's folder */
#define EVICT_AGE      NS_PER_S /* an idle connection is safe for so long */

/* The share of the descriptors: a flood here must not take the ones that checks need. */
static size_t connections_allowed(size_t most, size_t part)
{
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
        return most;
    size_t share = (size_t)r.rlim_cur / part;
    return share < 4 ? 4 : share < most ? share : most;
}

static void on_closed(uv_handle_t *h)
{
    serve_handle_closed(((struct listener *)h->data)->serve);
}

/* Frees a place: the connection that is idle the longest. False when none is idle for a while. */
static bool evict(struct listener *l, int64_t now)
{
    struct conn *oldest = NULL;
    for (struct conn *c = l->serve->conns; c; c = c->next)
        if (c->shard->listener == l && !c->busy && (!oldest || c->since < oldest->since))
            oldest = c;
    if (!oldest || now - oldest->since < EVICT_AGE)
        return false;
    oldest->since = now; /* its end takes a turn: not twice */
    shutdown(oldest->fd, SHUT_RDWR);
    return true;
}

static struct shard *shard_with_room(struct listener *l)
{
    for (size_t i = 0; i < l->n_shards; i++)
        if (l->shards[i]->n_conns < SHARD_CONNECTIONS)
            return l->shards[i];
    if (l->n_shards == l->max_shards)
        return NULL;
    struct err e;
    struct shard *sh = shard_open(l, &e);
    if (sh)
        l->shards[l->n_shards++] = sh;
    return sh;
}

static void stop_polling(struct listener *l)
{
    uv_poll_stop(&l->poll);
    l->polling = false;
}

static void pause_accepting(struct listener *l, int64_t now)
{
    stop_polling(l);
    l->paused_until = now + PAUSE;
    serve_want_tick(l->serve, l->paused_until);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    int64_t now = clock_now();
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        if (l->n_conns >= l->max_conns) {
            l->full = true;
            stop_polling(l);
            evict(l, now);
            serve_want_tick(l->serve, time_add(now, NS_PER_S));
            return;
        }
        struct shard *sh = shard_with_room(l);
        if (!sh) {
            pause_accepting(l, now);
            return;
        }
        struct sockaddr_storage addr = {.ss_family = l->is_unix ? AF_UNIX : AF_UNSPEC};
        socklen_t len = sizeof addr;
        int fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)) {
            pause_accepting(l, now);
            return;
        }
        if (fd < 0 && errno != EINTR && errno != ECONNABORTED)
            return;
        if (fd < 0)
            continue;
        if (MHD_add_connection(sh->daemon, fd, (struct sockaddr *)&addr, len) == MHD_YES) {
            sh->ready = true;
            serve_want_turn(l->serve);
        }
    }
}

void listener_review(struct listener *l, int64_t now)
{
    if (!l->open || l->polling)
        return;
    if (now < l->paused_until) {
        serve_want_tick(l->serve, l->paused_until);
        return;
    }
    if (l->n_conns >= l->max_conns) {
        evict(l, now);
        serve_want_tick(l->serve, time_add(now, NS_PER_S));
        return;
    }
    l->paused_until = 0;
    l->full = false;
    l->polling = uv_poll_start(&l->poll, UV_READABLE, on_connection) == 0;
}

static int listener_start(struct listener *l, struct serve *s, struct err *e)
{
    l->serve = s;
    int rc = uv_poll_init(s->loop, &l->poll, l->fd);
    if (rc < 0) {
        if (l->is_unix)
            bind_unlink(l->path, &l->id);
        close(l->fd);
        free(l->path);
        l->path = NULL;
        return err_set(e, "cannot listen: %s", uv_strerror(rc));
    }
    l->poll.data = l;
    l->open = true;
    serve_handle_opened(s);
    /* The first daemon now: later there may be no descriptors, and this tells what fails. */
    l->shards[0] = shard_open(l, e);
    if (!l->shards[0])
        return -1;
    l->n_shards = 1;
    listener_review(l, clock_now());
    return 0;
}

int listener_open_tcp(struct listener *l, struct serve *s, const char *text, struct err *e)
{
    *l = (struct listener){.max_shards = TCP_SHARDS,
                           .max_conns =
                               connections_allowed((size_t)TCP_SHARDS * SHARD_CONNECTIONS, 2)};
    l->fd = bind_tcp(text, e);
    return l->fd < 0 ? -1 : listener_start(l, s, e);
}

int listener_open_unix(struct listener *l, struct serve *s, const char *path, unsigned mode,
                       struct err *e)
{
    *l = (struct listener){.is_unix = true,
                           .max_shards = UNIX_SHARDS,
                           .max_conns =
                               connections_allowed((size_t)UNIX_SHARDS * SHARD_CONNECTIONS, 8)};
    l->path = strdup(path);
    if (!l->path)
        return err_set(e, "out of memory");
    l->fd = bind_unix(path, mode, NULL, PATIENCE_MS, &l->id, e);
    if (l->fd < 0) {
        free(l->path);
        l->path = NULL;
        return -1;
    }
    return listener_start(l, s, e);
}

void listener_close(struct listener *l)
{
    if (!l->open)
        return;
    l->open = false;
    uv_close((uv_handle_t *)&l->poll, on_closed);
    close(l->fd);
    if (l->is_unix)
        bind_unlink(l->path, &l->id);
    free(l->path);
    l->path = NULL;
}

void conn_sweep(struct serve *s, int64_t now)
{
    if (now < s->sweep_due) {
        if (s->conns)
            serve_want_tick(s, s->sweep_due);
        return;
    }
    for (struct conn *c = s->conns; c; c = c->next) {
        if (now < c->deadline)
            continue;
        c->deadline = TIME_NEVER;
        shutdown(c->fd, SHUT_RDWR);
    }
    s->sweep_due = now + SWEEP_EVERY;
    if (s->conns)
        serve_want_tick(s, s->sweep_due);
}
