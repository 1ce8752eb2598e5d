/* mongo_child_knock: see mongo_child_knock.h. */
#include "mongo/mongo_child_knock.h"

#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* 0, or the errno value of a connection that is closed at once. */
static int try_connect(const struct sockaddr *addr, socklen_t len, int64_t deadline)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int errnum = fd < 0 || connect(fd, addr, len) < 0 ? errno : 0;
    if (fd >= 0 && errnum == EINPROGRESS) {
        struct pollfd p = {.fd = fd, .events = POLLOUT};
        int64_t ms = (deadline - clock_now()) / NS_PER_MS;
        socklen_t size = sizeof errnum;
        if (poll(&p, 1, ms > 0 ? (int)ms : 0) != 1)
            errnum = ETIMEDOUT;
        else if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &size) < 0)
            errnum = errno;
    }
    if (fd >= 0)
        close(fd);
    return errnum == ECONNRESET ? 0 : errnum; /* it stood, and was reset since */
}

static enum mongo_knock knock_unix(const char *path, int64_t deadline)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof un.sun_path)
        return MONGO_KNOCK_UNKNOWN;
    memcpy(un.sun_path, path, strlen(path) + 1);
    int errnum = try_connect((struct sockaddr *)&un, sizeof un, deadline);
    if (errnum == 0)
        return MONGO_KNOCK_ACCEPTED;
    return errnum == ECONNREFUSED || errnum == ENOENT ? MONGO_KNOCK_REFUSED : MONGO_KNOCK_UNKNOWN;
}

/* This machine has no IPv6, so nobody here could get through by it. */
static bool is_no_family(int family, int errnum)
{
    return family == AF_INET6 &&
           (errnum == EADDRNOTAVAIL || errnum == EAFNOSUPPORT || errnum == ENETUNREACH);
}

static enum mongo_knock knock_all(const struct addrinfo *list, int64_t deadline)
{
    bool refused = false, unknown = false;
    for (const struct addrinfo *a = list; a; a = a->ai_next) {
        int errnum = try_connect(a->ai_addr, a->ai_addrlen, deadline);
        if (errnum == 0)
            return MONGO_KNOCK_ACCEPTED;
        refused |= errnum == ECONNREFUSED;
        unknown |= errnum != ECONNREFUSED && !is_no_family(a->ai_family, errnum);
    }
    return refused && !unknown ? MONGO_KNOCK_REFUSED : MONGO_KNOCK_UNKNOWN;
}

enum mongo_knock mongo_child_knock(const mongoc_host_list_t *host, int64_t deadline)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM}, *list;
    char port[8];
    if (host->family == AF_UNIX)
        return knock_unix(host->host, deadline);
    snprintf(port, sizeof port, "%u", (unsigned)host->port);
    if (getaddrinfo(host->host, port, &hints, &list) != 0)
        return MONGO_KNOCK_UNKNOWN;
    enum mongo_knock knock = knock_all(list, deadline);
    freeaddrinfo(list);
    return knock;
}
