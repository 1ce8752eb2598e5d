/* floor: what a check cannot cost less than. The same bytes on the wire as probe's one-shot checks,
 * by bare system calls, for one numeric address, with no timeout, no check of the reply but its
 * first bytes, and no words. Built static, with nothing but libc. `run` compares the bytes.
 *
 *   floor tcp PORT | http PORT PATH | mongo PORT | redis PORT | postgres PORT | mysql PORT |
 *         status SOCKET */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int dial_tcp(const char *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)atoi(port)),
                            .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

static int dial_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strncpy(a.sun_path, path, sizeof a.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 ? fd : -1;
}

/* An OP_MSG with {NAME: 1, $db: "admin"}. */
static size_t op_msg(char *out, uint32_t id, const char *name)
{
    char *p = out + 16;
    memset(p, 0, 5); /* flags, section kind 0 */
    char *doc = p + 5, *q = doc + 4;
    *q++ = 0x10;
    q = stpcpy(q, name) + 1;
    memcpy(q, "\1\0\0\0\2$db\0\6\0\0\0admin\0\0", 20);
    q += 20;
    uint32_t doc_len = (uint32_t)(q - doc), len = (uint32_t)(q - out), zero = 0, op = 2013;
    memcpy(doc, &doc_len, 4);
    memcpy(out, &len, 4);
    memcpy(out + 4, &id, 4);
    memcpy(out + 8, &zero, 4);
    memcpy(out + 12, &op, 4);
    return len;
}

static int ping(int fd)
{
    char out[256], in[65536];
    size_t n = op_msg(out, 1, "hello"), got = 0;
    n += op_msg(out + n, 2, "ping");
    if (write(fd, out, n) != (ssize_t)n)
        return 1;
    for (int replies = 0; replies < 2;) {
        ssize_t r = read(fd, in + got, sizeof in - got);
        if (r <= 0)
            return 1;
        got += (size_t)r;
        uint32_t len;
        while (got >= 4 && (memcpy(&len, in, 4), len <= got) && len >= 16) {
            got -= len;
            memmove(in, in + len, got);
            replies++;
        }
    }
    return 0;
}

static int ask(int fd, const char *text)
{
    char in[65536];
    if (write(fd, text, strlen(text)) < 0)
        return 1;
    ssize_t first = read(fd, in, sizeof in), r = first;
    while (r > 0)
        r = read(fd, in, sizeof in);
    return first > 12 && r == 0 ? 0 : 1;
}

static int get(int fd, const char *port, const char *path)
{
    char text[512], *p = text;
    p = stpcpy(stpcpy(p, "GET "), path);
    p = stpcpy(stpcpy(p, " HTTP/1.1\r\nHost: 127.0.0.1:"), port);
    stpcpy(p,
           "\r\nAccept: */*\r\nUser-Agent: probe/" PROBE_VERSION "\r\nConnection: close\r\n\r\n");
    return ask(fd, text);
}

/* Sends the bytes and waits for an answer that begins with `first`. */
static int exchange(int fd, const char *out, size_t len, const char *first)
{
    char in[4096];
    if (write(fd, out, len) != (ssize_t)len)
        return 1;
    ssize_t n = read(fd, in, sizeof in);
    return n > 0 && in[0] == first[0] ? 0 : 1;
}

/* Ends its side and waits for the server's end, as probe does. */
static int part(int fd, int rc)
{
    char in[4096];
    shutdown(fd, SHUT_WR);
    while (read(fd, in, sizeof in) > 0)
        ;
    return rc;
}

static int redis(int fd)
{
    static const char out[] = "*1\r\n$4\r\nPING\r\n";
    return part(fd, exchange(fd, out, sizeof out - 1, "+"));
}

/* The wish for TLS, which the server has not; then until it asks for a login. */
static int postgres(int fd)
{
    static const char tls[] = "\0\0\0\x08\x04\xd2\x16\x2f";
    static const char start[] = "\0\0\0\x40\0\x03\0\0"
                                "user\0postgres\0database\0postgres\0application_name\0probe\0";
    if (exchange(fd, tls, sizeof tls - 1, "N"))
        return 1;
    return part(fd, exchange(fd, start, sizeof start, "R"));
}

/* The greeting; a login as nobody; the refusal. */
static int mysql(int fd)
{
    char in[4096], out[256] = "\0\0\0\x01\0\x82\x08\0\0\0\0\x01\x2d";
    ssize_t n = read(fd, in, sizeof in);
    if (n < 64 || in[4] != 10)
        return 1;
    size_t version = strlen(in + 5) + 1, at = 4 + 32;
    at += (size_t)(stpcpy(out + at, "probe") - (out + at)) + 2;
    at += (size_t)(stpcpy(out + at, in + 5 + version + 44) - (out + at)) + 1;
    out[0] = (char)(at - 4);
    if (write(fd, out, at) != (ssize_t)at)
        return 1;
    n = read(fd, in, sizeof in);
    return part(fd, n > 4 && (unsigned char)in[4] == 0xff ? 0 : 1);
}

/* The connection goes by a reset: nothing stays behind in TIME_WAIT. */
static int touch(int fd)
{
    struct linger reset = {.l_onoff = 1};
    return setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset) == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 64;
    int fd = strcmp(argv[1], "status") == 0 ? dial_unix(argv[2]) : dial_tcp(argv[2]);
    if (fd < 0)
        return 1;
    if (strcmp(argv[1], "mongo") == 0)
        return ping(fd);
    if (strcmp(argv[1], "redis") == 0)
        return redis(fd);
    if (strcmp(argv[1], "postgres") == 0)
        return postgres(fd);
    if (strcmp(argv[1], "mysql") == 0)
        return mysql(fd);
    if (strcmp(argv[1], "http") == 0)
        return get(fd, argv[2], argc > 3 ? argv[3] : "/");
    if (strcmp(argv[1], "status") == 0)
        return ask(fd, "GET /status HTTP/1.0\r\nHost: probe\r\nContent-Length: 0\r\n\r\n");
    return touch(fd);
}
