/* dns_servers: see dns_servers.h. */
#include "dns/dns_servers.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/address.h"
#include "net/resolve.h"
#include "net/resolve_search.h"

static void add(struct dns_servers *s, const struct sockaddr_in6 *a, uint16_t port)
{
    if (s->n == DNS_SERVERS_MAX)
        return;
    s->found[s->n] = *a;
    s->found[s->n++].sin6_port = htons(port); /* at the same place for either family */
}

static void fail(struct dns_servers *s, enum reason reason, const char *words)
{
    const char *host = s->ep->host;
    s->reason = reason;
    snprintf(s->why, sizeof s->why, "%s%.255s%s%.120s", host ? "the DNS server " : "",
             host ? host : "", host ? ": " : "", words);
}

static void on_answer(void *owner, const struct resolve_answer *answer)
{
    struct dns_servers *s = owner;
    for (size_t i = 0; i < answer->n; i++)
        add(s, &answer->addrs[i], s->ep->port);
    if (!answer->n)
        fail(s, answer->internal ? REASON_INTERNAL : REASON_DNS, answer->words);
    if (--s->lookups_left == 0)
        s->on_done(s);
}

static void look_up(struct dns_servers *s)
{
    struct err e;
    char servers[200];
    probe_phase(s->run, PHASE_DNS);
    s->lookups_left = s->ep->family ? 1 : 2;
    s->resolve = resolve_start(s->run->env->loop, s->ep->host, s->ep->family, on_answer, s, &e);
    if (s->resolve) {
        probe_note(s->run, "%s: no answer from DNS server %s", s->ep->host,
                   resolve_servers(s->resolve, servers, sizeof servers));
        return;
    }
    fail(s, REASON_INTERNAL, e.text);
    s->on_done(s);
}

static void take_system(struct dns_servers *s)
{
    struct resolve_search search;
    struct err e;
    if (resolve_search_load(&search, &e) < 0)
        fail(s, REASON_INTERNAL, e.text);
    else if (!search.n_servers)
        fail(s, REASON_INTERNAL, "/etc/resolv.conf names no DNS server that can be asked");
    for (size_t i = 0; i < search.n_servers && s->n < DNS_SERVERS_MAX; i++)
        s->found[s->n++] = search.servers[i];
    resolve_search_fini(&search);
}

void dns_servers_find(struct dns_servers *s, struct probe_run *run, const struct endpoint *ep,
                      void (*on_done)(struct dns_servers *s))
{
    struct sockaddr_in6 own[2];
    *s = (struct dns_servers){.run = run, .ep = ep, .on_done = on_done};
    if (!ep->host) {
        take_system(s);
    } else if (endpoint_address(ep, &own[0])) {
        add(s, &own[0], ep->port);
    } else if (address_is_localhost(ep->host)) {
        size_t n = address_loopback(ep->family, own);
        for (size_t i = 0; i < n; i++)
            add(s, &own[i], ep->port);
    } else {
        look_up(s);
        return;
    }
    on_done(s);
}

bool dns_servers_close(struct dns_servers *s, void (*on_closed)(void *s))
{
    if (!s->resolve)
        return false;
    resolve_close(s->resolve, on_closed);
    return true;
}
