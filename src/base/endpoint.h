/* endpoint: the text of a place to connect to, or to listen on. Pure: no name is looked up. */
#ifndef PROBE_BASE_ENDPOINT_H
#define PROBE_BASE_ENDPOINT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

/* Owns its strings. */
struct endpoint {
    char
        *host; /* name or literal address, without brackets, "%eth0" kept; NULL for a unix socket */
    uint16_t port;
    char *path; /* of a unix socket; at most 107 bytes */
    int family; /* 0 any, 4, 6 */
    /* Set by the owner. */
    bool is_proxy;  /* it is on the way, and not the target */
    bool is_beside; /* the target may be there without it: a proxy, another host, one of several */
};

/* "host:port", "[v6]:port" or "unix:///path"; `default_port` 0: a port must be given. Refuses what
 * is not a valid name, address or port (1-65535), in words. */
int endpoint_parse(struct endpoint *ep, const char *text, uint16_t default_port, struct err *e);

/* Kubernetes sets NAME_PORT to "tcp://10.0.0.1:80": the words where one stands behind the ':' or
 * '/' of a URL or address; NULL: none does. */
const char *endpoint_kubernetes_words(const char *text);

/* Only addresses of this family (4, 6; 0: any) are meant. -1 where the host is one of the other. */
int endpoint_set_family(struct endpoint *ep, int family, struct err *e);

/* As endpoint_parse, for a place to listen on: "127.0.0.1:9797", "[::1]:9797", "localhost:9797"
 * (its host is then 127.0.0.1), ":9797" and "*:9797" (every address of both families: its host is
 * then "*"). A port must be given; other names are refused, for nobody may wait for a name server.
 */
int endpoint_parse_listen(struct endpoint *ep, const char *text, struct err *e);

/* The address that the host is, with the port, in the room of the larger family; its length is
 * that of sockaddr_in where sin6_family is AF_INET. False when the host is a name. An interface
 * that is not there ("%eth9") leaves scope 0. */
bool endpoint_address(const struct endpoint *ep, struct sockaddr_in6 *a);

/* Is the host an address that only this machine reaches? False for a name. */
bool endpoint_is_loopback(const struct endpoint *ep);

void endpoint_fini(struct endpoint *ep);

#endif
