/* dns_reply: the addresses in a name server's reply. Pure; the bytes may be anything. */
#ifndef PROBE_NET_DNS_REPLY_H
#define PROBE_NET_DNS_REPLY_H

#include <netinet/in.h>
#include <stddef.h>

enum dns_reply {
    DNS_REPLY_FOUND,
    DNS_REPLY_NONE, /* it says in order that the name has no address of this family */
    DNS_REPLY_BAD,  /* it makes no sense */
};

/* The addresses of `family` of the name in the reply's question, and of what its CNAME records, in
 * any order, say that it stands for. `*n`: how many there are; at most `max` are written. */
enum dns_reply dns_reply_addresses(const unsigned char *data, size_t len, int family,
                                   struct sockaddr_in6 *out, size_t max, size_t *n);

#endif
