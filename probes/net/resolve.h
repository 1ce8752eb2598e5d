/* resolve: one name's lookups, IPv4 and IPv6 side by side: /etc/hosts, else DNS by c-ares on the
 * loop. Each has a channel of its own: a change of resolv.conf is seen by the next check, ending
 * one is exact, and one that hangs delays nothing else. It has no time limit of its own: as long as
 * no server answers it asks again until it is closed. */
#ifndef PROBE_NET_RESOLVE_H
#define PROBE_NET_RESOLVE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/err.h"

#define RESOLVE_MAX 1024 /* addresses of one family that are used; a reply holds 4,000 at most */

/* What one family's lookup brought. */
struct resolve_answer {
    int family; /* AF_INET or AF_INET6 */
    size_t n;
    struct sockaddr_in6 *addrs; /* of that family, with port 0; valid during the call */
    bool cut;          /* not all was looked at: what is not found may be there all the same */
    bool internal;     /* n is 0 because we are out of descriptors or memory */
    bool no_such_name; /* n is 0 because there is none: NXDOMAIN, or no record of this family */
    const char *words; /* n is 0: why; static */
};

struct resolve;

/* Looks `host` up; `family` 0 (both), 4 or 6. `on_answer` comes once for each family, never from
 * inside. NULL: it could not be begun. $PROBE_DNS_SERVERS ("host[:port],...") replaces the servers
 * of /etc/resolv.conf. */
struct resolve *resolve_start(uv_loop_t *loop, const char *host, int family,
                              void (*on_answer)(void *owner, const struct resolve_answer *a),
                              void *owner, struct err *e);

/* Who is asked, for a note: "127.0.0.11:53, [::1]:53". Returns out. */
char *resolve_servers(const struct resolve *r, char *out, size_t size);

/* Ends it; no answer comes any more. `on_closed` comes later, never from inside. */
void resolve_close(struct resolve *r, void (*on_closed)(void *owner));

#endif
