/* resolve_search: what resolv.conf and the environment's LOCALDOMAIN and RES_OPTIONS say
 * (resolv.conf(5)): the name servers, and the names that a short name may stand for. Asks nobody.
 */
#ifndef PROBE_NET_RESOLVE_SEARCH_H
#define PROBE_NET_RESOLVE_SEARCH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define RESOLVE_NAME_SIZE 256
#define RESOLVE_DOMAINS   256 /* of the search list; Kubernetes writes 32 at most */
#define RESOLVE_SERVERS   32

struct resolve_search {
    unsigned ndots;
    bool use_vc; /* ask by TCP */
    bool cut;    /* there was more than is used: a name that is not found may exist */
    size_t n_domains, n_servers;
    char *domains[RESOLVE_DOMAINS];
    struct sockaddr_in6 servers[RESOLVE_SERVERS]; /* of either family */
    char ignored[80]; /* name servers that cannot be asked, for a person; "": none */
    char *texts[3];   /* what the domains point into */
};

/* From the text of a resolv.conf, which is kept and changed. */
void resolve_search_parse(struct resolve_search *s, char *text);
/* From /etc/resolv.conf, which may be missing, and the environment; fini is owed in any case. -1:
 * PROBE_DNS_SERVERS is not a list of addresses. */
int resolve_search_load(struct resolve_search *s, struct err *e);
/* The servers, "127.0.0.11:53,[fe80::1]:53", without their zones. */
void resolve_search_servers(const struct resolve_search *s, char *out, size_t size);
void resolve_search_fini(struct resolve_search *s);

/* The `i`-th name to ask for `host`; false: there are no more. */
bool resolve_search_name(const struct resolve_search *s, const char *host, size_t i,
                         char out[RESOLVE_NAME_SIZE]);

#endif
