/* bind: see bind.h. */
#include "loop/bind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"

#define BACKLOG 512

struct tcp_address {
    struct sockaddr_storage addr;
    socklen_t len;
    bool any; /* every address of both families */
};

static int parse_port(const char *text, in_port_t *port)
{
    if (!*text || strlen(text) > 5 || strspn(text, "0123456789") != strlen(text))
        return -1;
    long n = strtol(text, NULL, 10);
    if (n < 1 || n > 65535)
        return -1;
    *port = htons((in_port_t)n);
    return 0;
}

static int parse_host(const char *host, in_port_t port, struct tcp_address *out)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)&out->addr;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->addr;
    out->any = !*host || strcmp(host, "*") == 0;
    if (strcmp(host, "localhost") == 0)
        host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        out->len = sizeof *v4;
        return 0;
    }
    if (out->any || inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = port;
        out->len = sizeof *v6;
        return 0;
    }
    return -1;
}

static int parse_listen(const char *text, struct tcp_address *out, struct err *e)
{
    static const char *const expected =
        "expected an address and port as 127.0.0.1:9797, [::1]:9797 or :9797";
    *out = (struct tcp_address){0};
    char host[INET6_ADDRSTRLEN + 1] = "";
    const char *colon = strrchr(text, ':');
    in_port_t port;
    if (!colon)
        return err_set(e, "\"%s\": no port, %s", text, expected);
    if (parse_port(colon + 1, &port) < 0)
        return err_set(e, "\"%s\": \"%s\" is no port from 1 to 65535", text, colon + 1);
    const char *start = text;
    size_t len = (size_t)(colon - text);
    bool bracketed = len >= 2 && text[0] == '[' && colon[-1] == ']';
    if (bracketed) {
        start++;
        len -= 2;
    }
    if (len > INET6_ADDRSTRLEN)
        return err_set(e, "\"%.200s\": %s", text, expected);
    memcpy(host, start, len);
    if (!bracketed && strchr(host, ':'))
        return err_set(e, "\"%s\": write an IPv6 address in brackets: [%s]:%s", text, host,
                       colon + 1);
    if (parse_host(host, port, out) < 0)
        return err_set(e, "\"%s\": \"%s\" is no IP address, %s", text, host, expected);
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

int bind_tcp(const char *listen_text, struct err *e)
{
    struct tcp_address a;
    if (parse_listen(listen_text, &a, e) < 0)
        return -1;
    int fd = socket(a.addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 && a.any && errno == EAFNOSUPPORT) {
        /* a kernel without IPv6: every address is every IPv4 address */
        in_port_t port = ((struct sockaddr_in6 *)&a.addr)->sin6_port;
        a = (struct tcp_address){.len = sizeof(struct sockaddr_in)};
        *(struct sockaddr_in *)&a.addr = (struct sockaddr_in){
            .sin_family = AF_INET, .sin_port = port, .sin_addr = {htonl(INADDR_ANY)}};
        fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (fd < 0)
        return fail(fd, errno, listen_text, e);
    int on = 1, only6 = !a.any;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a.addr.ss_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only6, sizeof only6);
    if (bind(fd, (struct sockaddr *)&a.addr, a.len) < 0 || listen(fd, BACKLOG) < 0)
        return fail(fd, errno, listen_text, e);
    return fd;
}

/* What is at the path: nothing or a dead socket (0; then it is free), or something to leave. */
static int clear_path(const struct sockaddr_un *addr, struct err *e)
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
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "cannot listen on %s", path);
    int rc = connect(fd, (const struct sockaddr *)addr, sizeof *addr);
    int errnum = rc < 0 ? errno : 0;
    close(fd);
    if (errnum == ENOENT)
        return 0;
    if (errnum != ECONNREFUSED) {
        if (errnum == 0 || errnum == EAGAIN)
            return err_set(e, "cannot listen on %s: another agent answers there", path);
        return err_errno(e, errnum, "cannot tell whether socket %s is in use", path);
    }
    if (unlink(path) < 0 && errno != ENOENT)
        return err_errno(e, errno, "cannot remove the dead socket %s", path);
    return 0;
}

static int fail_unix(const char *path, struct err *e)
{
    if (errno != ENOENT && errno != ENOTDIR)
        return err_errno(e, errno, "cannot listen on %s", path);
    const char *slash = strrchr(path, '/');
    return err_set(e, "cannot listen on %s: the directory %.*s does not exist", path,
                   slash ? (int)(slash - path) : 1, slash ? path : ".");
}

int bind_unix(const char *path, unsigned mode, struct bind_id *id, struct err *e)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof addr.sun_path)
        return err_set(e, "socket path %.120s is too long: at most %zu bytes", path,
                       sizeof addr.sun_path - 1);
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (clear_path(&addr, e) < 0)
        return -1;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "cannot listen on %s", path);
    if (bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0) {
        fail_unix(path, e);
        close(fd);
        return -1;
    }
    /* Nobody can connect before listen, so there is no moment with a wider mode. */
    struct stat st;
    if (chmod(path, (mode_t)mode) < 0 || lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
        err_errno(e, errno, "cannot listen on %s", path);
        unlink(path);
        close(fd);
        return -1;
    }
    *id = (struct bind_id){.dev = st.st_dev, .ino = st.st_ino};
    return fd;
}

void bind_unlink(const char *path, const struct bind_id *id)
{
    struct stat st;
    if (lstat(path, &st) == 0 && st.st_dev == id->dev && st.st_ino == id->ino)
        unlink(path);
}
