/* resolve_search: the names that a short name may stand for, by resolv.conf's `search`, `domain`
 * and `ndots` and the environment's LOCALDOMAIN and RES_OPTIONS (resolv.conf(5)). Asks nobody. */
#ifndef PROBE_NET_RESOLVE_SEARCH_H
#define PROBE_NET_RESOLVE_SEARCH_H

#include <stdbool.h>
#include <stddef.h>

#define RESOLVE_NAME_SIZE 256
#define RESOLVE_DOMAINS   8 /* used at most */

struct resolve_search {
    unsigned ndots;
    size_t n_domains;
    char domains[RESOLVE_DOMAINS][RESOLVE_NAME_SIZE];
};

/* From the text of a resolv.conf; what it does not know is skipped. */
void resolve_search_parse(struct resolve_search *s, char *text);
/* From /etc/resolv.conf, which may be missing, and the environment. */
void resolve_search_load(struct resolve_search *s);

/* The `i`-th name to ask for `host`; false: there are no more. */
bool resolve_search_name(const struct resolve_search *s, const char *host, size_t i,
                         char out[RESOLVE_NAME_SIZE]);

#endif
