/* address: see address.h. */
#include "address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void address_text(const struct sockaddr_in6 *a, char out[DIAL_TEXT_MAX])
{
    char ip[INET6_ADDRSTRLEN];
    if (a->sin6_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        inet_ntop(AF_INET, &in.sin_addr, ip, sizeof ip);
        snprintf(out, DIAL_TEXT_MAX, "%s:%u", ip, ntohs(in.sin_port));
        return;
    }
    inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof ip);
    snprintf(out, DIAL_TEXT_MAX, "[%s]:%u", ip, ntohs(a->sin6_port));
}

bool address_of_literal(const struct endpoint *ep, struct sockaddr_in6 *a)
{
    memset(a, 0, sizeof *a);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(ep->port)};
    if (inet_pton(AF_INET, ep->host, &in.sin_addr) == 1) {
        memcpy(a, &in, sizeof in);
        return true;
    }
    char bare[INET6_ADDRSTRLEN];
    size_t len = strcspn(ep->host, "%");
    if (len >= sizeof bare || !strchr(ep->host, ':'))
        return false;
    memcpy(bare, ep->host, len);
    bare[len] = '\0';
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(ep->port);
    if (ep->host[len])
        a->sin6_scope_id = if_nametoindex(ep->host + len + 1);
    return inet_pton(AF_INET6, bare, &a->sin6_addr) == 1;
}

bool address_is_localhost(const char *host)
{
    size_t n = strlen(host), tail = strlen("localhost");
    if (n < tail || strcasecmp(host + n - tail, "localhost") != 0)
        return false;
    return n == tail || host[n - tail - 1] == '.';
}

bool address_is_own(int fd, const struct sockaddr_in6 *peer)
{
    struct sockaddr_in6 own = {0};
    socklen_t len = sizeof own;
    if (getsockname(fd, (struct sockaddr *)&own, &len) < 0)
        return false;
    if (own.sin6_family == AF_INET) {
        struct sockaddr_in a, b;
        memcpy(&a, &own, sizeof a);
        memcpy(&b, peer, sizeof b);
        return a.sin_port == b.sin_port && a.sin_addr.s_addr == b.sin_addr.s_addr;
    }
    return own.sin6_port == peer->sin6_port &&
           memcmp(&own.sin6_addr, &peer->sin6_addr, sizeof own.sin6_addr) == 0;
}
