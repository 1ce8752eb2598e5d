/* resolve: see resolve.h. c-ares reports from inside its own calls and must not be ended there, so
 * its callbacks only note the result; what follows from it is done when c-ares has returned. */
#include "net/resolve.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/dns_channel.h"
#include "net/dns_reply.h"
#include "net/hosts.h"

/* Beside the statuses of c-ares: every address in the answer is the unspecified one. */
#define STATUS_NOWHERE 1000

/* One family's question for the name that is being asked. */
struct lookup {
    bool answered, delivered;
    int status; /* of this name */
    int worst;  /* of the names before it: the most telling one */
    struct resolve_answer answer;
};

struct resolve {
    struct dns_channel channel;
    char host[RESOLVE_NAME_SIZE];
    size_t at; /* which name of the search list is asked */
    struct lookup lookups[2];
    size_t n_lookups;
    bool hosts_unread; /* /etc/hosts */
    void (*on_answer)(void *owner, const struct resolve_answer *a);
    void (*on_closed)(void *owner);
    void *owner;
};

/* ---- What an answer means. ---- */

static const char *words_of(int status, bool *internal)
{
    *internal = false;
    if (status == STATUS_NOWHERE)
        return "the name's address is 0.0.0.0 or ::, which is nowhere (blocked by the DNS server?)";
    return status == ARES_ENODATA ? "the name has no address" : dns_channel_words(status, internal);
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
    status = dns_channel_status(status, data, len);
    if (status == ARES_SUCCESS)
        status = take_reply(&l->answer, data, (size_t)len);
    l->status = status;
    l->answered = true;
}

/* ---- The course of it. ---- */

static void ask(struct resolve *r, struct lookup *l)
{
    char name[RESOLVE_NAME_SIZE];
    if (!resolve_search_name(&r->channel.search, r->host, r->at, name))
        return;
    l->answered = false;
    ares_query(r->channel.ares, name, C_IN, l->answer.family == AF_INET ? T_A : T_AAAA, on_reply,
               l);
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
    if (!resolve_search_name(&r->channel.search, r->host, r->at + 1, name))
        return false;
    r->at++;
    for (size_t i = 0; i < r->n_lookups; i++) {
        struct lookup *l = &r->lookups[i];
        l->worst = more_telling(l->worst, l->status);
        ask(r, l);
    }
    return true;
}

static void deliver(struct resolve *r, struct lookup *l)
{
    int status = l->answer.n ? ARES_SUCCESS : more_telling(l->worst, l->status);
    l->delivered = true;
    l->answer.words = words_of(status, &l->answer.internal);
    l->answer.no_such_name = is_no_such_name(status);
    l->answer.cut |= r->channel.search.cut || r->hosts_unread;
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
    for (size_t i = 0; i < r->n_lookups && settled && !r->channel.closer.closing; i++)
        if (r->lookups[i].answered && !r->lookups[i].delivered)
            deliver(r, &r->lookups[i]);
}

static void on_turn(struct dns_channel *channel)
{
    go_on(container_of(channel, struct resolve, channel));
}

static void discard(struct resolve *r)
{
    for (size_t i = 0; i < r->n_lookups; i++)
        free(r->lookups[i].answer.addrs);
    free(r);
}

static void on_channel_closed(struct dns_channel *channel)
{
    struct resolve *r = container_of(channel, struct resolve, channel);
    void (*on_closed)(void *owner) = r->on_closed;
    void *owner = r->owner;
    discard(r);
    on_closed(owner);
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
    if (look_in_hosts(r, e) < 0 || dns_channel_open(&r->channel, loop, on_turn, e) < 0) {
        discard(r);
        return NULL;
    }
    for (size_t i = 0; i < r->n_lookups && !any_found(r); i++)
        ask(r, &r->lookups[i]);
    dns_channel_wait(&r->channel, r->lookups[0].answered || r->lookups[1].answered);
    return r;
}

char *resolve_servers(const struct resolve *r, char *out, size_t size)
{
    return dns_channel_servers(&r->channel, out, size);
}

void resolve_close(struct resolve *r, void (*on_closed)(void *owner))
{
    r->on_closed = on_closed;
    dns_channel_close(&r->channel, on_channel_closed);
}
