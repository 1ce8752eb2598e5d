/* address: see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"

/* By hand: each connection writes one, and by inet_ntop and printf that was a quarter of what a tcp
 * check does outside of the kernel. */
void address_text(const struct sockaddr_in6 *a, char out[DIAL_TEXT_MAX])
{
    char *at = out;
    if (a->sin6_family == AF_INET) {
        struct sockaddr_in v4;
        memcpy(&v4, a, sizeof v4);
        const unsigned char *bytes = (const unsigned char *)&v4.sin_addr;
        for (size_t i = 0; i < sizeof v4.sin_addr; i++) {
            if (i)
                *at++ = '.';
            at = buf_write_uint(at, bytes[i]);
        }
    } else {
        *at++ = '[';
        inet_ntop(AF_INET6, &a->sin6_addr, at, INET6_ADDRSTRLEN);
        at += strlen(at);
        if (a->sin6_scope_id && if_indextoname(a->sin6_scope_id, at + 1)) {
            *at = '%';
            at += strlen(at);
        }
        *at++ = ']';
    }
    *at++ = ':';
    *buf_write_uint(at, ntohs(a->sin6_port)) = '\0';
}

bool address_is_localhost(const char *host)
{
    size_t n = strlen(host), tail = strlen("localhost");
    if (n < tail || strcasecmp(host + n - tail, "localhost") != 0)
        return false;
    return n == tail || host[n - tail - 1] == '.';
}

size_t address_loopback(int family, struct sockaddr_in6 out[2])
{
    const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    size_t n = 0;
    memset(out, 0, 2 * sizeof *out);
    if (family != 4)
        out[n++] = v6;
    if (family != 6)
        memcpy(&out[n++], &v4, sizeof v4);
    return n;
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

/* On this host the answer is there before connect returns, which does not look: looking at once
 * spares watching the socket. By poll and not by a second connect, after which libcurl 7.88's own
 * one, on a socket that it was told is connected, would fail (EISCONN). */
int address_outcome(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (poll(&p, 1, 0) <= 0)
        return EINPROGRESS;
    if (p.revents == POLLOUT)
        return 0;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0 ? errno : errnum;
}

bool address_lacks_family(int family, int errnum)
{
    return family == AF_INET6 &&
           (errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT || errnum == ENETUNREACH);
}

const char *address_error_words(int errnum)
{
    switch (errnum) {
    case ECONNREFUSED:
        return "connection refused";
    case ENOENT:
        return "no such socket";
    case ETIMEDOUT:
        return "connection timed out";
    case ECONNRESET:
        return "connection reset";
    case EHOSTUNREACH:
        return "no route to host";
    case ENETUNREACH:
        return "network is unreachable";
    case EINVAL:
        return "no way to this address (a blackhole route, or a link-local address without %scope)";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    default:
        return strerror(errnum);
    }
}
