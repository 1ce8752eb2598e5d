/* conn: the connections of the API: their states, their places, and who has to go. It knows nothing
 * of what is asked for. */
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "base/str.h"
#include "serve/internal.h"

#define SWEEP_EVERY (5 * NS_PER_S)
#define SWEEP_SOON  NS_PER_S       /* while a request is expected, or somebody stands in line */
#define STALLED     (2 * NS_PER_S) /* who took nothing for so long holds up those in line */

#define TO(state) (1U << CONN_##state)
static const unsigned allowed[CONN_STATES] = {
    [CONN_READING] = TO(ROUTING) | TO(SENDING) | TO(CUT),
    [CONN_ROUTING] = TO(IN_LINE) | TO(MAKING) | TO(WAITING) | TO(SENDING) | TO(CUT),
    [CONN_IN_LINE] = TO(MAKING) | TO(ANSWERED) | TO(CUT),
    [CONN_MAKING] = TO(MAKING) | TO(ANSWERED) | TO(SENDING) | TO(LISTENING) | TO(CUT),
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

/* epoll tells of a hang-up whatever it is asked for, so it is asked for the rarest event alone. A
 * Unix socket tells a hang-up from the end of the client's writing side; TCP has one event for
 * both. */
static int watched(const struct conn *c)
{
    return UV_PRIORITIZED | (c->listener->is_unix || c->has_ended ? 0 : UV_DISCONNECT);
}

static void on_hangup(uv_poll_t *poll_handle, int status, int events)
{
    struct conn *c = container_of(poll_handle, struct conn, hangup);
    (void)status;
    (void)events;
    struct pollfd now = {.fd = c->fd, .events = c->listener->is_unix ? 0 : POLLRDHUP};
    poll(&now, 1, 0);
    if (now.revents & ~POLLRDHUP) {
        conn_move(c, CONN_CUT);
    } else if (now.revents && !c->has_ended) {
        c->has_ended = true;
        c->listener->conns->on_end(c);
        uv_poll_start(&c->hangup, watched(c), on_hangup);
    } else {
        uv_poll_stop(&c->hangup); /* urgent data, which would call here again and again */
    }
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
    for (struct conn *c = l->conns->first; c; c = c->next)
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
    if (left != PLACE_DOCUMENT || !l->in_line || l->turn->closing)
        return;
    struct conn *next = find_oldest(l, PLACE_NONE, CONN_IN_LINE);
    if (conn_take_place(next, PLACE_DOCUMENT))
        conn_move(next, CONN_MAKING);
}

bool conn_take_place(struct conn *c, enum place kind)
{
    struct listener *l = c->listener;
    assert(c->place == PLACE_NONE);
    if (l->taken[kind] >= place_limit(l, kind)) {
        if (kind != PLACE_EVENTS)
            return false;
        struct conn *stalled = find_oldest(l, kind, CONN_SENDING);
        conn_move(stalled ? stalled : find_oldest(l, kind, CONN_STATES), CONN_CUT);
    }
    c->place = kind;
    l->taken[kind]++;
    return true;
}

static struct conn *find_idlest(const struct listener *l)
{
    struct conn *found = NULL;
    for (struct conn *c = l->conns->first; c; c = c->next)
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

static void sweep_soon(struct conns *all, int64_t now)
{
    if (all->sweep_due > time_add(now, SWEEP_SOON))
        all->sweep_due = time_add(now, SWEEP_SOON);
    turn_want_tick(all->turn, all->sweep_due);
}

static void join_making(struct conn *c)
{
    struct conns *all = c->listener->conns;
    c->next_making = NULL;
    *all->making_end = c;
    all->making_end = &c->next_making;
}

static void leave_making(struct conn *c)
{
    struct conns *all = c->listener->conns;
    struct conn **at = &all->making;
    while (*at != c)
        at = &(*at)->next_making;
    *at = c->next_making;
    if (!*at)
        all->making_end = at;
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
    if (from == CONN_MAKING)
        leave_making(c);
    if (to == CONN_MAKING)
        join_making(c);
    if (!was_suspended && conn_is_suspended(c)) {
        MHD_suspend_connection(c->mhd);
        uv_poll_start(&c->hangup, watched(c), on_hangup);
    } else if (was_suspended && !conn_is_suspended(c)) {
        uv_poll_stop(&c->hangup);
        MHD_resume_connection(c->mhd);
        l->ready = true;
    }
    if (to == CONN_CUT) {
        shutdown(c->fd, SHUT_RDWR);
        l->ready = true;
    }
    if (l->ready || to == CONN_MAKING)
        turn_want(l->turn);
    if (to == CONN_IN_LINE)
        sweep_soon(l->conns, now);
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

void conn_come(struct listener *l, struct MHD_Connection *mhd, void **socket_context)
{
    struct conns *all = l->conns;
    struct conn *c = calloc(1, sizeof *c);
    int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    l->n_conns++;
    if (!c || uv_poll_init(l->turn->idle.loop, &c->hangup, fd) < 0) {
        free(c);
        return; /* its first request is then refused */
    }
    int64_t now = clock_now();
    closer_hold(&l->turn->closer);
    c->listener = l;
    c->mhd = mhd;
    c->fd = fd;
    c->by_loopback = !l->is_unix && is_loopback(fd);
    c->since = now;
    c->deadline = time_add(now, REQUEST_TIMEOUT);
    c->next = all->first;
    if (c->next)
        c->next->prev = c;
    all->first = c;
    *socket_context = c;
    sweep_soon(all, now);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *c = container_of((uv_poll_t *)handle, struct conn, hangup);
    closer_drop(handle->data);
    free(c);
}

void conn_go(struct listener *l, void **socket_context)
{
    struct conn *c = *socket_context;
    l->n_conns--;
    if (!c)
        return;
    *socket_context = NULL;
    leave_place(c);
    if (c->next)
        c->next->prev = c->prev;
    *(c->prev ? &c->prev->next : &l->conns->first) = c->next;
    c->hangup.data = &l->turn->closer;
    uv_close((uv_handle_t *)&c->hangup, on_closed);
}

/* The client has ended before its request was whole. libmicrohttpd reads the last piece of it, and
 * does not look for the end that came with it. */
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

void conn_sweep(struct conns *all, int64_t now)
{
    bool soon = false;
    if (!all->first)
        return;
    if (now >= all->sweep_due) {
        for (struct conn *c = all->first; c; c = c->next) {
            if (is_over(c, now))
                conn_move(c, CONN_CUT);
            soon |= c->state == CONN_READING || c->listener->in_line;
        }
        all->sweep_due = time_add(now, soon ? SWEEP_SOON : SWEEP_EVERY);
    }
    turn_want_tick(all->turn, all->sweep_due);
}
