/* dns_records: the SRV records of one name and the TXT records of another, side by side, by c-ares
 * on the loop. Names are asked as they are, without a search list. Like resolve it has no time
 * limit of its own. */
#ifndef PROBE_NET_DNS_RECORDS_H
#define PROBE_NET_DNS_RECORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "net/dns_reply.h"

#define DNS_SRV_MAX 512  /* records that are used */
#define DNS_TXT_MAX 4096 /* bytes of a text, with its NUL */

struct dns_records {
    const char *words; /* NULL: both are known; else why not, static */
    const char *name;  /* of which name */
    bool no_such_name; /* there is no SRV record */
    bool internal;     /* we are out of descriptors or memory */
    size_t n_srv;
    const struct dns_srv *srv;
    size_t n_txt;    /* records; 0: none */
    const char *txt; /* the text of the first */
    uint32_t ttl;    /* seconds: how long this may be remembered */
};

struct dns_records_lookup;

/* `on_done` comes once, never from inside; what it is given holds during the call. NULL: it could
 * not be begun. */
struct dns_records_lookup *
dns_records_start(uv_loop_t *loop, const char *srv_name, const char *txt_name,
                  void (*on_done)(void *owner, const struct dns_records *r), void *owner,
                  struct err *e);

/* Who is asked, for a note. Returns out. */
char *dns_records_servers(const struct dns_records_lookup *l, char *out, size_t size);

/* Exactly once; no answer comes any more. `on_closed` comes later, never from inside. */
void dns_records_close(struct dns_records_lookup *l, void (*on_closed)(void *owner));

#endif
