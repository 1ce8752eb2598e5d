/* server: the other end of the benchmarks: answers checks for as little as it can, on one thread,
 * so that what is measured is who asks.
 *
 *   server [-i INTERVAL_MS] MODE:PORT...    listens on all of 127/8; MODE is one of
 *     tcp     accepts, and waits for the other side to go
 *     http    200 and "ok" to whatever ends in an empty line; closes where the client asks for it
 *     mongo   hello, isMaster and ping, by OP_MSG or OP_QUERY
 *     primary, secondary, hung
 *             the members of one set on each address, all that are given; hung never answers
 *     silent  accepts, reads, never answers
 *     dns     UDP: takes and never answers
 *
 * Lines on stdin: `reset` and `stats`, which prints one line of JSON. With -i also how much later
 * than INTERVAL_MS after the end of its last one each target's next connection came (tcp only).
 * Ends when stdin does. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum mode {
    MODE_TCP,
    MODE_HTTP,
    MODE_MONGO,
    MODE_PRIMARY,
    MODE_SECONDARY,
    MODE_HUNG,
    MODE_SILENT,
    MODE_DNS,
    MODE_COUNT
};
static const char *const mode_names[MODE_COUNT] = {"tcp",       "http", "mongo",  "primary",
                                                   "secondary", "hung", "silent", "dns"};

#define IN_MAX      8192
#define TARGETS     (1 << 18) /* of the table of last ends; a power of two */
#define SAMPLES_MAX 4000000

struct conn {
    int fd;
    enum mode mode;
    bool listener;
    uint64_t target; /* address and port that was connected to */
    size_t len;
    char in[]; /* IN_MAX; not for tcp and for listeners */
};

struct target {
    uint64_t key;
    int64_t ended;
};

static int epoll_fd;
static int64_t interval_ns;
static struct target *targets;
static int32_t *samples; /* us */
static size_t n_samples;
static uint64_t n_accepted, n_answered, n_pings;
static long n_open, n_open_max;
static char hello_msg[512], ping_msg[64], hello_reply[512];
static size_t hello_msg_len, ping_msg_len, hello_reply_len;
static int member_ports[8];
static unsigned n_members;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "server: %s: %s\n", what, strerror(errno));
    exit(70);
}

/* ---- Lateness ---- */

static struct target *target_of(uint64_t key)
{
    size_t i = (size_t)((key * UINT64_C(0x9e3779b97f4a7c15)) >> 40) & (TARGETS - 1);
    while (targets[i].key && targets[i].key != key)
        i = (i + 1) & (TARGETS - 1);
    targets[i].key = key;
    return &targets[i];
}

static void note_begin(struct conn *c)
{
    struct sockaddr_in a;
    socklen_t len = sizeof a;
    if (!interval_ns || getsockname(c->fd, (struct sockaddr *)&a, &len) != 0)
        return;
    c->target = (uint64_t)a.sin_addr.s_addr << 16 | a.sin_port;
    struct target *t = target_of(c->target);
    if (t->ended && n_samples < SAMPLES_MAX)
        samples[n_samples++] = (int32_t)((now_ns() - t->ended - interval_ns) / 1000);
    t->ended = 0;
}

static void note_end(struct conn *c)
{
    if (c->target)
        target_of(c->target)->ended = now_ns();
}

static int by_value(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static void print_stats(void)
{
    printf("{\"accepted\": %llu, \"answered\": %llu, \"pings\": %llu, \"open\": %ld, "
           "\"open_max\": %ld",
           (unsigned long long)n_accepted, (unsigned long long)n_answered,
           (unsigned long long)n_pings, n_open, n_open_max);
    if (n_samples) {
        qsort(samples, n_samples, sizeof *samples, by_value);
        printf(", \"late_us\": {\"n\": %zu, \"p50\": %d, \"p99\": %d, \"max\": %d}", n_samples,
               samples[n_samples / 2], samples[n_samples - 1 - n_samples / 100],
               samples[n_samples - 1]);
    }
    printf("}\n");
    fflush(stdout);
}

static void reset_stats(void)
{
    n_accepted = n_answered = n_pings = 0;
    n_open_max = n_open;
    n_samples = 0;
    if (interval_ns)
        memset(targets, 0, TARGETS * sizeof *targets);
    printf("{}\n");
    fflush(stdout);
}

/* ---- Mongo's bytes ---- */

static char *put_u32(char *p, uint32_t n)
{
    memcpy(p, &n, 4);
    return p + 4;
}

static char *put_bool(char *p, const char *name, bool value)
{
    *p++ = 0x08;
    p = stpcpy(p, name) + 1;
    *p++ = value;
    return p;
}

static char *put_text(char *p, const char *name, const char *text)
{
    *p++ = 0x02;
    p = stpcpy(p, name) + 1;
    p = put_u32(p, (uint32_t)strlen(text) + 1);
    return stpcpy(p, text) + 1;
}

static char *put_int(char *p, const char *name, uint32_t n)
{
    *p++ = 0x10;
    return put_u32(stpcpy(p, name) + 1, n);
}

/* The members, by the address that this one was connected to. */
static char *put_hosts(char *p, const char *address)
{
    char name[12], host[32], *begin;
    *p++ = 0x04;
    begin = p = stpcpy(p, "hosts") + 1;
    p += 4;
    for (unsigned i = 0; i < n_members; i++) {
        snprintf(name, sizeof name, "%u", i);
        snprintf(host, sizeof host, "%s:%d", address, member_ports[i]);
        p = put_text(p, name, host);
    }
    *p++ = 0;
    put_u32(begin, (uint32_t)(p - begin));
    return p;
}

static char *put_member(char *p, const struct sockaddr_in *me)
{
    char address[16], text[32];
    inet_ntop(AF_INET, &me->sin_addr, address, sizeof address);
    snprintf(text, sizeof text, "%s:%d", address, ntohs(me->sin_port));
    p = put_text(p, "setName", "rs0");
    p = put_int(p, "setVersion", 1);
    p = put_text(p, "me", text);
    return put_hosts(p, address);
}

static char *put_ok(char *p)
{
    double one = 1;
    *p++ = 0x01;
    p = stpcpy(p, "ok") + 1;
    memcpy(p, &one, 8);
    return p + 8;
}

/* `me`: of a member; NULL: a standalone server. */
static char *put_document(char *begin, bool hello, enum mode mode, const struct sockaddr_in *me)
{
    char *p = begin + 4;
    if (hello) {
        p = put_bool(p, "helloOk", true);
        p = put_bool(p, "isWritablePrimary", mode != MODE_SECONDARY);
        p = put_bool(p, "ismaster", mode != MODE_SECONDARY);
        p = put_bool(p, "secondary", mode == MODE_SECONDARY);
        p = me ? put_member(p, me) : p;
        p = put_int(p, "maxBsonObjectSize", 16777216);
        p = put_int(p, "maxMessageSizeBytes", 48000000);
        p = put_int(p, "maxWriteBatchSize", 100000);
        p = put_int(p, "minWireVersion", 0);
        p = put_int(p, "maxWireVersion", 17);
    }
    p = put_ok(p);
    *p++ = 0;
    put_u32(begin, (uint32_t)(p - begin));
    return p;
}

/* Length, id, the request's id (set when it is sent), opcode, and what follows them. */
static size_t message(char *out, uint32_t opcode, bool hello, enum mode mode,
                      const struct sockaddr_in *me)
{
    char *p = out + 16;
    if (opcode == 2013) { /* OP_MSG: flags, kind */
        memset(p, 0, 5);
        p += 5;
    } else { /* OP_REPLY: flags (await capable), cursor, first, number */
        p = put_u32(p, 8);
        memset(p, 0, 12);
        p = put_u32(p + 12, 1);
    }
    p = put_document(p, hello, mode, me);
    put_u32(put_u32(put_u32(put_u32(out, (uint32_t)(p - out)), 1), 0), opcode);
    return (size_t)(p - out);
}

/* ---- Connections ---- */

static void drop(struct conn *c)
{
    note_end(c);
    close(c->fd);
    free(c);
    n_open--;
}

static bool has(const char *in, size_t len, const char *text)
{
    return memmem(in, len, text, strlen(text)) != NULL;
}

/* False: the connection is to be closed. */
static bool answer_http(struct conn *c)
{
    static const char keep[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";
    static const char last[] =
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
    if (!has(c->in, c->len, "\r\n\r\n"))
        return c->len < IN_MAX;
    bool close_it = has(c->in, c->len, "onnection: close") || has(c->in, c->len, " HTTP/1.0\r\n");
    ssize_t n =
        close_it ? write(c->fd, last, sizeof last - 1) : write(c->fd, keep, sizeof keep - 1);
    n_answered++;
    c->len = 0;
    return n > 0 && !close_it;
}

static size_t member_hello(const struct conn *c, char *out)
{
    struct sockaddr_in me;
    socklen_t len = sizeof me;
    if (getsockname(c->fd, (struct sockaddr *)&me, &len) != 0)
        return 0;
    return message(out, 2013, true, c->mode, &me);
}

static bool answer_mongo(struct conn *c)
{
    char out[2048], member[1024], *p = out;
    uint32_t len, id, opcode;
    size_t at = 0;
    while (c->len - at >= 21) {
        const char *m = c->in + at;
        memcpy(&len, m, 4);
        memcpy(&id, m + 4, 4);
        memcpy(&opcode, m + 12, 4);
        if (len < 21 || len > IN_MAX)
            return false;
        if (c->len - at < len)
            break;
        bool ping = has(m, len, "ping");
        const char *reply = opcode != 2013 ? hello_reply : ping ? ping_msg : hello_msg;
        size_t n = opcode != 2013 ? hello_reply_len : ping ? ping_msg_len : hello_msg_len;
        if (opcode == 2013 && !ping && c->mode != MODE_MONGO) {
            reply = member;
            n = member_hello(c, member);
        }
        if ((size_t)(p - out) + n > sizeof out)
            return false;
        memcpy(p, reply, n);
        put_u32(p + 8, id);
        p += n;
        at += len;
        n_answered++;
        n_pings += ping;
    }
    memmove(c->in, c->in + at, c->len - at);
    c->len -= at;
    return p == out || write(c->fd, out, (size_t)(p - out)) > 0;
}

static bool stores_bytes(enum mode mode)
{
    return mode >= MODE_HTTP && mode <= MODE_SECONDARY;
}

static void on_data(struct conn *c)
{
    char sink[IN_MAX];
    bool stores = stores_bytes(c->mode);
    char *to = stores ? c->in + c->len : sink;
    size_t room = stores ? IN_MAX - c->len : sizeof sink;
    ssize_t n = room ? read(c->fd, to, room) : 0;
    if (c->mode == MODE_DNS || (n < 0 && (errno == EAGAIN || errno == EINTR)))
        return;
    if (n <= 0) {
        drop(c);
        return;
    }
    if (!stores)
        return;
    c->len += (size_t)n;
    if (!(c->mode == MODE_HTTP ? answer_http(c) : answer_mongo(c)))
        drop(c);
}

static struct conn *watch(int fd, enum mode mode, bool listener)
{
    bool stores = !listener && stores_bytes(mode);
    struct conn *c = malloc(sizeof *c + (stores ? IN_MAX : 0));
    if (!c)
        die("malloc");
    *c = (struct conn){.fd = fd, .mode = mode, .listener = listener};
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &e) != 0)
        die("epoll_ctl");
    return c;
}

static void on_connection(struct conn *l)
{
    for (int i = 0; i < 64; i++) {
        int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        n_accepted++;
        if (++n_open > n_open_max)
            n_open_max = n_open;
        note_begin(watch(fd, l->mode, false));
    }
}

static void listen_on(const char *arg)
{
    int mode = 0, on = 1, port = 0;
    const char *colon = strchr(arg, ':');
    while (mode < MODE_COUNT &&
           (!colon || strncmp(arg, mode_names[mode], (size_t)(colon - arg)) != 0))
        mode++;
    port = colon ? atoi(colon + 1) : 0;
    if (mode == MODE_COUNT || port <= 0 || port > 65535) {
        fprintf(stderr, "server: '%s' is not MODE:PORT\n", arg);
        exit(64);
    }
    bool is_member = mode == MODE_PRIMARY || mode == MODE_SECONDARY || mode == MODE_HUNG;
    if (is_member && n_members < sizeof member_ports / sizeof *member_ports)
        member_ports[n_members++] = port;
    int type = mode == MODE_DNS ? SOCK_DGRAM : SOCK_STREAM;
    int fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&a, sizeof a) != 0)
        die(arg);
    if (mode != MODE_DNS && listen(fd, 65535) != 0)
        die(arg);
    watch(fd, (enum mode)mode, mode != MODE_DNS);
}

static bool on_stdin(void)
{
    char line[64];
    ssize_t n = read(0, line, sizeof line - 1);
    if (n <= 0)
        return false;
    line[n] = '\0';
    if (strncmp(line, "stats", 5) == 0)
        print_stats();
    else
        reset_stats();
    return true;
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    hello_msg_len = message(hello_msg, 2013, true, MODE_MONGO, NULL);
    ping_msg_len = message(ping_msg, 2013, false, MODE_MONGO, NULL);
    hello_reply_len = message(hello_reply, 1, true, MODE_MONGO, NULL);
    for (int option; (option = getopt(argc, argv, "i:")) != -1;) {
        if (option != 'i')
            return 64;
        interval_ns = atoll(optarg) * 1000000;
    }
    if (interval_ns) {
        targets = calloc(TARGETS, sizeof *targets);
        samples = malloc(SAMPLES_MAX * sizeof *samples);
        if (!targets || !samples)
            die("malloc");
    }
    for (; optind < argc; optind++)
        listen_on(argv[optind]);
    struct epoll_event in = {.events = EPOLLIN, .data.ptr = NULL}, events[256];
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, 0, &in) != 0)
        die("stdin");
    puts("ready");
    fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (!c && !on_stdin())
                return 0;
            if (c && c->listener)
                on_connection(c);
            else if (c)
                on_data(c);
        }
    }
}
