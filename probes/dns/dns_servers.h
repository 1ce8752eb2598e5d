/* dns_servers: the addresses of those that a check asks: of one server, which may have a name, or
 * the system's. */
#ifndef PROBE_DNS_DNS_SERVERS_H
#define PROBE_DNS_DNS_SERVERS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/endpoint.h"
#include "base/reason.h"
#include "host.h"

#define DNS_SERVERS_MAX 4 /* asked by one run */

struct resolve;

struct dns_servers {
    /* The result: n is 0 where there is none, and `reason` and `why` say why. */
    struct sockaddr_in6 found[DNS_SERVERS_MAX]; /* with their ports */
    size_t n;
    bool is_whole; /* there are no others */
    enum reason reason;
    char why[PROBE_DETAIL_MAX];
    /* Private. */
    struct probe_run *run;
    const struct endpoint *ep;
    struct resolve *resolve;
    unsigned lookups_left;
    void (*on_done)(struct dns_servers *s);
};

/* Finds them; `ep` without a host means the system's. `on_done` comes once, perhaps from inside,
 * unless dns_servers_close comes before. */
void dns_servers_find(struct dns_servers *s, struct probe_run *run, const struct endpoint *ep,
                      void (*on_done)(struct dns_servers *s));

/* Ends it. True: something is to be closed, and on_closed comes later with `s`, from the loop. */
bool dns_servers_close(struct dns_servers *s, void (*on_closed)(void *s));

#endif
