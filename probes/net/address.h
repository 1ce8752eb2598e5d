/* address: socket addresses of either family in one kind of room (struct sockaddr_in6), as text and
 * back, and what a connect to one came to. */
#ifndef PROBE_NET_ADDRESS_H
#define PROBE_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/dial.h"

/* "127.0.0.1:80", "[::1]:80", "[fe80::1%eth0]:80" */
void address_text(const struct sockaddr_in6 *a, char out[DIAL_TEXT_MAX]);

/* localhost and *.localhost: the loopback, whatever files and servers say (RFC 6761 section 6.3).
 */
bool address_is_localhost(const char *host);

/* The loopback's addresses of `family` (4, 6; 0: both), with port 0; returns how many. */
size_t address_loopback(int family, struct sockaddr_in6 out[2]);

/* Is the connected socket's own address that of its peer? A connect to a free local port in the
 * ephemeral range can meet itself (simultaneous open): nobody listens there. */
bool address_is_own(int fd, const struct sockaddr_in6 *peer);

/* Of a connect that said EINPROGRESS: 0, connected; EINPROGRESS, it still is; else what it came to.
 */
int address_outcome(int fd);
/* Did a connect fail because this machine has no IPv6? Then nobody here could get through by it. */
bool address_lacks_family(int family, int errnum);
/* Why a connect failed, for a person. */
const char *address_error_words(int errnum);

#endif
