/* Dialling: addresses, refusals, names by a scripted DNS server, one side dead, and the end in
 * every state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/str.h"
#include "dns_server.h"
#include "net/address.h"
#include "net/dial.h"
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

static void expect(struct harness *h, const char *name, uint16_t port, enum reason reason,
                   bool gone, const char *words)
{
    dial(h, at(name, port), 0);
    if (h->reason != reason || h->gone != gone || !strstr(h->detail, words))
        fail_msg("%s: expected %s \"%s\"%s, got %s \"%s\"%s", name, reason_name(reason), words,
                 gone ? " gone" : "", reason_name(h->reason), h->detail, h->gone ? " gone" : "");
}

static void test_names(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    uint16_t port = 0;
    dns_start(&dns);
    int fd = listener(false, true, &port);
    static const char *const found[] = {"v4.test",    "both.test", "half6.test",
                                        "late4.test", "many.test", "v4.test."};
    for (size_t i = 0; i < ARRAY_LEN(found); i++) {
        expect(&h, found[i], port, REASON_OK, false, "127.0.0.1:");
        assert_true(h.phases[PHASE_DNS] && h.phases[PHASE_CONNECT]);
    }
    /* Only IPv6 has the name, only IPv4 listens. */
    expect(&h, "v6.test", port, REASON_REFUSED, true, " (v6.test): connection refused");
    expect(&h, "nx.test", port, REASON_DNS, true, "nx.test: no such name (NXDOMAIN)");
    expect(&h, "servfail.test", port, REASON_DNS, false, "servfail.test: the DNS server failed");
    expect(&h, "refused.test", port, REASON_DNS, false, "refused to answer (REFUSED)");
    expect(&h, "nowhere.test", port, REASON_DNS, false, "0.0.0.0");
    dial(&h, at("v4.test", port), 6);
    assert_int_equal(h.reason, REASON_DNS);
    assert_true(h.gone);
    assert_non_null(strstr(h.detail, "v4.test: the name has no address"));
    close(fd);
    expect(&h, "many.test", port, REASON_REFUSED, true, "; 127.0.0.1:");
    dns_stop(&dns);
}

/* Parsed again, the text is the same place: without its zone a link-local address is nowhere. */
static void test_a_zone_stays(void **state)
{
    (void)state;
    static const char *const texts[] = {"127.0.0.1:80", "0.10.255.1:65535", "[::1]:1",
                                        "[2001:db8::ffff]:80", "[fe80::1%lo]:53"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct endpoint ep;
        struct sockaddr_in6 a;
        struct err e;
        char text[DIAL_TEXT_MAX];
        assert_int_equal(endpoint_parse(&ep, texts[i], 0, &e), 0);
        assert_true(endpoint_address(&ep, &a));
        address_text(&a, text);
        assert_string_equal(text, texts[i]);
        endpoint_fini(&ep);
    }
}

/* A dial whose owner keeps it open while it talks, until the other lookup is answered as well. */
struct talking {
    struct dialled dialled;
    uv_timer_t timer;
    unsigned results;
};

static void on_timer_closed(uv_handle_t *timer)
{
    struct talking *t = timer->data;
    dial_close(&t->dialled.dial, on_closed);
}

static void on_look(uv_timer_t *timer)
{
    struct talking *t = timer->data;
    struct dial *d = &t->dialled.dial;
    if (d->lookups_left)
        return;
    assert_int_equal(t->results, 1);
    close(d->fd);
    probe_finish(&t->dialled.run, d->reason, "%s", d->peer);
    uv_close((uv_handle_t *)timer, on_timer_closed);
}

static void on_connected(struct dial *d)
{
    struct talking *t = container_of(d, struct talking, dialled.dial);
    t->results++;
}

static void test_answer_after_the_connect(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    uint16_t port = 0;
    int fd = listener(true, true, &port); /* nobody listens on IPv4 */
    dns_start(&dns);
    harness_open(&h);
    struct talking *t = container_of(harness_run_new(&h, sizeof *t), struct talking, dialled.run);
    struct err e;
    assert_int_equal(endpoint_parse(&t->dialled.ep, at("late4.test", port), 0, &e), 0);
    uv_timer_init(&h.loop, &t->timer);
    t->timer.data = t;
    uv_timer_start(&t->timer, on_look, 10, 10);
    h.type = &dial_type;
    dial_start(&t->dialled.dial, &t->dialled.run, &t->dialled.ep, on_connected);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    assert_string_equal(h.detail, at("[::1]", port));
    harness_close(&h);
    dns_stop(&dns);
    close(fd);
}

/* Nobody is there to be asked: said at once, and the name is not called gone. */
static void test_no_dns_server(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    dns_start(&dns);
    char servers[64];
    snprintf(servers, sizeof servers, "127.0.0.1:%u", dns.port);
    dns_stop(&dns);
    setenv("PROBE_DNS_SERVERS", servers, 1);
    /* Both families' questions learn it at once: the shortest wait for an answer is 1 s. */
    harness_open(&h);
    begin(&h, "v4.test:80", 0);
    harness_wait(&h, 900);
    assert_int_equal(h.reason, REASON_DNS);
    assert_false(h.gone);
    assert_non_null(strstr(h.detail, "no DNS server is there"));
    harness_close(&h);
    snprintf(servers, sizeof servers, "[::1]:%u", dns.port);
    setenv("PROBE_DNS_SERVERS", servers, 1);
    expect(&h, "v4.test", 80, REASON_DNS, false, servers);
    setenv("PROBE_DNS_SERVERS", "not an address", 1);
    expect(&h, "v4.test", 80, REASON_INTERNAL, false, "PROBE_DNS_SERVERS");
    unsetenv("PROBE_DNS_SERVERS");
}

/* One search list for both families: an address settles which name is meant. */
static void test_search_list(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    uint16_t port = 0;
    int fd = listener(true, true, &port);
    setenv("LOCALDOMAIN", "one.test two.test", 1);
    dns_start(&dns);
    expect(&h, "split", port, REASON_REFUSED, true, "127.0.0.1");
    expect(&h, "second", port, REASON_REFUSED, true, "127.0.0.1");
    expect(&h, "nowhere-at-all", port, REASON_DNS, true, "no such name");
    dns_stop(&dns);
    assert_null(strstr(dns.asked, " split.two.test\n"));
    assert_non_null(strstr(dns.asked, " second.one.test\n"));
    assert_null(strstr(dns.asked, " second\n"));
    assert_non_null(strstr(dns.asked, " nowhere-at-all.two.test\n"));
    assert_non_null(strstr(dns.asked, " nowhere-at-all\n"));
    setenv("RES_OPTIONS", "ndots:0", 1);
    dns_start(&dns);
    expect(&h, "v4", port, REASON_REFUSED, true, "127.0.0.1");
    dns_stop(&dns);
    assert_null(strstr(dns.asked, "v4.one.test"));
    unsetenv("RES_OPTIONS");
    unsetenv("LOCALDOMAIN");
    close(fd);
}

struct opener {
    uv_timer_t timer;
    int fd;
};

static void on_open_time(uv_timer_t *timer)
{
    assert_int_equal(listen(container_of(timer, struct opener, timer)->fd, 5), 0);
    uv_close((uv_handle_t *)timer, NULL);
}

/* The AAAA question is never answered and IPv4 refuses: that is no verdict yet, but it is said, and
 * the port's opening is seen. */
static void test_half_a_lookup(void **state)
{
    (void)state;
    struct harness h;
    struct dns dns;
    struct opener opener;
    uint16_t port = 0;
    dns_start(&dns);
    opener.fd = listener(false, false, &port);
    dial(&h, at("both.test", port), 0);
    assert_int_equal(h.reason, REASON_REFUSED);
    harness_open(&h);
    begin(&h, at("half6.test", port), 0);
    harness_wait(&h, 200);
    assert_int_equal(h.reason, REASON_TIMEOUT);
    assert_non_null(strstr(h.note, "connection refused; the lookup of its IPv6 addresses"));
    harness_close(&h);
    harness_open(&h);
    uv_timer_init(&h.loop, &opener.timer);
    uv_timer_start(&opener.timer, on_open_time, 100, 0);
    begin(&h, at("half6.test", port), 0);
    harness_wait(&h, 5000);
    assert_int_equal(h.reason, REASON_OK);
    harness_close(&h);
    close(opener.fd);
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
    assert_non_null(strstr(h.note, "silent.test: no answer from DNS server 127.0.0.1:"));
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
        cmocka_unit_test(test_connects_and_refused),
        cmocka_unit_test(test_localhost_either_side),
        cmocka_unit_test(test_never_meets_itself),
        cmocka_unit_test(test_a_zone_stays),
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_descriptors_run_out),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_answer_after_the_connect),
        cmocka_unit_test(test_no_dns_server),
        cmocka_unit_test(test_search_list),
        cmocka_unit_test(test_half_a_lookup),
        cmocka_unit_test(test_silent_server_and_cancel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
