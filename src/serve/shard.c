/* shard: libmicrohttpd on our loop, without a thread of its own. Its connections are spread over
 * several daemons of bounded size, because a run of a daemon serves every connection that is ready
 * and cannot be interrupted. */
#include <stdlib.h>

#include "serve/internal.h"

static void on_conn(void *cls, struct MHD_Connection *mhd, void **socket_context,
                    enum MHD_ConnectionNotificationCode code)
{
    struct shard *sh = cls;
    struct listener *l = sh->listener;
    struct serve *s = l->serve;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct conn *c = calloc(1, sizeof *c);
        sh->n_conns++;
        l->n_conns++;
        if (!c)
            return; /* its first request is then refused */
        int64_t now = clock_now();
        *c = (struct conn){
            .shard = sh,
            .mhd = mhd,
            .fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd,
            .since = now,
            .deadline = time_add(now, REQUEST_TIMEOUT),
            .next = s->conns};
        if (c->next)
            c->next->prev = c;
        s->conns = c;
        *socket_context = c;
        serve_want_tick(s, time_add(now, NS_PER_S * IDLE_TIMEOUT_S));
        return;
    }
    struct conn *c = *socket_context;
    sh->n_conns--;
    l->n_conns--;
    if (c) {
        if (c->next)
            c->next->prev = c->prev;
        *(c->prev ? &c->prev->next : &s->conns) = c->next;
        free(c);
        *socket_context = NULL;
    }
    if (l->full && !s->closing) {
        /* its descriptor is closed after this call: accept in the turn */
        l->full = false;
        serve_want_turn(s);
    }
}

/* Left as it came: names are decoded where they are used, with what is refused in them. */
static size_t keep_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    size_t n = 0;
    while (text[n])
        n++;
    return n;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct shard *sh = poll->data;
    (void)status;
    (void)events;
    sh->ready = true;
    serve_want_turn(sh->listener->serve);
}

struct shard *shard_open(struct listener *l, struct err *e)
{
    struct shard *sh = calloc(1, sizeof *sh);
    if (!sh) {
        err_set(e, "out of memory");
        return NULL;
    }
    sh->listener = l;
    sh->due = TIME_NEVER;
    sh->daemon = MHD_start_daemon(
        MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL,
        request_handle, sh, MHD_OPTION_CONNECTION_LIMIT, (unsigned)SHARD_CONNECTIONS,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)POOL_BYTES, MHD_OPTION_NOTIFY_CONNECTION, on_conn, sh, MHD_OPTION_NOTIFY_COMPLETED,
        request_end, sh, MHD_OPTION_URI_LOG_CALLBACK, request_begin, sh,
        MHD_OPTION_UNESCAPE_CALLBACK, keep_escaped, NULL, MHD_OPTION_STRICT_FOR_CLIENT, 1,
        MHD_OPTION_END);
    if (!sh->daemon) {
        err_set(e, "cannot start the HTTP server: out of memory or descriptors");
        free(sh);
        return NULL;
    }
    int fd = MHD_get_daemon_info(sh->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    int rc = uv_poll_init(l->serve->loop, &sh->poll, fd);
    if (rc < 0) {
        err_set(e, "cannot watch the HTTP server: %s", uv_strerror(rc));
        MHD_stop_daemon(sh->daemon);
        free(sh);
        return NULL;
    }
    sh->poll.data = sh;
    serve_handle_opened(l->serve);
    uv_poll_start(&sh->poll, UV_READABLE, on_readable);
    return sh;
}

void shard_run(struct shard *sh)
{
    sh->ready = false;
    MHD_run(sh->daemon);
    unsigned long long ms;
    sh->due = TIME_NEVER;
    if (MHD_get_timeout(sh->daemon, &ms) != MHD_YES)
        return;
    if (ms == 0) {
        sh->ready = true;
        return;
    }
    if (ms < INT64_MAX / NS_PER_MS) {
        sh->due = time_add(clock_now(), (int64_t)ms * NS_PER_MS);
        serve_want_tick(sh->listener->serve, sh->due);
    }
}

static void on_poll_closed(uv_handle_t *h)
{
    struct shard *sh = h->data;
    struct serve *s = sh->listener->serve;
    free(sh);
    serve_handle_closed(s);
}

/* Every request of it has been resumed. */
void shard_close(struct shard *sh)
{
    uv_close((uv_handle_t *)&sh->poll, on_poll_closed);
    MHD_run(sh->daemon);
    MHD_run(sh->daemon);
    MHD_stop_daemon(sh->daemon);
    sh->daemon = NULL;
}
