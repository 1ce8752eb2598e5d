/* agent_client: see agent_client.h. It speaks HTTP/1.0 over one blocking-by-poll socket, and takes
 * whatever comes back as hostile: head and body are bounded, a short or chunked body is an error.
 * It looks no name up: an agent's address is a path, a literal address, or localhost. */
#include "cli/agent_client.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define HEAD_MAX (64 * 1024)
#define BODY_MAX (64 * 1024 * 1024)

/* Pause between tries on a unix socket whose queue of connections is full: poll cannot wait for it.
 */
#define QUEUE_FULL_PAUSE_MS 5

/* The places to try, in order: one, or localhost's two. */
struct places {
    struct sockaddr_storage addr[2];
    socklen_t len[2];
    size_t n;
};

struct answer {
    int status;
    bool has_length;
    size_t length;
};

/* ---- Where the agent is ---- */

static int parse_unix(const char *path, struct places *p, struct err *e)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&p->addr[0];
    size_t len = strlen(path);
    if (len == 0)
        return err_set(e, "an empty socket path");
    if (len >= sizeof un->sun_path)
        return err_set(e, "the socket path is %zu bytes long, at most %zu work", len,
                       sizeof un->sun_path - 1);
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    p->len[0] = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    p->n = 1;
    return 0;
}

static bool add_v4(struct places *p, const char *host, uint16_t port)
{
    struct sockaddr_in *in = (struct sockaddr_in *)&p->addr[p->n];
    if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
        return false;
    in->sin_family = AF_INET;
    in->sin_port = htons(port);
    p->len[p->n++] = sizeof *in;
    return true;
}

static bool add_v6(struct places *p, const char *host, uint16_t port)
{
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&p->addr[p->n];
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) != 1)
        return false;
    in6->sin6_family = AF_INET6;
    in6->sin6_port = htons(port);
    p->len[p->n++] = sizeof *in6;
    return true;
}

/* 1-65535; an empty text is the default port of http. */
static int parse_port(const char *text, uint16_t *port, struct err *e)
{
    unsigned long n = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p) && n <= 65535; p++)
        n = n * 10 + (unsigned long)(*p - '0');
    if (!*text)
        n = 80;
    if (*p || n < 1 || n > 65535)
        return err_set(e, "'%s' is no port, expected 1-65535", text);
    *port = (uint16_t)n;
    return 0;
}

/* "host:port", "[v6]:port", either with one slash at its end. */
static int parse_http(const char *authority, struct places *p, struct err *e)
{
    char text[128], *host = text, *port_text;
    size_t len = strlen(authority);
    if (len && authority[len - 1] == '/')
        len--;
    if (len >= sizeof text || memchr(authority, '/', len))
        return err_set(e, "expected http://ADDRESS:PORT and nothing after it");
    memcpy(text, authority, len);
    text[len] = '\0';

    bool bracket = text[0] == '[';
    char *end = bracket ? strchr(text, ']') : strchr(text, ':');
    if (bracket && (!end || (end[1] && end[1] != ':')))
        return err_set(e, "expected http://[ADDRESS]:PORT");
    if (bracket) {
        host++;
        port_text = end[1] ? end + 2 : end + 1;
        *end = '\0';
    } else {
        port_text = end ? end + 1 : text + len;
        if (end)
            *end = '\0';
    }
    uint16_t port = 0;
    if (parse_port(port_text, &port, e) < 0)
        return -1;
    bool ok = bracket ? add_v6(p, host, port)
              : strcasecmp(host, "localhost") == 0
                  ? add_v4(p, "127.0.0.1", port) && add_v6(p, "::1", port)
                  : add_v4(p, host, port);
    if (!ok)
        return err_set(e, "'%s' is neither an IP address nor localhost; names are not looked up",
                       host);
    return 0;
}

static int parse_agent(const char *agent, struct places *p, struct err *e)
{
    if (str_starts(agent, "unix://"))
        return parse_unix(agent + strlen("unix://"), p, e);
    if (str_starts(agent, "http://"))
        return parse_http(agent + strlen("http://"), p, e);
    if (strstr(agent, "://"))
        return err_set(e, "expected a socket path, unix:///PATH or http://ADDRESS:PORT");
    return parse_unix(agent, p, e);
}

/* ---- The socket ---- */

/* Waits until `fd` (or, with -1, nothing) is ready, or the deadline. 0, or -1 with the words. */
static int await(int fd, short events, int pause_ms, int64_t deadline, struct err *e)
{
    for (;;) {
        int64_t left = deadline - clock_now();
        if (left <= 0)
            return err_set(e, "no answer in time");
        int64_t ms = left / NS_PER_MS + 1;
        if (pause_ms && ms > pause_ms)
            ms = pause_ms;
        struct pollfd p = {.fd = fd, .events = events};
        int n = poll(&p, 1, ms > INT_MAX ? INT_MAX : (int)ms);
        if (n > 0 || (n == 0 && pause_ms))
            return 0;
        if (n < 0 && errno != EINTR)
            return err_errno(e, errno, "poll");
    }
}

static int connect_to(const struct sockaddr *addr, socklen_t len, int64_t deadline, struct err *e)
{
    int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return err_errno(e, errno, "socket");
    for (;;) {
        if (connect(fd, addr, len) == 0 || errno == EISCONN)
            return fd;
        int err = errno;
        if (err == EINPROGRESS || err == EALREADY || err == EINTR) {
            socklen_t size = sizeof err;
            if (await(fd, POLLOUT, 0, deadline, e) < 0)
                goto fail;
            if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &size) == 0 && err == 0)
                return fd;
        } else if (err == EAGAIN) {
            if (await(-1, 0, QUEUE_FULL_PAUSE_MS, deadline, e) < 0)
                goto fail;
            continue;
        }
        err_errno(e, err, "connect");
        goto fail;
    }
fail:
    close(fd);
    return -1;
}

static int send_request(int fd, const char *method, const char *path, int64_t deadline,
                        struct err *e)
{
    struct buf b;
    buf_init(&b, HEAD_MAX);
    buf_printf(&b, "%s %s HTTP/1.0\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", method, path);
    int rc = b.failed ? err_set(e, "the request is too long") : 0;
    for (size_t at = 0; rc == 0 && at < b.len;) {
        ssize_t n = send(fd, b.data + at, b.len - at, MSG_NOSIGNAL);
        if (n >= 0)
            at += (size_t)n;
        else if (errno == EAGAIN || errno == EINTR)
            rc = await(fd, POLLOUT, 0, deadline, e);
        else
            rc = err_errno(e, errno, "send");
    }
    buf_fini(&b);
    return rc;
}

/* Reads what is there, once it is; the bytes, 0 at the end, -1 with the words. */
static ssize_t receive(int fd, char *to, size_t size, int64_t deadline, struct err *e)
{
    for (;;) {
        ssize_t n = recv(fd, to, size, 0);
        if (n >= 0)
            return n;
        if (errno != EAGAIN && errno != EINTR)
            return err_errno(e, errno, "receive");
        if (await(fd, POLLIN, 0, deadline, e) < 0)
            return -1;
    }
}

/* ---- The answer ---- */

/* A header's value when `line` is that header, blanks around it gone; else NULL. */
static char *header_value(char *line, const char *name)
{
    size_t len = strlen(name);
    if (strncasecmp(line, name, len) != 0 || line[len] != ':')
        return NULL;
    char *value = line + len + 1;
    value += strspn(value, " \t");
    for (char *end = value + strlen(value); end > value && strchr(" \t", end[-1]);)
        *--end = '\0';
    return value;
}

static int parse_length(const char *text, struct answer *a, struct err *e)
{
    size_t n = 0;
    const char *p = text;
    for (; isdigit((unsigned char)*p); p++)
        if (n <= BODY_MAX)
            n = n * 10 + (size_t)(*p - '0');
    if (p == text || *p || (a->has_length && n != a->length))
        return err_set(e, "a broken answer (Content-Length)");
    if (n > BODY_MAX)
        return err_set(e, "the answer is over %d bytes", BODY_MAX);
    a->has_length = true;
    a->length = n;
    return 0;
}

/* `head` is everything before the empty line, NUL-terminated; it is taken apart in place. */
static int parse_head(char *head, struct answer *a, struct err *e)
{
    const char *s = head;
    bool status_line = (str_starts(s, "HTTP/1.0 ") || str_starts(s, "HTTP/1.1 ")) &&
                       isdigit((unsigned char)s[9]) && isdigit((unsigned char)s[10]) &&
                       isdigit((unsigned char)s[11]) && strchr(" \r", s[12]);
    if (!status_line || s[9] < '2')
        return err_set(e, "what answers there is not HTTP");
    a->status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
    for (char *line = strstr(head, "\r\n"); line;) {
        line += 2;
        char *next = strstr(line, "\r\n");
        if (next)
            *next = '\0';
        const char *length = header_value(line, "Content-Length");
        if (length && parse_length(length, a, e) < 0)
            return -1;
        if (header_value(line, "Transfer-Encoding"))
            return err_set(e, "the answer came in an encoding that was not asked for");
        line = next;
    }
    return 0;
}

/* Reads up to the empty line; what came after it is left in `body`. */
static int read_head(int fd, int64_t deadline, struct buf *head, struct buf *body, struct answer *a,
                     struct err *e)
{
    char chunk[16 * 1024];
    for (;;) {
        ssize_t n = receive(fd, chunk, sizeof chunk, deadline, e);
        if (n < 0)
            return -1;
        if (n == 0)
            return err_set(e, head->len ? "the connection was closed before the answer was whole"
                                        : "the connection was closed without an answer");
        size_t from = head->len > 3 ? head->len - 3 : 0;
        if (buf_add(head, chunk, (size_t)n) < 0)
            return err_set(e, "the head of the answer is over %d bytes", HEAD_MAX);
        char *end = memmem(head->data + from, head->len - from, "\r\n\r\n", 4);
        if (!end)
            continue;
        size_t used = (size_t)(end - head->data);
        if (memchr(head->data, '\0', used))
            return err_set(e, "what answers there is not HTTP");
        if (buf_add(body, end + 4, head->len - used - 4) < 0)
            return err_set(e, "out of memory");
        *end = '\0';
        return parse_head(head->data, a, e);
    }
}

static int read_body(int fd, int64_t deadline, const struct answer *a, struct buf *body,
                     struct err *e)
{
    char chunk[64 * 1024];
    while (!a->has_length || body->len < a->length) {
        ssize_t n = receive(fd, chunk, sizeof chunk, deadline, e);
        if (n < 0)
            return -1;
        if (n == 0 && a->has_length)
            return err_set(e, "the connection was closed after %zu of %zu bytes", body->len,
                           a->length);
        if (n == 0)
            return 0;
        if (buf_add(body, chunk, (size_t)n) < 0)
            return body->len >= body->cap ? err_set(e, "the answer is over %d bytes", BODY_MAX)
                                          : err_set(e, "out of memory");
    }
    if (body->len > a->length)
        return err_set(e, "more came than the answer announced");
    return 0;
}

static int exchange(int fd, const char *method, const char *path, int64_t deadline,
                    struct buf *body, struct err *e)
{
    struct answer a = {0};
    struct buf head;
    buf_init(&head, HEAD_MAX);
    int rc = send_request(fd, method, path, deadline, e);
    if (rc == 0)
        rc = read_head(fd, deadline, &head, body, &a, e);
    if (rc == 0)
        rc = read_body(fd, deadline, &a, body, e);
    buf_fini(&head);
    return rc < 0 ? -1 : a.status;
}

static bool fits_request_line(const char *path)
{
    for (; *path; path++)
        if ((unsigned char)*path <= ' ' || *path == 0x7f)
            return false;
    return true;
}

int agent_check_address(const char *agent, struct err *e)
{
    struct places places = {0};
    if (parse_agent(agent, &places, e) < 0)
        return err_prefix(e, "bad address of the agent '%s'", agent);
    return 0;
}

/* A connection to the agent; -1 with the words. */
static int reach(const char *agent, const char *path, int64_t deadline, struct err *e)
{
    struct places places = {0};
    if (parse_agent(agent, &places, e) < 0)
        return err_prefix(e, "bad address of the agent '%s'", agent);
    if (!fits_request_line(path))
        return err_set(e, "'%s' cannot be asked for", path);
    int fd = -1;
    for (size_t i = 0; i < places.n && fd < 0; i++)
        fd = connect_to((struct sockaddr *)&places.addr[i], places.len[i], deadline, e);
    return fd < 0 ? err_prefix(e, "no agent answers at %s", agent) : fd;
}

int agent_request(const char *agent, const char *method, const char *path, int64_t deadline,
                  struct buf *body, struct err *e)
{
    buf_init(body, BODY_MAX);
    int fd = reach(agent, path, deadline, e);
    if (fd < 0)
        return -1;
    int status = exchange(fd, method, path, deadline, body, e);
    close(fd);
    return status < 0 ? err_prefix(e, "no agent answers at %s", agent) : status;
}

int agent_follow(const char *agent, const char *path, int64_t deadline, struct buf *body,
                 struct err *e)
{
    struct answer a = {0};
    struct buf head;
    buf_init(body, BODY_MAX);
    int fd = reach(agent, path, deadline, e);
    if (fd < 0)
        return -1;
    buf_init(&head, HEAD_MAX);
    int rc = send_request(fd, "GET", path, deadline, e);
    if (rc == 0)
        rc = read_head(fd, deadline, &head, body, &a, e);
    if (rc == 0 && a.status != 200)
        rc = err_set(e, "HTTP %d for %s", a.status, path);
    buf_fini(&head);
    if (rc == 0)
        return fd;
    close(fd);
    return err_prefix(e, "no agent answers at %s", agent);
}
