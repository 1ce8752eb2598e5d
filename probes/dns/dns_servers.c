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
    if (s->n == DNS_SERVERS_MAX) {
        s->is_whole = false;
        return;
    }
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
    if (answer->cut || !(answer->n || answer->no_such_name))
        s->is_whole = false;
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
    s->is_whole = false;
    s->on_done(s);
}

static void take_system(struct dns_servers *s)
{
    struct resolve_search search;
    struct err e;
    err_set(&e, "/etc/resolv.conf names no DNS server that can be asked");
    int rc = resolve_search_load(&search, &e);
    for (size_t i = 0; rc == 0 && i < search.n_servers; i++) {
        const struct sockaddr_in6 *a = &search.servers[i];
        if (!s->ep->family || s->ep->family == (a->sin6_family == AF_INET ? 4 : 6))
            add(s, a, ntohs(a->sin6_port));
    }
    if (!s->n)
        fail(s, REASON_INTERNAL, e.text);
    resolve_search_fini(&search);
}

void dns_servers_find(struct dns_servers *s, struct probe_run *run, const struct endpoint *ep,
                      void (*on_done)(struct dns_servers *s))
{
    struct sockaddr_in6 own[2];
    *s = (struct dns_servers){.is_whole = true, .run = run, .ep = ep, .on_done = on_done};
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
