/* conn: the connections of the API: their states, their places, and who has to go. It knows nothing
 * of what is asked for. */
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "serve/internal.h"

#define SWEEP_EVERY (5 * NS_PER_S)
#define SWEEP_SOON  NS_PER_S       /* while a request is expected, or somebody stands in line */
#define STALLED     (2 * NS_PER_S) /* who took nothing for so long holds up those in line */

#define TO(state) (1U << CONN_##state)
static const unsigned allowed[CONN_STATES] = {
    [CONN_READING] = TO(ROUTING) | TO(SENDING) | TO(CUT),
    [CONN_ROUTING] = TO(IN_LINE) | TO(MAKING) | TO(WAITING) | TO(SENDING) | TO(CUT),
    [CONN_IN_LINE] = TO(MAKING) | TO(ANSWERED) | TO(CUT),
    [CONN_MAKING] = TO(ANSWERED) | TO(SENDING) | TO(LISTENING) | TO(CUT),
    [CONN_WAITING] = TO(IN_LINE) | TO(ANSWERED) | TO(CUT),
    [CONN_LISTENING] = TO(MAKING) | TO(SENDING) | TO(CUT),
    [CONN_ANSWERED] = TO(SENDING) | TO(CUT),
    [CONN_SENDING] = TO(MAKING) | TO(LISTENING) | TO(READING) | TO(CUT),
    [CONN_CUT] = 0,
};

#define SUSPENDED (TO(IN_LINE) | TO(MAKING) | TO(WAITING) | TO(LISTENING))

bool conn_is_suspended(const struct conn *c)
{
    return SUSPENDED >> c->state & 1;
}

/* ---- The client's end, seen while libmicrohttpd does not look ---- */

struct hangup {
    uv_poll_t poll;
    struct serve *serve;
    struct conn *conn; /* NULL: closing */
};

static void on_hangup_closed(uv_handle_t *h)
{
    struct hangup *w = h->data;
    struct serve *s = w->serve;
    free(w);
    serve_handle_closed(s);
}

static void unwatch(struct conn *c)
{
    if (!c->hangup)
        return;
    c->hangup->conn = NULL;
    uv_close((uv_handle_t *)&c->hangup->poll, on_hangup_closed);
    c->hangup = NULL;
}

/* Nothing of what libuv calls events but the rarest: a hang-up comes with any. A Unix socket tells
 * it from the end of the client's writing side; TCP has one end for both. */
static int watched(const struct conn *c)
{
    return UV_PRIORITIZED | (c->listener->is_unix || c->has_ended ? 0 : UV_DISCONNECT);
}

/* A client that only ended its writing side still gets its answer, without waiting for it any
 * longer: that it is there at all only the answer can show. */
static void on_end(struct conn *c)
{
    c->has_ended = true;
    if (c->state == CONN_WAITING)
        request_end_wait(c->request);
    else if (c->request && c->request->document)
        events_knock(c->request->document);
}

static void on_hangup(uv_poll_t *poll_handle, int status, int events)
{
    struct hangup *w = poll_handle->data;
    struct conn *c = w->conn;
    (void)status;
    (void)events;
    if (!c)
        return;
    struct pollfd now = {.fd = c->fd, .events = c->listener->is_unix ? 0 : POLLRDHUP};
    poll(&now, 1, 0);
    if (now.revents & ~POLLRDHUP) {
        conn_move(c, CONN_CUT);
    } else if (now.revents && !c->has_ended) {
        on_end(c);
        uv_poll_start(&w->poll, watched(c), on_hangup);
    } else {
        uv_poll_stop(&w->poll); /* urgent data, which would call here again and again */
    }
}

/* Without memory for it the client's end is seen when the answer is sent. */
static void watch(struct conn *c)
{
    struct serve *s = c->listener->serve;
    struct hangup *w = calloc(1, sizeof *w);
    if (!w)
        return;
    if (uv_poll_init(s->loop, &w->poll, c->fd) < 0) {
        free(w);
        return;
    }
    w->poll.data = w;
    w->serve = s;
    w->conn = c;
    c->hangup = w;
    serve_handle_opened(s);
    uv_poll_start(&w->poll, watched(c), on_hangup);
}

/* ---- Places ---- */

static size_t place_limit(const struct listener *l, enum place kind)
{
    size_t n = l->max_conns / (kind == PLACE_DOCUMENT ? 8 : 4);
    return n ? n : 1;
}

/* The oldest of those in that state (CONN_STATES: any) and place, or NULL: connections stand in the
 * order in which they came, the newest first. */
static struct conn *find_oldest(const struct listener *l, enum place place, enum conn_state state)
{
    struct conn *found = NULL;
    for (struct conn *c = l->serve->conns; c; c = c->next)
        if (c->listener == l && c->place == place && (state == CONN_STATES || c->state == state))
            found = c;
    return found;
}

static void leave_place(struct conn *c)
{
    struct listener *l = c->listener;
    enum place left = c->place;
    c->place = PLACE_NONE;
    if (left == PLACE_NONE)
        return;
    l->taken[left]--;
    if (left != PLACE_DOCUMENT || !l->in_line || l->serve->closing)
        return;
    struct conn *next = find_oldest(l, PLACE_NONE, CONN_IN_LINE);
    if (conn_take_place(next, PLACE_DOCUMENT))
        stream_go_on(next->request->document);
}

bool conn_take_place(struct conn *c, enum place kind)
{
    struct listener *l = c->listener;
    assert(c->place == PLACE_NONE);
    if (l->taken[kind] >= place_limit(l, kind)) {
        if (kind == PLACE_EVENTS) {
            struct conn *stalled = find_oldest(l, kind, CONN_SENDING);
            conn_move(stalled ? stalled : find_oldest(l, kind, CONN_STATES), CONN_CUT);
        } else if (kind != PLACE_WAIT || !route_end_oldest_wait(l)) {
            return false;
        }
    }
    c->place = kind;
    l->taken[kind]++;
    return true;
}

static struct conn *find_idlest(const struct listener *l)
{
    struct conn *found = NULL;
    for (struct conn *c = l->serve->conns; c; c = c->next)
        if (c->listener == l && c->place == PLACE_NONE && c->state != CONN_ROUTING &&
            c->state != CONN_CUT && (!found || c->since < found->since))
            found = c;
    return found;
}

void conn_evict(struct listener *l, size_t n)
{
    struct conn *c;
    while (n-- && (c = find_idlest(l)))
        conn_move(c, CONN_CUT);
}

/* ---- Moving ---- */

static void sweep_soon(struct serve *s, int64_t now)
{
    if (s->sweep_due > time_add(now, SWEEP_SOON))
        s->sweep_due = time_add(now, SWEEP_SOON);
    serve_want_tick(s, s->sweep_due);
}

static int64_t deadline_in(const struct conn *c, enum conn_state to, int64_t now)
{
    switch (to) {
    case CONN_READING:
        return time_add(now, REQUEST_TIMEOUT);
    case CONN_ANSWERED:
        return time_add(now, ANSWER_TIMEOUT);
    case CONN_SENDING: /* the whole body, however often its making is interrupted */
        return c->state == CONN_MAKING ? c->deadline : time_add(now, ANSWER_TIMEOUT);
    case CONN_MAKING:
        return c->deadline;
    default:
        return TIME_NEVER;
    }
}

void conn_move(struct conn *c, enum conn_state to)
{
    struct listener *l = c->listener;
    enum conn_state from = c->state;
    assert(allowed[from] >> to & 1);
    int64_t now = clock_now();
    bool was_suspended = conn_is_suspended(c);
    c->deadline = deadline_in(c, to, now);
    c->state = to;
    c->since = now;
    l->in_line += (size_t)(to == CONN_IN_LINE) - (size_t)(from == CONN_IN_LINE);
    if (from == CONN_WAITING || to == CONN_READING || to == CONN_CUT)
        leave_place(c);
    if (!was_suspended && conn_is_suspended(c)) {
        MHD_suspend_connection(c->mhd);
        watch(c);
    } else if (was_suspended && !conn_is_suspended(c)) {
        unwatch(c);
        MHD_resume_connection(c->mhd);
    }
    if (to == CONN_CUT)
        shutdown(c->fd, SHUT_RDWR);
    if (to == CONN_CUT || was_suspended) {
        l->ready = true;
        serve_want_turn(l->serve);
    }
    if (to == CONN_IN_LINE)
        sweep_soon(l->serve, now);
}

/* ---- Coming and going ---- */

static bool is_loopback(int fd)
{
    struct sockaddr_storage addr = {0};
    socklen_t len = sizeof addr;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&addr;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&addr;
    if (getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
        return true;
    if (addr.ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        return v6->sin6_addr.s6_addr[12] == 127;
    if (addr.ss_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
}

static void come(struct listener *l, struct MHD_Connection *mhd, void **socket_context)
{
    struct serve *s = l->serve;
    struct conn *c = calloc(1, sizeof *c);
    l->n_conns++;
    if (!c)
        return; /* its first request is then refused */
    int64_t now = clock_now();
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    *c = (struct conn){.listener = l,
                       .mhd = mhd,
                       .fd = fd,
                       .by_loopback = !l->is_unix && is_loopback(fd),
                       .since = now,
                       .deadline = time_add(now, REQUEST_TIMEOUT),
                       .next = s->conns};
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    *socket_context = c;
    sweep_soon(s, now);
}

void conn_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                 enum MHD_ConnectionNotificationCode code)
{
    struct listener *l = cls;
    struct serve *s = l->serve;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        come(l, mhd, socket_context);
        return;
    }
    struct conn *c = *socket_context;
    l->n_conns--;
    if (c) {
        unwatch(c);
        leave_place(c);
        if (c->next)
            c->next->prev = c->prev;
        *(c->prev ? &c->prev->next : &s->conns) = c->next;
        free(c);
        *socket_context = NULL;
    }
    if (l->state != LISTENER_ACCEPTING)
        serve_want_turn(s); /* its descriptor is closed after this call: accept in the turn */
}

/* Nothing more comes of a request whose client ended before it was whole. libmicrohttpd reads the
 * last piece and does not look again for the end that came with it. */
static bool is_abandoned(const struct conn *c)
{
    char byte;
    return c->state == CONN_READING && recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static bool is_over(const struct conn *c, int64_t now)
{
    int64_t still = now - c->since;
    if (c->state == CONN_CUT)
        return false;
    return now >= c->deadline || is_abandoned(c) ||
           (c->state == CONN_SENDING && still > STALL_TIMEOUT) ||
           (c->state == CONN_SENDING && c->place == PLACE_DOCUMENT && c->listener->in_line &&
            still > STALLED);
}

void conn_sweep(struct serve *s, int64_t now)
{
    bool soon = false;
    if (!s->conns)
        return;
    if (now >= s->sweep_due) {
        for (struct conn *c = s->conns; c; c = c->next) {
            if (is_over(c, now))
                conn_move(c, CONN_CUT);
            soon |= c->state == CONN_READING || c->listener->in_line;
        }
        s->sweep_due = time_add(now, soon ? SWEEP_SOON : SWEEP_EVERY);
    }
    serve_want_tick(s, s->sweep_due);
}
