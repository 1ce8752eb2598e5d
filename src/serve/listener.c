/* listener: a listening socket and the libmicrohttpd daemon of its connections, on our loop and
 * without a thread. Accepting is ours and not libmicrohttpd's, so that a full table or a lack of
 * descriptors pauses the listener instead of spinning. */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/internal.h"

#define ACCEPT_AT_ONCE 64
#define SEND_BUFFER    (128 * 1024)      /* the kernel's, of a TCP connection; it doubles it */
#define PAUSE          (100 * NS_PER_MS) /* where accept(2) fails */
#define PATIENCE_MS    100 /* at the start, with another agent that starts in the same folder */

/* The share of the descriptors: a flood here must not take the ones that checks need. */
static size_t connections_allowed(bool is_unix)
{
    struct rlimit r;
    size_t most = is_unix ? UNIX_CONNECTIONS : TCP_CONNECTIONS;
    if (getrlimit(RLIMIT_NOFILE, &r) < 0 || r.rlim_cur == RLIM_INFINITY)
        return most;
    size_t share = (size_t)r.rlim_cur / (is_unix ? 8 : 2);
    return share < 4 ? 4 : share < most ? share : most;
}

static void on_connection(uv_poll_t *poll, int status, int events);

static void listener_move(struct listener *l, enum listener_state to)
{
    assert(l->state != LISTENER_DRAINING);
    if (to != LISTENER_ACCEPTING)
        uv_poll_stop(&l->accepting);
    else if (uv_poll_start(&l->accepting, UV_READABLE, on_connection) < 0)
        to = LISTENER_PAUSED;
    l->state = to;
    l->paused_until = time_add(clock_now(), PAUSE);
    if (to == LISTENER_PAUSED)
        turn_want_tick(l->turn, l->paused_until);
}

/* How many stand at the door: of a listening TCP socket the kernel tells it. */
static size_t count_waiting(const struct listener *l)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (l->is_unix || getsockopt(l->fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0 ||
        info.tcpi_unacked < 1)
        return 1;
    return info.tcpi_unacked < ACCEPT_AT_ONCE ? info.tcpi_unacked : ACCEPT_AT_ONCE;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *l = container_of(poll, struct listener, accepting);
    (void)status;
    (void)events;
    for (int i = 0; i < ACCEPT_AT_ONCE; i++) {
        if (l->n_conns >= l->max_conns) {
            if (i > 0)
                return; /* whether one more stands there, the next turn tells */
            conn_evict(l, count_waiting(l));
            listener_move(l, LISTENER_FULL);
            return;
        }
        struct sockaddr_storage addr = {.ss_family = l->is_unix ? AF_UNIX : AF_UNSPEC};
        socklen_t len = sizeof addr;
        int fd = accept4(l->fd, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            if (MHD_add_connection(l->daemon, fd, (struct sockaddr *)&addr, len) == MHD_YES) {
                l->ready = true;
                turn_want(l->turn);
            }
        } else if (errno == EAGAIN) {
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            listener_move(l, LISTENER_PAUSED); /* out of descriptors, or forbidden */
            return;
        }
    }
}

bool listener_review(struct listener *l, int64_t now)
{
    if ((l->state == LISTENER_FULL && l->n_conns < l->max_conns) ||
        (l->state == LISTENER_PAUSED && now >= l->paused_until))
        listener_move(l, LISTENER_ACCEPTING);
    else if (l->state == LISTENER_PAUSED)
        turn_want_tick(l->turn, l->paused_until);
    return l->state != LISTENER_DRAINING || l->n_conns > 0;
}

/* ---- The daemon ---- */

/* Left as it came: names are decoded where they are used, with what is refused in them. */
static size_t keep_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static void on_connection_change(void *cls, struct MHD_Connection *mhd, void **socket_context,
                                 enum MHD_ConnectionNotificationCode code)
{
    struct listener *l = cls;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        conn_come(l, mhd, socket_context);
        return;
    }
    conn_go(l, socket_context);
    if (l->state != LISTENER_ACCEPTING)
        turn_want(l->turn); /* its descriptor is closed after this call: accept in the turn */
}

static void on_runnable(uv_poll_t *poll, int status, int events)
{
    struct listener *l = container_of(poll, struct listener, running);
    (void)status;
    (void)events;
    l->ready = true;
    turn_want(l->turn);
}

void listener_run(struct listener *l)
{
    l->ready = false;
    MHD_run(l->daemon);
    unsigned long long ms;
    l->due = TIME_NEVER;
    if (MHD_get_timeout(l->daemon, &ms) != MHD_YES)
        return;
    if (ms == 0) {
        l->ready = true;
    } else if (ms < INT64_MAX / NS_PER_MS) {
        l->due = time_add(clock_now(), (int64_t)ms * NS_PER_MS);
        turn_want_tick(l->turn, l->due);
    }
}

/* ---- Opening and closing ---- */

static void on_closed(struct closer *c)
{
    struct listener *l = container_of(c, struct listener, closer);
    closer_drop(&l->turn->closer);
    free(l->text);
    free(l);
}

static void on_accepting_closed(uv_handle_t *handle)
{
    struct listener *l = container_of((uv_poll_t *)handle, struct listener, accepting);
    closer_drop(&l->closer);
}

/* Listens on l->text. It stops before all else is closed, so the closer only holds it. */
static int add_socket(struct listener *l, const struct listener *old, struct err *e)
{
    bool same_path = old && l->is_unix && strcmp(old->text, l->text) == 0;
    int size = SEND_BUFFER;
    l->fd = l->is_unix ? bind_unix(l->text, l->mode, same_path ? &old->id : NULL,
                                   old ? 0 : PATIENCE_MS, &l->id, e)
                       : bind_tcp(l->text, old ? old->fd : -1, e);
    if (l->fd < 0)
        return -1;
    if (!l->is_unix) /* its connections inherit it */
        setsockopt(l->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    int rc = uv_poll_init(l->turn->idle.loop, &l->accepting, l->fd);
    if (rc == 0) {
        closer_hold(&l->closer);
        return 0;
    }
    if (l->is_unix)
        bind_unlink(l->text, &l->id);
    close(l->fd);
    l->fd = -1;
    return err_set(e, "cannot listen on %s: %s", l->text, uv_strerror(rc));
}

/* The daemon at once, with its descriptors: later there may be none, and this tells what fails. */
static int add_daemon(struct listener *l, const struct listener_calls *calls, struct err *e)
{
    l->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        calls->handle, calls->ctx, MHD_OPTION_CONNECTION_LIMIT, (unsigned)l->max_conns,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)POOL_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_connection_change, l,
        MHD_OPTION_NOTIFY_COMPLETED, calls->end, calls->ctx, MHD_OPTION_URI_LOG_CALLBACK,
        calls->begin, calls->ctx, MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    if (!l->daemon)
        return err_set(e, "cannot start the HTTP server: out of memory or descriptors");
    int fd = MHD_get_daemon_info(l->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int rc = uv_poll_init(l->turn->idle.loop, &l->running, fd);
    if (rc < 0)
        return err_set(e, "cannot listen on %s: %s", l->text, uv_strerror(rc));
    closer_add(&l->closer, &l->running);
    return 0;
}

struct listener *listener_open(struct conns *conns, const struct listener_calls *calls,
                               bool is_unix, const char *text, unsigned mode,
                               const struct listener *old, struct err *e)
{
    struct listener *l = calloc(1, sizeof *l);
    if (!l || !(l->text = strdup(text))) {
        free(l);
        err_set(e, "out of memory");
        return NULL;
    }
    l->turn = conns->turn;
    l->conns = conns;
    l->state = LISTENER_PAUSED; /* until it is started */
    l->is_unix = is_unix;
    l->mode = mode;
    l->due = l->paused_until = TIME_NEVER;
    l->max_conns = connections_allowed(is_unix);
    closer_init(&l->closer, l->turn->idle.loop, on_closed);
    closer_hold(&l->turn->closer);
    if (add_socket(l, old, e) == 0 && add_daemon(l, calls, e) == 0)
        return l;
    listener_close(l);
    return NULL;
}

void listener_start(struct listener *l)
{
    uv_poll_start(&l->running, UV_READABLE, on_runnable);
    listener_move(l, LISTENER_ACCEPTING);
}

/* Gives up the socket and its name. */
static void stop_listening(struct listener *l)
{
    if (l->fd < 0)
        return;
    if (l->is_unix)
        bind_unlink(l->text, &l->id);
    uv_close((uv_handle_t *)&l->accepting, on_accepting_closed);
    close(l->fd);
    l->fd = -1;
    l->state = LISTENER_DRAINING;
}

void listener_drain(struct listener *l)
{
    stop_listening(l);
    for (struct conn *c = l->conns->first; c; c = c->next)
        if (c->listener == l && (c->state == CONN_READING || c->place == PLACE_EVENTS))
            conn_move(c, CONN_CUT);
    turn_want(l->turn);
}

void listener_close(struct listener *l)
{
    if (l->daemon) {
        MHD_run(l->daemon);
        MHD_run(l->daemon);
        MHD_stop_daemon(l->daemon);
    }
    stop_listening(l);
    closer_close(&l->closer);
}
