/* address: see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static char *put_decimal(char *out, unsigned n)
{
    char digits[10];
    size_t len = 0;
    do
        digits[len++] = (char)('0' + n % 10);
    while (n /= 10);
    while (len)
        *out++ = digits[--len];
    return out;
}

/* IPv4 by hand: every check of an agent names its peer, and printf is slower than the rest of it.
 */
void address_text(const struct sockaddr_in6 *a, char out[DIAL_TEXT_MAX])
{
    if (a->sin6_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, a, sizeof in);
        const unsigned char *ip = (const unsigned char *)&in.sin_addr;
        for (int i = 0; i < 4; i++) {
            out = put_decimal(out, ip[i]);
            *out++ = i < 3 ? '.' : ':';
        }
        *put_decimal(out, ntohs(in.sin_port)) = '\0';
        return;
    }
    char ip[INET6_ADDRSTRLEN];
    inet_ntop(AF_INET6, &a->sin6_addr, ip, sizeof ip);
    snprintf(out, DIAL_TEXT_MAX, "[%s]:%u", ip, ntohs(a->sin6_port));
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
