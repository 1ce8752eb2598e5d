/* Dialling: addresses, refusals, names by a scripted DNS server, one side dead, and the end in
 * every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "dial.h"
#include "run_harness.h"

struct dialled {
    struct probe_run run;
    struct dial dial;
    struct endpoint ep;
    bool done;
};

static void on_closed(struct dial *d)
{
    struct dialled *t = container_of(d, struct dialled, dial);
    endpoint_fini(&t->ep);
    probe_release(&t->run);
}

static void on_done(struct dial *d)
{
    struct dialled *t = container_of(d, struct dialled, dial);
    t->done = true;
    if (d->fd >= 0)
        close(d->fd);
    probe_finish(&t->run, d->reason, "%s", d->reason == REASON_OK ? d->peer : d->detail);
    dial_close(d, on_closed);
}

static void cancel(struct probe_run *run)
{
    dial_close(&container_of(run, struct dialled, run)->dial, on_closed);
}

static const struct probe_type dial_type = {.name = "dial", .cancel = cancel};

static void begin(struct harness *h, const char *text, int family)
{
    struct dialled *t = container_of(harness_run_new(h, sizeof *t), struct dialled, run);
    struct err e;
    if (endpoint_parse(&t->ep, text, 0, &e) < 0)
        fail_msg("%s: %s", text, e.text);
    t->ep.family = family;
    h->type = &dial_type;
    dial_start(&t->dial, &t->run, &t->ep, on_done);
}

static void dial(struct harness *h, const char *text, int family)
{
    harness_open(h);
    begin(h, text, family);
    harness_wait(h, 5000);
    harness_close(h);
}

/* A listener on a free port of 127.0.0.1 or ::1 (v6); with `listening` false the port is bound
 * only. */
static int listener(bool v6, bool listening, uint16_t *port)
{
    int fd = socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    if (*port) {
        in.sin_port = in6.sin6_port = htons(*port);
    }
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    struct sockaddr *a = v6 ? (struct sockaddr *)&in6 : (struct sockaddr *)&in;
    socklen_t len = v6 ? sizeof in6 : sizeof in;
    assert_int_equal(bind(fd, a, len), 0);
    if (listening)
        assert_int_equal(listen(fd, 16), 0);
    getsockname(fd, a, &len);
    *port = ntohs(v6 ? in6.sin6_port : in.sin_port);
    return fd;
}

static char *at(const char *host, uint16_t port)
{
    static char text[300];
    snprintf(text, sizeof text, "%s:%u", host, port);
    return text;
}

static void test_endpoints(void **state)
{
    (void)state;
    static const char *const good[] = {"localhost:80", "127.0.0.1:1",      "[::1]:65535",
                                       "a_b.c-d:8080", "unix:///a/b.sock", "[fe80::1%eth0]:80"};
    static const char *const bad[] = {"",        "host",       "host:",      "host:0",
                                      ":80",     "host:65536", "::1:80",     "[::1]80",
                                      "[::1",    "a b:80",     "unix://rel", "1.2.3.400:80",
                                      "a..b:80", "host:8o",    "[host]:80",  "host:-1"};
    struct endpoint ep;
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (endpoint_parse(&ep, good[i], 0, &e) < 0)
            fail_msg("%s: %s", good[i], e.text);
        endpoint_fini(&ep);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (endpoint_parse(&ep, bad[i], 0, &e) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(endpoint_parse(&ep, "host", 27017, &e), 0);
    assert_int_equal(ep.port, 27017);
    endpoint_fini(&ep);
}

static void test_connects_and_refused(void **state)
{
    (void)state;
    struct harness h;
    uint16_t port = 0;
    int fd = listener(false, true, &port);
    dial(&h, at("127.0.0.1", port), 0);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.detail, at("127.0.0.1", port));
    close(fd);
    dial(&h, at("127.0.0.1", port), 0);
    assert_int_equal(h.reason, REASON_REFUSED);
    assert_true(h.gone);
    assert_non_null(strstr(h.detail, at("127.0.0.1", port)));
    assert_non_null(strstr(h.detail, "connection refused"));
}

static void test_localhost_either_side(void **state)
{
    (void)state;
    struct harness h;
    for (int v6 = 0; v6 < 2; v6++) {
        uint16_t port = 0;
        int fd = listener(v6, true, &port);
        dial(&h, at("localhost", port), 0);
        assert_int_equal(h.reason, REASON_OK);
        assert_string_equal(h.detail, at(v6 ? "[::1]" : "127.0.0.1", port));
        dial(&h, at("localhost", port), v6 ? 4 : 6);
        assert_int_equal(h.reason, REASON_REFUSED);
        close(fd);
    }
}

static void test_never_meets_itself(void **state)
{
    (void)state;
    struct harness h;
    uint16_t port = 0;
    close(listener(false, false, &port));
    for (int i = 0; i < 300; i++) {
        dial(&h, at("127.0.0.1", port), 0);
        assert_int_equal(h.reason, REASON_REFUSED);
    }
}

static void test_unix(void **state)
{
    (void)state;
    struct harness h;
    char dir[] = "/tmp/probe-dial-XXXXXX", text[64];
    assert_non_null(mkdtemp(dir));
    snprintf(text, sizeof text, "unix://%s/s", dir);
    dial(&h, text, 0);
    assert_int_equal(h.reason, REASON_REFUSED);
    assert_true(h.gone);
    assert_non_null(strstr(h.detail, "no such socket"));
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    snprintf(un.sun_path, sizeof un.sun_path, "%s", text + strlen("unix://"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fd, 5), 0);
    dial(&h, text, 0);
    assert_int_equal(h.reason, REASON_OK);
    close(fd);
    unlink(un.sun_path);
    rmdir(dir);
}

static void test_descriptors_run_out(void **state)
{
    (void)state;
    struct harness h;
    struct rlimit found, low;
    int fds[256], n = 0;
    harness_open(&h);
    uv_run(&h.loop, UV_RUN_NOWAIT);
    getrlimit(RLIMIT_NOFILE, &found);
    low = (struct rlimit){.rlim_cur = 128, .rlim_max = found.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    while (n < 256 && (fds[n] = dup(0)) >= 0)
        n++;
    begin(&h, "127.0.0.1:1", 0);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_INTERNAL);
    while (n)
        close(fds[--n]);
    setrlimit(RLIMIT_NOFILE, &found);
    harness_close(&h);
}

/* ---- A DNS server that answers by the name asked: each label says what it is to do. ---- */

struct dns {
    int fd;
    uint16_t port;
    pthread_t thread;
};

/* "v4" answers A, "v6" AAAA, "both" both; "slow4" answers A late; "nx", "servfail", "silent". */
static size_t dns_reply(unsigned char *msg, size_t n)
{
    const char *label = (const char *)msg + 13;
    size_t len = msg[12];
    unsigned qtype = (unsigned)msg[n - 3];
    /* The question ends before an OPT record, which the reply leaves out. */
    size_t q = 12;
    while (msg[q])
        q += (size_t)msg[q] + 1;
    n = q + 5;
    qtype = msg[q + 2];
    bool is_v4 = qtype == 1;
    msg[2] = 0x81;
    msg[3] = 0x80;
    memset(msg + 6, 0, 6);
    if (len == 6 && memcmp(label, "silent", 6) == 0)
        return 0;
    if (len == 5 && memcmp(label, "half6", 5) == 0 && !is_v4)
        return 0; /* the AAAA question is never answered */
    if (len == 2 && memcmp(label, "nx", 2) == 0) {
        msg[3] |= 3;
        return n;
    }
    if (len == 8 && memcmp(label, "servfail", 8) == 0) {
        msg[3] |= 2;
        return n;
    }
    bool want4 = memcmp(label, "v6", 2) != 0, want6 = memcmp(label, "v4", 2) != 0;
    if (is_v4 ? !want4 : !want6)
        return n; /* no record of this family */
    msg[7] = 1;
    unsigned char *p = msg + n;
    memcpy(p, "\xc0\x0c\0\0\0\1\0\0\0\1\0\0", 12);
    p[3] = (unsigned char)qtype;
    p[11] = is_v4 ? 4 : 16;
    if (is_v4)
        memcpy(p + 12, "\x7f\0\0\1", 4);
    else
        memcpy(p + 12, &in6addr_loopback, 16);
    return n + 12 + p[11];
}

static void *dns_main(void *arg)
{
    struct dns *s = arg;
    unsigned char msg[1024];
    for (;;) {
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        ssize_t n = recvfrom(s->fd, msg, 512, 0, (struct sockaddr *)&from, &len);
        if (n < 17)
            return NULL; /* the end is asked for by a short datagram */
        size_t m = dns_reply(msg, (size_t)n);
        if (m)
            sendto(s->fd, msg, m, 0, (struct sockaddr *)&from, len);
    }
}

static void dns_start(struct dns *s)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    s->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&a, sizeof a), 0);
    getsockname(s->fd, (struct sockaddr *)&a, &len);
    s->port = ntohs(a.sin_port);
    char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", s->port);
    setenv("PROBE_DNS_SERVERS", servers, 1);
    assert_int_equal(pthread_create(&s->thread, NULL, dns_main, s), 0);
}

static void dns_stop(struct dns *s)
{
    struct sockaddr_in a = {
        .sin_family = AF_INET, .sin_port = htons(s->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    sendto(s->fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a);
    pthread_join(s->thread, NULL);
    close(s->fd);
    unsetenv("PROBE_DNS_SERVERS");
}

static void test_names(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    uint16_t port = 0;
    dns_start(&dns);
    int fd = listener(false, true, &port);
    static const char *const found[] = {"v4.test", "both.test", "half6.test"};
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        dial(&h, at(found[i], port), 0);
        if (h.reason != REASON_OK)
            fail_msg("%s: %s: %s", found[i], reason_name(h.reason), h.detail);
        assert_true(h.phases[PHASE_DNS] && h.phases[PHASE_CONNECT]);
    }
    dial(&h, at("v6.test", port), 0); /* only IPv6 has the name, only IPv4 listens */
    assert_int_equal(h.reason, REASON_REFUSED);
    assert_non_null(strstr(h.detail, "v6.test"));
    dial(&h, at("nx.test", port), 0);
    assert_int_equal(h.reason, REASON_DNS);
    assert_true(h.gone);
    assert_non_null(strstr(h.detail, "nx.test: no such name"));
    dial(&h, at("servfail.test", port), 0);
    assert_int_equal(h.reason, REASON_DNS);
    assert_false(h.gone);
    assert_non_null(strstr(h.detail, "SERVFAIL"));
    close(fd);
    dns_stop(&dns);
}

static void test_silent_server_and_cancel(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    dns_start(&dns);
    harness_open(&h);
    begin(&h, "silent.test:80", 0);
    harness_wait(&h, 100);
    assert_int_equal(h.reason, REASON_TIMEOUT);
    assert_non_null(strstr(h.note, "silent.test"));
    harness_close(&h);
    /* Ended after each number of turns. */
    uint16_t port = 0;
    int fd = listener(false, true, &port);
    for (int turns = 0; turns < 8; turns++) {
        harness_open(&h);
        begin(&h, at("both.test", port), 0);
        for (int i = 0; i < turns && !h.released; i++)
            uv_run(&h.loop, UV_RUN_ONCE);
        if (!h.released)
            harness_cancel(&h);
        harness_close(&h);
    }
    close(fd);
    dns_stop(&dns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_connects_and_refused),
        cmocka_unit_test(test_localhost_either_side),
        cmocka_unit_test(test_never_meets_itself),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_silent_server_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
