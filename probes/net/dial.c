/* dial: see dial.h. Addresses come as the lookups bring them, take turns IPv6 first, and each gets
 * a head start before the next is tried beside it (RFC 8305 sections 3 to 5). */
#include "net/dial.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "host.h"
#include "net/address.h"
#include "net/resolve.h"

#define RESOLUTION_DELAY_MS 50  /* RFC 8305 section 3: how long IPv4 waits for IPv6's addresses */
#define ATTEMPT_DELAY_MS    250 /* RFC 8305 section 5: "Connection Attempt Delay" */
#define RETRY_MS            500 /* for addresses that failed, while a lookup is not answered */
#define TRIES_A_TURN        32  /* connects begun in one turn of the loop */
#define BACKLOG_RETRY_MS    10  /* a unix socket whose backlog is full says EAGAIN */

struct dial_attempt {
    struct dial_attempt *next;
    struct dial *dial;
    struct sockaddr_in6 addr; /* of either family */
    int fd;
    uv_poll_t poll;
};

static void next_attempt(struct dial *d);
static void on_timer(uv_timer_t *timer);

static void move(struct dial *d, enum dial_state to)
{
    enum { OVER = 1 << DIAL_DONE | 1 << DIAL_CLOSING };
    static const unsigned next[] = {
        [DIAL_LOOKING_UP] = 1 << DIAL_HOLDING | 1 << DIAL_TRYING | OVER,
        [DIAL_HOLDING] = 1 << DIAL_TRYING | OVER,
        [DIAL_TRYING] = 1 << DIAL_RETRYING | OVER,
        [DIAL_RETRYING] = 1 << DIAL_TRYING | OVER,
        [DIAL_DONE] = 1 << DIAL_CLOSING,
        [DIAL_CLOSING] = 0,
    };
    assert(next[d->state] & 1U << to);
    d->state = to;
}

/* ---- The end: one result. ---- */

static void finish(struct dial *d, enum reason reason)
{
    d->reason = reason;
    move(d, DIAL_DONE);
    uv_timer_stop(&d->timer);
    d->on_done(d);
}

static void add_detail(struct dial *d, const char *where, const char *words)
{
    size_t used = strlen(d->detail);
    const char *lead = used ? "; " : "connect to ";
    snprintf(d->detail + used, sizeof d->detail - used, "%s%s: %s", lead, where, words);
}

/* Which of several reasons is the dial's: ours comes first, for then not all was tried. */
static int rank_of(enum reason reason)
{
    static const enum reason order[] = {REASON_UNREACHABLE, REASON_TIMEOUT, REASON_RESET,
                                        REASON_DNS,         REASON_REFUSED, REASON_INTERNAL};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (order[i] == reason)
            return (int)i;
    return -1;
}

static void blame(struct dial *d, enum reason reason)
{
    if (rank_of(reason) > rank_of(d->reason))
        d->reason = reason;
}

/* Nothing is there. */
static void tell_gone(struct dial *d)
{
    d->gone = !d->cut;
    if (d->gone && !d->ep->is_beside)
        probe_gone(d->run);
}

/* Every address failed, or there is none. */
static void give_up(struct dial *d)
{
    if (d->n_failed == 0) {
        snprintf(d->detail, sizeof d->detail, "%s: %s", d->ep->host, d->lookup_detail);
        if (d->no_such_name && !d->lookup_failed)
            tell_gone(d);
        blame(d, REASON_DNS);
    } else {
        if (d->lookup_failed)
            add_detail(d, d->ep->host, d->lookup_detail);
        if (d->n_refused > 0 && d->n_refused + d->n_no_family == d->n_failed && !d->lookup_failed)
            tell_gone(d);
    }
    finish(d, d->reason);
}

static void note_failure(struct dial *d, int family, int errnum)
{
    enum reason reason = reason_from_errno(errnum);
    bool no_family = address_lacks_family(family, errnum);
    d->n_failed++;
    if (reason == REASON_REFUSED)
        d->n_refused++;
    if (no_family)
        d->n_no_family++;
    blame(d, no_family ? REASON_UNREACHABLE : reason);
}

static void fail_address(struct dial *d, const struct sockaddr_in6 *addr, int errnum)
{
    char where[DIAL_TEXT_MAX + 300], text[DIAL_TEXT_MAX];
    struct sockaddr_in6 literal;
    address_text(addr, text);
    if (endpoint_address(d->ep, &literal))
        snprintf(where, sizeof where, "%s", text);
    else
        snprintf(where, sizeof where, "%s (%s)", text, d->ep->host);
    note_failure(d, addr->sin6_family, errnum);
    add_detail(d, where, address_error_words(errnum));
}

/* ---- Attempts. ---- */

static void on_attempt_closed(uv_handle_t *handle)
{
    struct dial_attempt *a = container_of((uv_poll_t *)handle, struct dial_attempt, poll);
    struct dial *d = a->dial;
    free(a);
    closer_drop(&d->closer);
}

/* Takes the attempt out of the list and closes its watch; its descriptor too unless it is kept. */
static void end_attempt(struct dial_attempt *a, bool keep_fd)
{
    struct dial_attempt **at = &a->dial->attempts;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    uv_close((uv_handle_t *)&a->poll, on_attempt_closed);
    if (!keep_fd)
        close(a->fd);
}

static void end_attempts(struct dial *d)
{
    while (d->attempts)
        end_attempt(d->attempts, false);
}

static void succeed(struct dial *d, int fd, const struct sockaddr_in6 *addr)
{
    d->fd = fd;
    if (addr)
        address_text(addr, d->peer);
    else
        snprintf(d->peer, sizeof d->peer, "unix://%s", d->ep->path);
    end_attempts(d);
    finish(d, REASON_OK);
}

static void on_writable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct dial_attempt *a = container_of(poll, struct dial_attempt, poll);
    struct dial *d = a->dial;
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        errnum = errno;
    if (!errnum && status < 0) /* libuv only says that there is some error */
        errnum = -status;
    if (!errnum && address_is_own(a->fd, &a->addr))
        errnum = ECONNREFUSED;
    struct sockaddr_in6 addr = a->addr;
    int fd = a->fd;
    end_attempt(a, errnum == 0);
    if (errnum == 0) {
        succeed(d, fd, &addr);
        return;
    }
    fail_address(d, &addr, errnum);
    next_attempt(d);
}

static int watch_attempt(struct dial *d, int fd, const struct sockaddr_in6 *addr)
{
    struct dial_attempt *a = calloc(1, sizeof *a);
    if (!a)
        return ENOMEM;
    int rc = uv_poll_init(d->run->env->loop, &a->poll, fd);
    if (rc < 0) {
        free(a);
        return -rc;
    }
    a->next = d->attempts;
    a->dial = d;
    a->addr = *addr;
    a->fd = fd;
    d->attempts = a;
    closer_hold(&d->closer);
    uv_poll_start(&a->poll, UV_WRITABLE, on_writable);
    char text[DIAL_TEXT_MAX];
    address_text(addr, text);
    probe_note(d->run, "%s%sconnect to %s: no answer", d->detail, d->detail[0] ? "; " : "", text);
    return 0;
}

/* It is under way (TRYING with attempts), has failed, or the dial is done. False: it has failed. */
static bool try_address(struct dial *d, const struct sockaddr_in6 *addr)
{
    int family = addr->sin6_family;
    socklen_t len = family == AF_INET ? sizeof(struct sockaddr_in) : sizeof *addr;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int errnum = fd < 0 ? errno : 0;
    if (!errnum && connect(fd, (const struct sockaddr *)addr, len) < 0)
        errnum = errno;
    if (errnum == EINPROGRESS)
        errnum = address_outcome(fd);
    if (errnum == EINPROGRESS) {
        errnum = watch_attempt(d, fd, addr);
        if (!errnum)
            return true;
    } else if (!errnum && address_is_own(fd, addr)) {
        errnum = ECONNREFUSED;
    } else if (!errnum) {
        succeed(d, fd, addr);
        return true;
    }
    if (fd >= 0)
        close(fd);
    fail_address(d, addr, errnum);
    return false;
}

/* ---- The order: which address next, and when. ---- */

static void start_timer(struct dial *d, uint64_t ms)
{
    uv_timer_start(&d->timer, on_timer, ms, 0);
}

/* The next in turn: the other family than the last one tried, if it has any left. */
static bool pick(struct dial *d, struct sockaddr_in6 *addr)
{
    int last = d->n_tried ? d->queue[d->n_tried - 1].sin6_family : AF_INET;
    size_t best = d->n_tried;
    if (best >= d->n_queue)
        return false;
    for (size_t i = d->n_tried; i < d->n_queue; i++)
        if (d->queue[i].sin6_family != last) {
            best = i;
            break;
        }
    *addr = d->queue[best];
    memmove(&d->queue[d->n_tried + 1], &d->queue[d->n_tried],
            (best - d->n_tried) * sizeof *d->queue);
    d->queue[d->n_tried++] = *addr;
    return true;
}

/* All addresses so far have failed, and one family's lookup is not answered: it may bring one that
 * works, but a DNS server that never answers it must not hide that the others come alive. */
static void wait_for_lookup(struct dial *d)
{
    probe_note(d->run, "%s; the lookup of its IPv%d addresses is not answered", d->detail,
               d->queue[0].sin6_family == AF_INET ? 6 : 4);
    move(d, DIAL_RETRYING);
    start_timer(d, RETRY_MS);
}

static void try_again(struct dial *d)
{
    d->n_tried = d->n_failed = d->n_refused = d->n_no_family = 0;
    d->reason = REASON_OK;
    d->detail[0] = '\0';
    move(d, DIAL_TRYING);
    next_attempt(d);
}

static void next_attempt(struct dial *d)
{
    struct sockaddr_in6 addr;
    for (int tries = 0; pick(d, &addr); tries++) {
        if (tries == TRIES_A_TURN) {
            d->n_tried--;
            start_timer(d, 0);
            return;
        }
        if (!try_address(d, &addr))
            continue;
        if (d->state == DIAL_TRYING && (d->n_tried < d->n_queue || d->lookups_left))
            start_timer(d, ATTEMPT_DELAY_MS);
        return;
    }
    if (!d->attempts && !d->lookups_left)
        give_up(d);
    else if (!d->attempts && d->n_tried)
        wait_for_lookup(d);
}

static void add_addresses(struct dial *d, const struct sockaddr_in6 *addrs, size_t n)
{
    struct sockaddr_in6 *queue = realloc(d->queue, (d->n_queue + n) * sizeof *queue);
    if (!queue) {
        d->cut = d->lookup_failed = true;
        snprintf(d->lookup_detail, sizeof d->lookup_detail, "out of memory");
        blame(d, REASON_INTERNAL);
        return;
    }
    d->queue = queue;
    memcpy(queue + d->n_queue, addrs, n * sizeof *addrs);
    for (size_t i = 0; i < n; i++, d->n_queue++)
        queue[d->n_queue].sin6_port = htons(d->ep->port); /* at the same place for either family */
}

static void note_no_address(struct dial *d, const struct resolve_answer *answer)
{
    bool telling = !d->lookup_detail[0] || (!answer->no_such_name && !d->lookup_failed);
    if (answer->no_such_name)
        d->no_such_name = true;
    else
        d->lookup_failed = true;
    if (answer->internal)
        blame(d, REASON_INTERNAL);
    char servers[80];
    if (!telling)
        return;
    if (answer->no_such_name || answer->internal)
        snprintf(d->lookup_detail, sizeof d->lookup_detail, "%s", answer->words);
    else
        snprintf(d->lookup_detail, sizeof d->lookup_detail, "%s (asked %s)", answer->words,
                 resolve_servers(d->resolve, servers, sizeof servers));
}

static void on_answer(void *owner, const struct resolve_answer *answer)
{
    struct dial *d = owner;
    d->lookups_left--;
    if (d->state == DIAL_DONE) /* connected by the other family: its owner is at work with that */
        return;
    d->cut |= answer->cut;
    if (answer->n == 0)
        note_no_address(d, answer);
    else
        add_addresses(d, answer->addrs, answer->n);
    if (answer->n)
        probe_phase(d->run, PHASE_CONNECT);
    if (d->state == DIAL_LOOKING_UP && d->lookups_left > 0) {
        if (answer->n == 0)
            return;
        if (answer->family == AF_INET) {
            move(d, DIAL_HOLDING);
            start_timer(d, RESOLUTION_DELAY_MS);
            return;
        }
    }
    if (d->state != DIAL_TRYING)
        move(d, DIAL_TRYING);
    else if (d->attempts && uv_is_active((uv_handle_t *)&d->timer))
        return; /* the one under way has its head start */
    next_attempt(d);
}

/* ---- Unix sockets. ---- */

static void try_unix(struct dial *d)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", d->ep->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int errnum = fd < 0 ? errno : 0;
    if (!errnum && connect(fd, (struct sockaddr *)&un, sizeof un) < 0)
        errnum = errno;
    if (!errnum) {
        succeed(d, fd, NULL);
        return;
    }
    if (fd >= 0)
        close(fd);
    if (errnum == EAGAIN) {
        probe_note(d->run, "connect to unix://%s: its backlog is full", d->ep->path);
        start_timer(d, BACKLOG_RETRY_MS);
        return;
    }
    char where[DIAL_TEXT_MAX];
    snprintf(where, sizeof where, "unix://%s", d->ep->path);
    note_failure(d, AF_UNIX, errnum);
    add_detail(d, where, address_error_words(errnum));
    give_up(d);
}

static void on_timer(uv_timer_t *timer)
{
    struct dial *d = container_of(timer, struct dial, timer);
    if (d->ep->path) {
        try_unix(d);
    } else if (d->state == DIAL_RETRYING) {
        try_again(d);
    } else {
        if (d->state == DIAL_HOLDING)
            move(d, DIAL_TRYING);
        next_attempt(d);
    }
}

/* ---- Begin and end. ---- */

static void look_up(struct dial *d)
{
    struct err e;
    probe_phase(d->run, PHASE_DNS);
    d->lookups_left = d->ep->family ? 1 : 2;
    d->resolve = resolve_start(d->run->env->loop, d->ep->host, d->ep->family, on_answer, d, &e);
    if (d->resolve) {
        char servers[200];
        closer_hold(&d->closer);
        probe_note(d->run, "%s: no answer from DNS server %s", d->ep->host,
                   resolve_servers(d->resolve, servers, sizeof servers));
        return;
    }
    snprintf(d->detail, sizeof d->detail, "%s: %.200s", d->ep->host, e.text);
    finish(d, REASON_INTERNAL);
}

/* A redirect may name an address of the other family than the settings ask for. */
static void take_literal(struct dial *d, const struct sockaddr_in6 *literal)
{
    int family = literal->sin6_family == AF_INET ? 4 : 6;
    if (!d->ep->family || d->ep->family == family) {
        add_addresses(d, literal, 1);
        return;
    }
    d->lookup_failed = true;
    snprintf(d->lookup_detail, sizeof d->lookup_detail, "is an IPv%d address, and family is %d",
             family, d->ep->family);
}

static void on_all_closed(struct closer *c)
{
    struct dial *d = container_of(c, struct dial, closer);
    free(d->queue);
    d->on_closed(d);
}

void dial_start(struct dial *d, struct probe_run *run, const struct endpoint *ep,
                void (*on_done)(struct dial *d))
{
    *d = (struct dial){.fd = -1, .run = run, .ep = ep, .on_done = on_done};
    closer_init(&d->closer, run->env->loop, on_all_closed);
    uv_timer_init(run->env->loop, &d->timer);
    closer_add(&d->closer, &d->timer);
    struct sockaddr_in6 literal, loopback[2];
    bool is_literal = !ep->path && endpoint_address(ep, &literal);
    if (!ep->path && !is_literal && !address_is_localhost(ep->host)) {
        look_up(d);
        return;
    }
    move(d, DIAL_TRYING);
    probe_phase(run, PHASE_CONNECT);
    if (ep->path) {
        try_unix(d);
        return;
    }
    if (is_literal)
        take_literal(d, &literal);
    else
        add_addresses(d, loopback, address_loopback(ep->family, loopback));
    next_attempt(d);
}

static void on_resolve_closed(void *owner)
{
    closer_drop(&((struct dial *)owner)->closer);
}

void dial_close(struct dial *d, void (*on_closed)(struct dial *d))
{
    move(d, DIAL_CLOSING);
    d->on_closed = on_closed;
    end_attempts(d);
    if (d->resolve)
        resolve_close(d->resolve, on_resolve_closed);
    closer_close(&d->closer);
}
