/* endpoint: the text of a place to connect to, or to listen on. Pure: no name is looked up. */
#ifndef PROBE_BASE_ENDPOINT_H
#define PROBE_BASE_ENDPOINT_H

#include <stdint.h>

#include "base/err.h"

/* Where to connect. Owns its strings. */
struct endpoint {
    char *host; /* name or literal address, without brackets; NULL for a unix socket */
    uint16_t port;
    char *path; /* of a unix socket; at most 107 bytes */
    int family; /* 0 any, 4, 6 */
};

/* "host:port", "[v6]:port" or "unix:///path"; `default_port` 0: a port must be given. Refuses what
 * is not a valid name, address or port (1-65535), in words. */
int endpoint_parse(struct endpoint *ep, const char *text, uint16_t default_port, struct err *e);
void endpoint_fini(struct endpoint *ep);

#endif
