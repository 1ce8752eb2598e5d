/* resolve: see resolve.h. c-ares reports from inside its own calls and must not be ended there, so
 * its callbacks only note the result; what follows from it is done when c-ares has returned. */
#include "net/resolve.h"

#include <ares.h>
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/reason.h"
#include "base/str.h"
#include "loop/closer.h"
#include "net/address.h"
#include "net/dns_reply.h"
#include "net/hosts.h"
#include "net/resolve_search.h"

/* A lost packet is asked again after 1 s, then 2, then 4; then all begins anew. */
#define TIMEOUT_MS 1000
#define TRIES      3

/* Beside the statuses of c-ares: every address in the answer is the unspecified one. */
#define STATUS_NOWHERE 1000

/* One family's question for the name that is being asked. */
struct lookup {
    bool answered, delivered;
    int status; /* of this name */
    int worst;  /* of the names before it: the most telling one */
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
    struct resolve_search search;
    char host[RESOLVE_NAME_SIZE];
    size_t at; /* which name of the search list is asked */
    struct lookup lookups[2];
    size_t n_lookups;
    struct watch *watches;
    uv_timer_t timer;
    struct closer closer; /* holds each watch */
    bool hosts_unread;    /* /etc/hosts */
    void (*on_answer)(void *owner, const struct resolve_answer *a);
    void (*on_closed)(void *owner);
    void *owner;
};

static void on_timer(uv_timer_t *timer);

/* ---- What an answer means. ---- */

static const char *words_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "no such name (NXDOMAIN)";
    case ARES_ENODATA:
        return "the name has no address";
    case ARES_ESERVFAIL:
        return "the DNS server failed (SERVFAIL)";
    case ARES_EREFUSED:
        return "the DNS server refused to answer (REFUSED)";
    case ARES_ENOTIMP:
        return "the DNS server does not know such questions (NOTIMP)";
    case ARES_ECONNREFUSED:
        return "no DNS server is there, or none gave an answer of use";
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return "the DNS server's answer made no sense";
    case ARES_EBADNAME:
        return "not a valid name";
    case STATUS_NOWHERE:
        return "the name's address is 0.0.0.0 or ::, which is nowhere (blocked by the DNS server?)";
    default:
        return ares_strerror(status);
    }
}

static bool is_no_such_name(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

/* A failure says more than "no record", and that more than "no such name". */
static int more_telling(int a, int b)
{
    int rank_a = is_no_such_name(a) ? a == ARES_ENODATA : a == ARES_SUCCESS ? -1 : 2;
    int rank_b = is_no_such_name(b) ? b == ARES_ENODATA : b == ARES_SUCCESS ? -1 : 2;
    return rank_b > rank_a ? b : a;
}

/* The unspecified address is left out: a name server that blocks a name gives it, and connecting to
 * it would reach this very host. */
static bool is_nowhere(const struct sockaddr_in6 *a)
{
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    return a->sin6_family == AF_INET ? in.sin_addr.s_addr == htonl(INADDR_ANY)
                                     : IN6_IS_ADDR_UNSPECIFIED(&a->sin6_addr);
}

static int take_reply(struct resolve_answer *a, const unsigned char *data, size_t len)
{
    size_t n = 0;
    enum dns_reply found = dns_reply_addresses(data, len, a->family, NULL, 0, &n);
    if (found != DNS_REPLY_FOUND)
        return found == DNS_REPLY_NONE ? ARES_ENODATA : ARES_EBADRESP;
    a->cut = n > RESOLVE_MAX;
    size_t used = a->cut ? RESOLVE_MAX : n;
    a->addrs = malloc(used * sizeof *a->addrs);
    if (!a->addrs)
        return ARES_ENOMEM;
    dns_reply_addresses(data, len, a->family, a->addrs, used, &n);
    for (size_t i = 0; i < used; i++)
        if (!is_nowhere(&a->addrs[i]))
            a->addrs[a->n++] = a->addrs[i];
    return a->n ? ARES_SUCCESS : STATUS_NOWHERE;
}

static void on_reply(void *arg, int status, int timeouts, unsigned char *data, int len)
{
    (void)timeouts;
    struct lookup *l = arg;
    /* c-ares lets a question pass for an answer, and any code that it does not know for success
     * (RFC 1035 section 4.1.1: QR, RCODE). */
    if (status == ARES_SUCCESS && (len < 12 || !(data[2] & 0x80) || (data[3] & 0x0f)))
        status = ARES_EBADRESP;
    else if (status == ARES_SUCCESS)
        status = take_reply(&l->answer, data, (size_t)len);
    l->status = status;
    l->answered = true;
}

/* ---- The course of it. ---- */

static void ask(struct resolve *r, struct lookup *l)
{
    char name[RESOLVE_NAME_SIZE];
    if (!resolve_search_name(&r->search, r->host, r->at, name))
        return;
    l->answered = false;
    ares_query(r->channel, name, C_IN, l->answer.family == AF_INET ? T_A : T_AAAA, on_reply, l);
}

/* Neither family has an address under this name: on to the next of the search list, if any. */
static bool ask_next(struct resolve *r)
{
    char name[RESOLVE_NAME_SIZE];
    for (size_t i = 0; i < r->n_lookups; i++)
        if (!r->lookups[i].answered || r->lookups[i].answer.n)
            return false;
    for (size_t i = 0; i < r->n_lookups; i++)
        if (r->lookups[i].status == ARES_ECONNREFUSED)
            return false;
    if (!resolve_search_name(&r->search, r->host, r->at + 1, name))
        return false;
    r->at++;
    for (size_t i = 0; i < r->n_lookups; i++) {
        struct lookup *l = &r->lookups[i];
        l->worst = more_telling(l->worst, l->status);
        ask(r, l);
    }
    return true;
}

/* c-ares says the same of a socket that it could not open as of a server that is not there. */
static bool out_of_sockets(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return reason_from_errno(errno) == REASON_INTERNAL;
    close(fd);
    return false;
}

static void deliver(struct resolve *r, struct lookup *l)
{
    int status = l->answer.n ? ARES_SUCCESS : more_telling(l->worst, l->status);
    l->delivered = true;
    l->answer.words = words_of(status);
    if (status == ARES_ENOMEM || (status == ARES_ECONNREFUSED && out_of_sockets())) {
        l->answer.internal = true;
        l->answer.words = "out of descriptors or memory";
    }
    l->answer.no_such_name = is_no_such_name(status);
    l->answer.cut |= r->search.cut || r->hosts_unread;
    r->on_answer(r->owner, &l->answer);
}

static bool any_found(const struct resolve *r)
{
    return r->lookups[0].answer.n || r->lookups[1].answer.n;
}

static bool all_answered(const struct resolve *r)
{
    return r->lookups[0].answered && (r->n_lookups < 2 || r->lookups[1].answered);
}

/* An address settles which name is meant: it is told at once, and so is the other family's answer
 * for that name. Where there is none, only the end of the list is an answer. */
static void go_on(struct resolve *r)
{
    do {
        for (size_t i = 0; i < r->n_lookups; i++)
            if (r->lookups[i].answered && r->lookups[i].status == ARES_ETIMEOUT)
                ask(r, &r->lookups[i]);
    } while (ask_next(r));
    bool settled = any_found(r) || all_answered(r);
    for (size_t i = 0; i < r->n_lookups && settled && !r->closer.closing; i++)
        if (r->lookups[i].answered && !r->lookups[i].delivered)
            deliver(r, &r->lookups[i]);
}

static void arm_timer(struct resolve *r)
{
    struct timeval tv;
    if (r->closer.closing)
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
    go_on(r);
    arm_timer(r);
}

static void on_timer(uv_timer_t *timer)
{
    turn(container_of(timer, struct resolve, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- The channel's sockets. ---- */

static void discard(struct resolve *r)
{
    for (size_t i = 0; i < r->n_lookups; i++)
        free(r->lookups[i].answer.addrs);
    resolve_search_fini(&r->search);
    free(r);
}

static void on_all_closed(struct closer *c)
{
    struct resolve *r = container_of(c, struct resolve, closer);
    void (*on_closed)(void *owner) = r->on_closed;
    void *owner = r->owner;
    discard(r);
    on_closed(owner);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *w = container_of((uv_poll_t *)handle, struct watch, poll);
    struct resolve *r = w->resolve;
    free(w);
    closer_drop(&r->closer);
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
            free(w); /* unwatched, it is asked again */
            return;
        }
        closer_hold(&r->closer);
        w->next = r->watches;
        w->resolve = r;
        w->fd = fd;
        r->watches = w;
    }
    uv_poll_start(&w->poll, (readable ? UV_READABLE : 0) | (writable ? UV_WRITABLE : 0), on_poll);
}

/* c-ares' own calls, but for two things: where no server is there, the second family's question
 * meets the error that the first one's has left on their socket, and takes it away; the first then
 * waits for a timeout. It is sent again, which leaves the error for the reader, and so for both.
 * And c-ares loses the zone of a server's address. */

static ares_socket_t open_socket(int family, int kind, int protocol, void *data)
{
    (void)data;
    return socket(family, kind | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *data)
{
    (void)data;
    return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t len,
                          void *data)
{
    const struct resolve *r = data;
    struct sockaddr_in6 scoped;
    if (to->sa_family != AF_INET6 || len > sizeof scoped)
        return connect(fd, to, len);
    memset(&scoped, 0, sizeof scoped);
    memcpy(&scoped, to, len);
    for (size_t i = 0; !scoped.sin6_scope_id && i < r->search.n_servers; i++)
        if (r->search.servers[i].sin6_family == AF_INET6 &&
            memcmp(&r->search.servers[i].sin6_addr, &scoped.sin6_addr, 16) == 0)
            scoped.sin6_scope_id = r->search.servers[i].sin6_scope_id;
    return connect(fd, (struct sockaddr *)&scoped, sizeof scoped);
}

static ares_ssize_t receive(ares_socket_t fd, void *buf, size_t size, int flags,
                            struct sockaddr *from, ares_socklen_t *len, void *data)
{
    (void)data;
    return recvfrom(fd, buf, size, flags, from, len);
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *data)
{
    (void)data;
    struct msghdr msg = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n};
    ssize_t sent = sendmsg(fd, &msg, MSG_NOSIGNAL);
    return sent < 0 && errno == ECONNREFUSED ? sendmsg(fd, &msg, MSG_NOSIGNAL) : sent;
}

static const struct ares_socket_functions socket_functions = {open_socket, close_socket,
                                                              connect_socket, receive, send_parts};

/* ---- Begin and end. ---- */

static int init_channel(struct resolve *r, int flags, struct err *e)
{
    struct ares_options options = {
        .flags = flags | (r->search.use_vc ? ARES_FLAG_USEVC : 0),
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .lookups = (char[]){"b"},
        .sock_state_cb = on_socket,
        .sock_state_cb_data = r,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;
    char servers[RESOLVE_SERVERS * DIAL_TEXT_MAX];
    int rc = ares_init_options(&r->channel, &options, mask);
    if (rc != ARES_SUCCESS)
        return err_set(e, "cannot set up name lookups: %s", ares_strerror(rc));
    ares_set_socket_functions(r->channel, &socket_functions, r);
    if (!r->search.n_servers)
        return 0;
    resolve_search_servers(&r->search, servers, sizeof servers);
    rc = ares_set_servers_ports_csv(r->channel, servers);
    if (rc == ARES_SUCCESS)
        return 0;
    ares_destroy(r->channel);
    return err_set(e, "cannot set up name lookups: %s", ares_strerror(rc));
}

/* By default c-ares goes on to the next server when one says SERVFAIL or REFUSED, and forgets what
 * it said. With one server there is no next: NOCHECKRESP then gives us its word. */
static int open_channel(struct resolve *r, struct err *e)
{
    static bool initialised;
    initialised = initialised || ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    if (resolve_search_load(&r->search, e) < 0)
        return -1;
    return init_channel(r, r->search.n_servers > 1 ? 0 : ARES_FLAG_NOCHECKRESP, e);
}

static int take_hosts(struct resolve_answer *a, const struct sockaddr_in6 *found, size_t n)
{
    a->addrs = calloc(n, sizeof *a->addrs);
    if (!a->addrs)
        return -1;
    for (size_t i = 0; i < n && a->n < RESOLVE_MAX; i++)
        if (found[i].sin6_family == a->family)
            a->addrs[a->n++] = found[i];
    return 0;
}

/* A name in /etc/hosts means what stands there and nothing else: DNS is not asked for the family
 * that it lacks. Where the file cannot be read DNS is asked, as the C library does. -1: memory. */
static int look_in_hosts(struct resolve *r, struct err *e)
{
    int n = hosts_find(r->host, NULL, 0, NULL), rc = 0;
    r->hosts_unread = n < 0;
    if (n <= 0)
        return 0;
    struct sockaddr_in6 *found = calloc((size_t)n, sizeof *found);
    if (!found || hosts_find(r->host, found, (size_t)n, NULL) != n)
        rc = -1;
    for (size_t i = 0; rc == 0 && i < r->n_lookups; i++)
        rc = take_hosts(&r->lookups[i].answer, found, (size_t)n);
    free(found);
    if (rc < 0)
        return err_set(e, "out of memory");
    for (size_t i = 0; i < r->n_lookups && any_found(r); i++) {
        r->lookups[i].answered = true;
        r->lookups[i].status = ARES_ENODATA;
    }
    return 0;
}

struct resolve *resolve_start(uv_loop_t *loop, const char *host, int family,
                              void (*on_answer)(void *owner, const struct resolve_answer *a),
                              void *owner, struct err *e)
{
    struct resolve *r = calloc(1, sizeof *r);
    if (!r || strlen(host) >= sizeof r->host) {
        err_set(e, r ? "the name is too long" : "out of memory");
        free(r);
        return NULL;
    }
    memcpy(r->host, host, strlen(host) + 1);
    r->on_answer = on_answer;
    r->owner = owner;
    if (family != 4)
        r->lookups[r->n_lookups++].answer.family = AF_INET6;
    if (family != 6)
        r->lookups[r->n_lookups++].answer.family = AF_INET;
    if (look_in_hosts(r, e) < 0 || open_channel(r, e) < 0) {
        discard(r);
        return NULL;
    }
    closer_init(&r->closer, loop, on_all_closed);
    uv_timer_init(loop, &r->timer);
    closer_add(&r->closer, &r->timer);
    for (size_t i = 0; i < r->n_lookups && !any_found(r); i++)
        ask(r, &r->lookups[i]);
    arm_timer(r);
    if (r->lookups[0].answered || r->lookups[1].answered)
        uv_timer_start(&r->timer, on_timer, 0, 0);
    return r;
}

char *resolve_servers(const struct resolve *r, char *out, size_t size)
{
    struct ares_addr_port_node *servers = NULL;
    size_t used = 0;
    out[0] = '\0';
    if (ares_get_servers_ports(r->channel, &servers) != ARES_SUCCESS)
        return out;
    for (const struct ares_addr_port_node *s = servers; s && used < size; s = s->next) {
        char ip[INET6_ADDRSTRLEN] = "";
        inet_ntop(s->family, &s->addr, ip, sizeof ip);
        used += (size_t)snprintf(out + used, size - used, "%s%s:%d", used ? ", " : "", ip,
                                 s->udp_port ? s->udp_port : 53);
    }
    ares_free_data(servers);
    if (r->search.ignored[0] && used < size)
        snprintf(out + used, size - used, "; resolv.conf's %s cannot be asked", r->search.ignored);
    return out;
}

void resolve_close(struct resolve *r, void (*on_closed)(void *owner))
{
    r->on_closed = on_closed;
    closer_close(&r->closer);
    ares_destroy(r->channel);
}
