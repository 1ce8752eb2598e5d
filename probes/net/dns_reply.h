/* dns_reply: the addresses, SRV and TXT records in a name server's reply. Pure; the bytes may be
 * anything. */
#ifndef PROBE_NET_DNS_REPLY_H
#define PROBE_NET_DNS_REPLY_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

#include "net/dns_wire.h"

enum dns_reply {
    DNS_REPLY_FOUND,
    DNS_REPLY_NONE, /* it says in order that the name has no such record */
    DNS_REPLY_BAD,  /* it makes no sense */
};

/* The addresses of `family` of the name in the reply's question, and of what its CNAME records, in
 * any order, say that it stands for. `*n`: how many there are; at most `max` are written. */
enum dns_reply dns_reply_addresses(const unsigned char *data, size_t len, int family,
                                   struct sockaddr_in6 *out, size_t max, size_t *n);

struct dns_srv {
    char target[DNS_NAME_SIZE]; /* in lower case, without a dot at the end */
    uint16_t port;
};

/* The SRV records likewise, without the order that they ask for. `*ttl` (seconds) is lowered to the
 * least of theirs. */
enum dns_reply dns_reply_srv(const unsigned char *data, size_t len, struct dns_srv *out, size_t max,
                             size_t *n, uint32_t *ttl);

/* The text of the first TXT record; `*n`: how many there are. A text that does not fit in `size`,
 * or holds a NUL, is BAD. */
enum dns_reply dns_reply_txt(const unsigned char *data, size_t len, char *out, size_t size,
                             size_t *n, uint32_t *ttl);

#endif
