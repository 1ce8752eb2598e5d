/* dns_channel: see dns_channel.h. */
#include "net/dns_channel.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/reason.h"
#include "base/str.h"
#include "net/address.h"
#include "net/dns_wire.h"

/* A lost packet is asked again after 1 s, then 2, then 4; then all begins anew. */
#define TIMEOUT_MS 1000
#define TRIES      3

/* A socket of the channel under watch. */
struct dns_watch {
    struct dns_watch *next;
    struct dns_channel *channel;
    ares_socket_t fd;
    uv_poll_t poll;
};

/* ---- What an answer means. ---- */

static const char *words_of(int status)
{
    switch (status) {
    case ARES_ENOTFOUND:
        return "no such name (NXDOMAIN)";
    case ARES_ENODATA:
        return "the name has no such record";
    case ARES_ESERVFAIL:
        return "the DNS server failed (SERVFAIL)";
    case ARES_EREFUSED:
        return "the DNS server refused to answer (REFUSED)";
    case ARES_ENOTIMP:
        return "the DNS server does not know such questions (NOTIMP)";
    case DNS_CHANNEL_REFERRAL:
        return "the DNS server only refers to others, and asks none itself";
    case ARES_ECONNREFUSED:
        return "no DNS server is there, or none gave an answer of use";
    case ARES_EBADRESP:
    case ARES_EFORMERR:
        return "the DNS server's answer made no sense";
    case ARES_EBADNAME:
        return "not a valid name";
    default:
        return ares_strerror(status);
    }
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

const char *dns_channel_words(int status, bool *internal)
{
    *internal = status == ARES_ENOMEM || (status == ARES_ECONNREFUSED && out_of_sockets());
    return *internal ? "out of descriptors or memory" : words_of(status);
}

/* c-ares lets a question pass for an answer, any code that it does not know for success (RFC 1035
 * section 4.1.1: QR, RCODE), and a referral for the word that the name has no record. */
int dns_channel_status(int status, const unsigned char *data, int len)
{
    bool is_none = status == ARES_ENOTFOUND || status == ARES_ENODATA;
    if ((status != ARES_SUCCESS && !is_none) || !data)
        return status;
    if (len < 12 || !(data[2] & 0x80) || (status == ARES_SUCCESS && (data[3] & 0x0f)))
        return ARES_EBADRESP;
    return status == ARES_ENODATA && dns_is_referral(data) ? DNS_CHANNEL_REFERRAL : status;
}

/* ---- Its turns. ---- */

static void on_timer(uv_timer_t *timer);

void dns_channel_wait(struct dns_channel *c, bool soon)
{
    struct timeval tv;
    if (c->closer.closing)
        return;
    if (soon) {
        uv_timer_start(&c->timer, on_timer, 0, 0);
        return;
    }
    if (!ares_timeout(c->ares, NULL, &tv)) {
        uv_timer_stop(&c->timer);
        return;
    }
    uint64_t ms = (uint64_t)tv.tv_sec * 1000 + (uint64_t)tv.tv_usec / 1000 + 1;
    uv_timer_start(&c->timer, on_timer, ms, 0);
}

static void turn(struct dns_channel *c, ares_socket_t readable, ares_socket_t writable)
{
    ares_process_fd(c->ares, readable, writable);
    c->on_turn(c);
    dns_channel_wait(c, false);
}

static void on_timer(uv_timer_t *timer)
{
    turn(container_of(timer, struct dns_channel, timer), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

/* ---- Its sockets. ---- */

static void on_all_closed(struct closer *closer)
{
    struct dns_channel *c = container_of(closer, struct dns_channel, closer);
    resolve_search_fini(&c->search);
    c->on_closed(c);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct dns_watch *w = container_of((uv_poll_t *)handle, struct dns_watch, poll);
    struct dns_channel *c = w->channel;
    free(w);
    closer_drop(&c->closer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dns_watch *w = container_of(poll, struct dns_watch, poll);
    if (status < 0) /* c-ares finds out what is wrong by reading */
        events = UV_READABLE | UV_WRITABLE;
    turn(w->channel, events & UV_READABLE ? w->fd : ARES_SOCKET_BAD,
         events & UV_WRITABLE ? w->fd : ARES_SOCKET_BAD);
}

/* c-ares wants a socket watched, or (neither) is about to close it. */
static void on_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct dns_channel *c = data;
    struct dns_watch **at = &c->watches, *w;
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
        if (!w || uv_poll_init(c->timer.loop, &w->poll, fd) < 0) {
            free(w); /* unwatched, it is asked again */
            return;
        }
        closer_hold(&c->closer);
        w->next = c->watches;
        w->channel = c;
        w->fd = fd;
        c->watches = w;
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
    const struct dns_channel *c = data;
    struct sockaddr_in6 scoped;
    if (to->sa_family != AF_INET6 || len > sizeof scoped)
        return connect(fd, to, len);
    memset(&scoped, 0, sizeof scoped);
    memcpy(&scoped, to, len);
    for (size_t i = 0; !scoped.sin6_scope_id && i < c->search.n_servers; i++)
        if (c->search.servers[i].sin6_family == AF_INET6 &&
            memcmp(&c->search.servers[i].sin6_addr, &scoped.sin6_addr, 16) == 0)
            scoped.sin6_scope_id = c->search.servers[i].sin6_scope_id;
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

static int init_channel(struct dns_channel *c, int flags, struct err *e)
{
    struct ares_options options = {
        .flags = flags | (c->search.use_vc ? ARES_FLAG_USEVC : 0),
        .timeout = TIMEOUT_MS,
        .tries = TRIES,
        .lookups = (char[]){"b"},
        .sock_state_cb = on_socket,
        .sock_state_cb_data = c,
    };
    int mask = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
               ARES_OPT_SOCK_STATE_CB;
    char servers[RESOLVE_SERVERS * DIAL_TEXT_MAX];
    int rc = ares_init_options(&c->ares, &options, mask);
    if (rc != ARES_SUCCESS)
        return err_set(e, "cannot set up name lookups: %s", ares_strerror(rc));
    ares_set_socket_functions(c->ares, &socket_functions, c);
    if (!c->search.n_servers)
        return 0;
    resolve_search_servers(&c->search, servers, sizeof servers);
    rc = ares_set_servers_ports_csv(c->ares, servers);
    if (rc == ARES_SUCCESS)
        return 0;
    ares_destroy(c->ares);
    return err_set(e, "cannot set up name lookups: %s", ares_strerror(rc));
}

/* By default c-ares goes on to the next server when one says SERVFAIL or REFUSED, and forgets what
 * it said. With one server there is no next: NOCHECKRESP then gives us its word. */
int dns_channel_open(struct dns_channel *c, uv_loop_t *loop, void (*on_turn)(struct dns_channel *c),
                     struct err *e)
{
    static bool initialised;
    initialised = initialised || ares_library_init(ARES_LIB_INIT_ALL) == ARES_SUCCESS;
    *c = (struct dns_channel){.on_turn = on_turn};
    if (resolve_search_load(&c->search, e) < 0 ||
        init_channel(c, c->search.n_servers > 1 ? 0 : ARES_FLAG_NOCHECKRESP, e) < 0) {
        resolve_search_fini(&c->search);
        return -1;
    }
    closer_init(&c->closer, loop, on_all_closed);
    uv_timer_init(loop, &c->timer);
    closer_add(&c->closer, &c->timer);
    return 0;
}

void dns_channel_close(struct dns_channel *c, void (*on_closed)(struct dns_channel *c))
{
    c->on_closed = on_closed;
    closer_close(&c->closer);
    ares_destroy(c->ares);
}

char *dns_channel_servers(const struct dns_channel *c, char *out, size_t size)
{
    struct ares_addr_port_node *servers = NULL;
    size_t used = 0;
    out[0] = '\0';
    if (ares_get_servers_ports(c->ares, &servers) != ARES_SUCCESS)
        return out;
    for (const struct ares_addr_port_node *s = servers; s && used < size; s = s->next) {
        char ip[INET6_ADDRSTRLEN] = "";
        bool v6 = s->family == AF_INET6;
        inet_ntop(s->family, &s->addr, ip, sizeof ip);
        used += (size_t)snprintf(out + used, size - used, "%s%s%s%s:%d", used ? ", " : "",
                                 v6 ? "[" : "", ip, v6 ? "]" : "", s->udp_port ? s->udp_port : 53);
    }
    ares_free_data(servers);
    if (c->search.ignored[0] && used < size)
        snprintf(out + used, size - used, "; resolv.conf's %s cannot be asked", c->search.ignored);
    return out;
}
