/* resolve: see resolve.h. c-ares reports from inside its own calls and must not be ended there, so
 * its callbacks only note the result; it is delivered when c-ares has returned. */
#include "resolve.h"

#include <ares.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* A lost packet is asked again after 1 s, then 2, 4, ... 32: longer than any check lasts. */
#define TIMEOUT_MS 1000
#define TRIES      6

struct lookup {
    bool answered, delivered;
    struct resolve_answer answer;
};

/* A socket of the channel under watch. */
struct watch {
    struct watch *next;
    struct resolve *resolve;
    ares_socket_t fd;
    uv_poll_t poll;
};

struct resolve {
    ares_channel channel;
    struct lookup v4, v6;
    struct watch *watches;
    uv_timer_t timer;
    unsigned n_open; /* handles not closed yet */
    bool closing;
    void (*on_answer)(void *owner, const struct resolve_answer *a);
    void (*on_closed)(void *owner);
    void *owner;
};

static void on_timer(uv_timer_t *timer);

static void one_closed(struct resolve *r)
{
    if (--r->n_open > 0 || !r->closing)
        return;
    void (*on_closed)(void *owner) = r->on_closed;
    void *owner = r->owner;
    free(r);
    on_closed(owner);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = container_of((uv_poll_t *)handle, struct watch, poll);
    struct resolve *r = w->resolve;
    free(w);
    one_closed(r);
}

static void deliver(struct resolve *r)
{
    struct lookup *lookups[] = {&r->v6, &r->v4};
    for (size_t i = 0; i < ARRAY_LEN(lookups) && !r->closing; i++)
        if (lookups[i]->answered && !lookups[i]->delivered) {
            lookups[i]->delivered = true;
            r->on_answer(r->owner, &lookups[i]->answer);
        }
}

static void arm_timer(struct resolve *r)
{
    struct timeval tv;
    if (r->closing)
        return;
    if (!ares_timeout(r->channel, NULL, &tv)) {
        uv_timer_stop(&r->timer);
        return;
    }
    uint64_t ms = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    uv_timer_start(&r->timer, on_timer, ms, 0);
}

static void turn(struct resolve *r, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(r->channel, readable, writable);
    arm_timer(r);
    deliver(r);
}

static void on_timer(uv_timer_t *timer)
{
    turn(container_of(timer, struct resolve, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = container_of(poll, struct watch, poll);
    if (status < 0) /* c-ares finds out what is wrong by reading */
        events = UV_READABLE | UV_WRITABLE;
    turn(w->resolve, events & UV_READABLE ? w->fd : ARES_SOCKET_BAD,
         events & UV_WRITABLE ? w->fd : ARES_SOCKET_BAD);
}

/* c-ares wants a socket watched, or (neither) is about to close it. */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct resolve *r = data;
    struct watch **at = &r->watches, *w;
    while (*at && (*at)->fd != fd)
        at = &(*at)->next;
    w = *at;
    if (!readable && !writable) {
        if (!w)
            return;
        *at = w->next;
        uv_close((uv_handle_t *)&w->poll, on_watch_closed);
        return;
    }
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w || uv_poll_init(r->timer.loop, &w->poll, fd) < 0) {
            free(w); /* unwatched, the lookup times out */
            return;
        }
        r->n_open++;
        w->next = r->watches;
        w->resolve = r;
        w->fd = fd;
        r->watches = w;
    }
    uv_poll_start(&w->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
}

static const char *words_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "no such name";
    case ARES_ENODATA:
        return "the name has no address";
    case ARES_ESERVFAIL:
        return "the DNS server failed (SERVFAIL)";
    case ARES_EREFUSED:
        return "the DNS server refused to answer (REFUSED)";
    case ARES_ETIMEOUT:
        return "no DNS server answered";
    case ARES_ECONNREFUSED:
        return "no DNS server gave an answer of use";
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return "the DNS server's answer made no sense";
    case ARES_EBADNAME:
        return "not a valid name";
    default:
        return ares_strerror(status);
    }
}

static void take_addresses(struct resolve_answer *a, const struct ares_addrinfo *info)
{
    for (const struct ares_addrinfo_node *n = info->nodes; n && a->n < RESOLVE_MAX;
         n = n->ai_next) {
        if (n->ai_family != a->family)
            continue;
        if (a->family == AF_INET) {
            struct sockaddr_in in;
            memcpy(&in, n->ai_addr, sizeof in);
            a->addr.v4[a->n++] = in.sin_addr;
        } else {
            struct sockaddr_in6 in6;
            memcpy(&in6, n->ai_addr, sizeof in6);
            a->addr.v6[a->n++] = in6.sin6_addr;
        }
    }
}

static void on_addrinfo(void *arg, int status, int timeouts, struct ares_addrinfo *info)
{
    (void)timeouts;
    struct lookup *l = arg;
    if (status == ARES_SUCCESS)
        take_addresses(&l->answer, info);
    if (info)
        ares_freeaddrinfo(info);
    l->answered = true;
    l->answer.no_such_name =
        status == ARES_ENOTFOUND || status == ARES_ENODATA || status == ARES_SUCCESS;
    l->answer.words = words_of(status == ARES_SUCCESS ? ARES_ENODATA : status);
}

static void ask(struct resolve *r, struct lookup *l, const char *host, int family)
{
    struct ares_addrinfo_hints hints = {.ai_family = family, .ai_flags = ARES_AI_NOSORT};
    l->answer.family = family;
    ares_getaddrinfo(r->channel, host, NULL, &hints, on_addrinfo, l);
}

static int init_channel(struct resolve *r, int flags, struct err *e)
{
    struct ares_options options = {
        .flags = flags,
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .sock_state_cb = on_socket,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB;
    int rc = ares_init_options(&r->channel, &options, mask);
    if (rc != ARES_SUCCESS)
        return err_set(e, "cannot set up name lookups: %s", ares_strerror(rc));
    const char *servers = getenv("PROBE_DNS_SERVERS");
    if (!servers || !*servers)
        return 0;
    rc = ares_set_servers_ports_csv(r->channel, servers);
    if (rc == ARES_SUCCESS)
        return 0;
    ares_destroy(r->channel);
    return err_set(e, "PROBE_DNS_SERVERS is not a list of servers: %s", ares_strerror(rc));
}

static bool has_second_server(ares_channel channel)
{
    struct ares_addr_port_node *servers = NULL;
    if (ares_get_servers_ports(channel, &servers) != ARES_SUCCESS || !servers)
        return false;
    bool second = servers->next != NULL;
    ares_free_data(servers);
    return second;
}

/* By default c-ares goes on to the next server when one says SERVFAIL or REFUSED, and forgets what
 * it said. With one server there is no next: NOCHECKRESP then gives us its word. */
static int open_channel(struct resolve *r, struct err *e)
{
    static bool initialised;
    if (!initialised && ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS)
        initialised = true;
    if (init_channel(r, ARES_FLAG_NOCHECKRESP, e) < 0)
        return -1;
    if (!has_second_server(r->channel))
        return 0;
    ares_destroy(r->channel);
    return init_channel(r, 0, e);
}

struct resolve *resolve_start(uv_loop_t *loop, const char *host, int family,
                              void (*on_answer)(void *owner, const struct resolve_answer *a),
                              void *owner, struct err *e)
{
    struct resolve *r = calloc(1, sizeof *r);
    if (!r) {
        err_set(e, "out of memory");
        return NULL;
    }
    r->on_answer = on_answer;
    r->owner = owner;
    if (open_channel(r, e) < 0) {
        free(r);
        return NULL;
    }
    uv_timer_init(loop, &r->timer);
    r->n_open = 1;
    if (family != 4)
        ask(r, &r->v6, host, AF_INET6);
    if (family != 6)
        ask(r, &r->v4, host, AF_INET);
    arm_timer(r);
    if (r->v4.answered || r->v6.answered)
        uv_timer_start(&r->timer, on_timer, 0, 0);
    return r;
}

static void on_timer_closed(uv_handle_t *handle)
{
    one_closed(container_of((uv_timer_t *)handle, struct resolve, timer));
}

void resolve_close(struct resolve *r, void (*on_closed)(void *owner))
{
    r->closing = true;
    r->on_closed = on_closed;
    ares_destroy(r->channel);
    uv_close((uv_handle_t *)&r->timer, on_timer_closed);
}
