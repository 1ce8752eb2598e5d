/* bind: see bind.h. */
#include "loop/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/endpoint.h"

#define BACKLOG 512

struct tcp_address {
    struct sockaddr_in6 addr; /* or a sockaddr_in in its room */
    bool any;                 /* every address of both families */
};

static socklen_t size_of(const struct tcp_address *a)
{
    return a->addr.sin6_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof a->addr;
}

static int parse_listen(const char *text, struct tcp_address *out, struct err *e)
{
    struct endpoint ep;
    if (endpoint_parse_listen(&ep, text, e) < 0)
        return -1;
    *out = (struct tcp_address){.any = strcmp(ep.host, "*") == 0};
    if (out->any)
        out->addr = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(ep.port)};
    else
        endpoint_address(&ep, &out->addr);
    endpoint_fini(&ep);
    return 0;
}

static int fail(int fd, int errnum, const char *text, struct err *e)
{
    if (fd >= 0)
        close(fd);
    if (errnum == EADDRINUSE)
        return err_set(e, "cannot listen on %s: the port is in use by another program", text);
    if (errnum == EACCES)
        return err_set(e, "cannot listen on %s: not permitted (ports below 1024 need a privilege)",
                       text);
    if (errnum == EADDRNOTAVAIL)
        return err_set(e, "cannot listen on %s: this machine does not have that address", text);
    return err_errno(e, errnum, "cannot listen on %s", text);
}

static int bind_and_listen(int fd, const struct tcp_address *a)
{
    return bind(fd, (const struct sockaddr *)&a->addr, size_of(a)) < 0 ? -1 : listen(fd, BACKLOG);
}

/* Shares the port with `beside` for the moment of binding, and with nobody afterwards. */
static int bind_beside(int fd, int beside, const struct tcp_address *a)
{
    int on = 1, off = 0;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    setsockopt(beside, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    int rc = bind_and_listen(fd, a), errnum = errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
    setsockopt(beside, SOL_SOCKET, SO_REUSEPORT, &off, sizeof off);
    errno = errnum;
    return rc;
}

int bind_tcp(const char *listen_text, int beside, struct err *e)
{
    struct tcp_address a;
    if (parse_listen(listen_text, &a, e) < 0)
        return -1;
    int fd = socket(a.addr.sin6_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && a.any && errno == EAFNOSUPPORT) {
        /* a kernel without IPv6: every address is every IPv4 address */
        const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = a.addr.sin6_port};
        memcpy(&a.addr, &v4, sizeof v4);
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd < 0)
        return fail(fd, errno, listen_text, e);
    int on = 1, only6 = !a.any;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.addr.sin6_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
    if (bind_and_listen(fd, &a) == 0 ||
        (errno == EADDRINUSE && beside >= 0 && bind_beside(fd, beside, &a) == 0))
        return fd;
    return fail(fd, errno, listen_text, e);
}

/* Where a socket is made, in the folder that it goes to, before it gets its name. */
#define UNFINISHED ".probe.new"

/* Is the path free to take? Nothing, a dead socket or `ours` may be there. */
static int expect_replaceable(const struct sockaddr_un *addr, const struct bind_id *ours,
                              struct err *e)
{
    const char *path = addr->sun_path;
    struct stat st;
    if (lstat(path, &st) < 0) {
        if (errno == ENOENT)
            return 0;
        return err_errno(e, errno, "cannot look at socket %s", path);
    }
    if (!S_ISSOCK(st.st_mode))
        return err_set(e, "cannot listen on %s: a file that is no socket is there", path);
    if (ours && st.st_dev == ours->dev && st.st_ino == ours->ino)
        return 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "cannot listen on %s", path);
    int rc = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    int errnum = rc < 0 ? errno : 0;
    close(fd);
    if (errnum == ENOENT || errnum == ECONNREFUSED)
        return 0;
    if (errnum == 0 || errnum == EAGAIN)
        return err_set(e, "cannot listen on %s: another agent answers there", path);
    return err_errno(e, errnum, "cannot tell whether socket %s is in use", path);
}

/* The folder of `path`, locked against other agents that start in it: its descriptor, or -1. One
 * that this user may not list cannot be locked, and is used as it is. */
static int lock_folder(const char *path, int patience_ms, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char folder[sizeof(struct sockaddr_un)];
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1,
             slash ? path : ".");
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && errno == EACCES)
        return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return err_set(e, "cannot listen on %s: the directory %.*s does not exist", path,
                       slash > path ? (int)(slash - path) : 1, folder);
    if (fd < 0)
        return err_errno(e, errno, "cannot listen on %s", path);
    for (; flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK; patience_ms--) {
        if (patience_ms <= 0) {
            close(fd);
            return err_set(e, "cannot listen on %s: another agent starts in %s right now", path,
                           folder);
        }
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return fd;
}

/* A listening socket at the name UNFINISHED of `folder`, and in `at` that name. Its mode comes from
 * the umask: chmod by name could be led to another file by whoever owns the folder. */
static int make_unfinished(const char *path, int folder, unsigned mode, struct sockaddr_un *at,
                           struct bind_id *id)
{
    const char *slash = strrchr(path, '/');
    int len = slash ? (int)(slash - path) + 1 : 0;
    struct stat st;
    *at = (struct sockaddr_un){.sun_family = AF_UNIX};
    if ((size_t)len + sizeof UNFINISHED <= sizeof at->sun_path)
        snprintf(at->sun_path, sizeof at->sun_path, "%.*s" UNFINISHED, len, path);
    else
        snprintf(at->sun_path, sizeof at->sun_path, "/proc/self/fd/%d/" UNFINISHED, folder);
    unlink(at->sun_path); /* what an agent left that died just here */
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    mode_t before = umask(0777 & ~(mode_t)mode);
    int rc = bind(fd, (struct sockaddr *)at, sizeof *at);
    int errnum = errno;
    umask(before);
    errno = errnum;
    if (rc == 0 && listen(fd, BACKLOG) == 0 && lstat(at->sun_path, &st) == 0) {
        *id = (struct bind_id){.dev = st.st_dev, .ino = st.st_ino};
        return fd;
    }
    errnum = errno;
    close(fd);
    errno = errnum;
    return -1;
}

int bind_unix(const char *path, unsigned mode, const struct bind_id *ours, int patience_ms,
              struct bind_id *id, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX}, unfinished;
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(e, "socket path %.120s is too long: at most %zu bytes", path,
                       sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    int folder = lock_folder(path, patience_ms, e);
    if (folder < 0)
        return -1;
    int fd = -1;
    if (expect_replaceable(&addr, ours, e) == 0) {
        fd = make_unfinished(path, folder, mode, &unfinished, id);
        if (fd < 0) {
            err_errno(e, errno, "cannot listen on %s", path);
        } else if (rename(unfinished.sun_path, path) < 0) {
            err_errno(e, errno, "cannot listen on %s", path);
            unlink(unfinished.sun_path);
            close(fd);
            fd = -1;
        }
    }
    close(folder);
    return fd;
}

void bind_unlink(const char *path, const struct bind_id *id)
{
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino)
        unlink(path);
}
