/* dns_channel: c-ares on the loop, for one lookup: its sockets, its timer, and who is asked. A
 * lookup has a channel of its own: a change of resolv.conf is seen by the next one, ending it is
 * exact, and one that hangs delays nothing else. It has no time limit: a question that ended with
 * ARES_ETIMEOUT is asked again by its owner. */
#ifndef PROBE_NET_DNS_CHANNEL_H
#define PROBE_NET_DNS_CHANNEL_H

#include <ares.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/err.h"
#include "loop/closer.h"
#include "net/resolve_search.h"

struct dns_watch;

struct dns_channel {
    ares_channel ares; /* ask with ares_query; its callbacks must only note what came */
    struct resolve_search search;
    struct closer closer; /* the owner may hold it */
    /* Private. */
    void (*on_turn)(struct dns_channel *c);
    void (*on_closed)(struct dns_channel *c);
    struct dns_watch *watches;
    uv_timer_t timer;
};

/* $PROBE_DNS_SERVERS ("host[:port],...") replaces the servers of /etc/resolv.conf. `on_turn` comes
 * from the loop after each of c-ares' turns, and is where the channel may be closed. -1: nothing to
 * close. */
int dns_channel_open(struct dns_channel *c, uv_loop_t *loop, void (*on_turn)(struct dns_channel *c),
                     struct err *e);

/* After the owner asked: waits for the answers; `soon`: one is there already. */
void dns_channel_wait(struct dns_channel *c, bool soon);

/* Ends it, once; `on_closed` comes later, never from inside. */
void dns_channel_close(struct dns_channel *c, void (*on_closed)(struct dns_channel *c));

/* Not among c-ares' statuses: the server only refers to others, which are not asked. */
#define DNS_CHANNEL_REFERRAL 1001

/* What a reply means, of which c-ares says `status`. */
int dns_channel_status(int status, const unsigned char *data, int len);

/* c-ares' word for a status in a person's words; static. `internal`: it is our own want of
 * descriptors or memory. */
const char *dns_channel_words(int status, bool *internal);

/* Who is asked, for a note: "127.0.0.11:53, [::1]:53". Returns out. */
char *dns_channel_servers(const struct dns_channel *c, char *out, size_t size);

#endif
