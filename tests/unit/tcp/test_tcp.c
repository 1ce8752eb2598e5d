/* The tcp type: its settings, what it sends and expects, and what it says when that does not come.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SETTINGS_TYPE probe_type_tcp
#include "http/http_settings.h"
#include "run_harness.h"
#include "tls_server.h"

/* A server that reads `reads` bytes, then writes `says` as it is told. */
struct script {
    const char *says;
    size_t n, reads;
    bool drips; /* a byte at a time */
    enum { END_CLOSE, END_RESET, END_HOLD } end;
    /* Private. */
    int fd;
    uint16_t port;
    pthread_t thread;
    char got[64];
};

static void play(struct script *s, int fd)
{
    const struct linger at_once = {.l_onoff = 1};
    const int on = 1;
    size_t step = s->drips ? 1 : s->n;
    char byte;
    setsockopt(fd, IPPROTO_TCP, 1 /* TCP_NODELAY */, &on, sizeof on);
    if (s->reads)
        recv(fd, s->got, s->reads, MSG_WAITALL);
    for (size_t i = 0; i < s->n; i += step)
        if (send(fd, s->says + i, step, MSG_NOSIGNAL) < 0)
            break;
    while (s->end == END_HOLD && recv(fd, &byte, 1, 0) > 0)
        continue;
    if (s->end == END_RESET)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    close(fd);
}

static void *play_all(void *arg)
{
    struct script *s = arg;
    int fd;
    while ((fd = accept(s->fd, NULL, NULL)) >= 0)
        play(s, fd);
    return NULL;
}

static void script_start(struct script *s)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof in;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&in, len), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    getsockname(s->fd, (struct sockaddr *)&in, &len);
    s->port = ntohs(in.sin_port);
    assert_int_equal(pthread_create(&s->thread, NULL, play_all, s), 0);
}

static void script_stop(struct script *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static struct harness once(const char *address, const char *const *more, int timeout_ms)
{
    const char *pairs[16] = {"address", address};
    size_t n = 2;
    struct probe_report report;
    struct harness h;
    char *target;
    for (; *more; more++)
        pairs[n++] = *more;
    void *conf = make_conf(pairs, &report, &target);
    if (!conf)
        fail_msg("%s", report.text);
    harness_open(&h);
    harness_start(&h, &probe_type_tcp, conf, NULL);
    harness_wait(&h, timeout_ms);
    harness_close(&h);
    probe_type_tcp.dispose(conf);
    free(target);
    return h;
}

static struct harness scene(struct script *s, const char *const *more, int timeout_ms)
{
    char address[32];
    script_start(s);
    snprintf(address, sizeof address, "127.0.0.1:%u", s->port);
    struct harness h = once(address, more, timeout_ms);
    script_stop(s);
    return h;
}

static void said(const struct harness *h, enum reason reason, const char *words)
{
    if (h->reason != reason || !strstr(h->detail, words))
        fail_msg("expected %s \"%s\", got %s \"%s\"", reason_name(reason), words,
                 reason_name(h->reason), h->detail);
}

#define SETTINGS(...)                                                                              \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[7], *words;
    } rows[] = {
        {{"address", "127.0.0.1"}, "address: "},
        {{"address", "a b:1"}, "address: "},
        {{"address", "h:1", "send", "\\q"}, "send: "},
        {{"address", "h:1", "send", "\\400"}, "send: "},
        {{"address", "h:1", "expect", "("}, "expect: "},
        {{"address", "h:1", "expect", "(a)\\1"}, "expect: "},
        {{"address", "h:1", "expect", "a", "reject", "("}, "reject: "},
        {{"address", "h:1", "reject", "a"}, "reject: there is no expect"},
        {{"address", "h:1", "dialogue", "expekt a"}, "dialogue: a line is neither"},
        {{"address", "h:1", "dialogue", "send"}, "dialogue: a line is neither"},
        {{"address", "h:1", "dialogue", "send \\q"}, "dialogue: has an escape"},
        {{"address", "h:1", "dialogue", "expect ("}, "dialogue: "},
        {{"address", "h:1", "dialogue", "tls\ntls"}, "dialogue: TLS begins twice"},
        {{"address", "h:1", "dialogue", "tls", "tls", "yes"}, "dialogue: TLS begins twice"},
        {{"address", "h:1", "dialogue", "expect a", "send", "b"}, "dialogue: send and expect"},
        {{"address", "h:1", "dialogue", "send a", "reject", "b"}, "reject: there is no expect"},
        {{"address", "unix:///x", "dialogue", "tls"}, "tls_server_name: must be set"},
        {{"address", "h:1", "tls_server_name", "x"}, "tls_server_name: TLS is off"},
        {{"address", "h:1", "tls", "yes", "tls_ca", "/nowhere"}, "tls_ca: /nowhere: No such file"},
        {{"address", "h:1", "tls", "yes", "tls_ca", "/dev/null"}, "tls_ca: /dev/null: not a file"},
        {{"address", "h:1", "tls", "yes", "tls_ca", "/etc/passwd"}, "holds no CA certificate"},
        {{"address", "h:1", "tls", "yes", "tls_key", "/etc/passwd"}, "a key without a certificate"},
        {{"address", "h:1", "tls", "yes", "tls_cert", "/etc/passwd"}, "holds no certificate"},
        {{"address", "unix:///s", "tls", "yes"}, "tls_server_name: must be set"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe_report report;
        char *target;
        if (make_conf(rows[i].pairs, &report, &target))
            fail_msg("row %zu was taken", i);
        if (report.errors != 1 || !strstr(report.text, rows[i].words))
            fail_msg("row %zu: %s", i, report.text);
    }
}

static void test_send_and_expect(void **state)
{
    (void)state;
    struct script redis = {.says = "+PONG\r\n", .n = 7, .reads = 6, .end = END_HOLD};
    struct harness h = scene(&redis, SETTINGS("send", "PING\\r\\n", "expect", "^\\+PONG"), 5000);
    said(&h, REASON_OK, "answered as expected");
    assert_memory_equal(redis.got, "PING\r\n", 6);
    struct script bytes = {.reads = 4, .says = "\0\xff", .n = 2};
    h = scene(&bytes, SETTINGS("send", "\\0\\x41\\101\\\\", "expect", "^\\x00\\x{fffd}$"), 5000);
    said(&h, REASON_OK, "answered as expected");
    assert_memory_equal(bytes.got, "\0AA\\", 4);
    struct script drip = {.says = "220 mail ready", .n = 14, .drips = true, .end = END_HOLD};
    h = scene(&drip, SETTINGS("expect", "ready$"), 5000);
    said(&h, REASON_OK, "answered as expected");
    struct script cut = {
        .says = "220 mail ready", .n = 14, .drips = true, .end = END_RESET, .reads = 1};
    h = scene(&cut, SETTINGS("expect", "^220", "send", "x"), 5000);
    said(&h, REASON_OK, "answered as expected");
}

static void test_unmet(void **state)
{
    (void)state;
    static char flood[20000];
    memset(flood, 'x', sizeof flood);
    struct script wrong = {.says = "500 no\r\n", .n = 8};
    struct harness h = scene(&wrong, SETTINGS("expect", "^220"), 5000);
    said(&h, REASON_MISMATCH, "closed the connection: expected /^220/, got \"500 no\\r\\n\"");
    struct script mute = {.end = END_CLOSE};
    h = scene(&mute, SETTINGS("expect", "^220"), 5000);
    said(&h, REASON_CLOSED, "closed the connection without a byte");
    struct script reset = {.reads = 1, .end = END_RESET};
    h = scene(&reset, SETTINGS("expect", "^220", "send", "x"), 5000);
    said(&h, REASON_RESET, "connection reset");
    struct script much = {.says = flood, .n = sizeof flood, .end = END_HOLD};
    h = scene(&much, SETTINGS("expect", "y"), 5000);
    said(&h, REASON_MISMATCH, "not in its first 16 KiB");
    struct script held = {.says = "500", .n = 3, .end = END_HOLD};
    h = scene(&held, SETTINGS("expect", "^220"), 200);
    said(&h, REASON_TIMEOUT, "expected /^220/, got only \"500\"");
    struct script silent = {.end = END_HOLD};
    h = scene(&silent, SETTINGS("expect", "^220"), 100);
    said(&h, REASON_TIMEOUT, "it says nothing");
}

/* Without `expect` an accepted connection is all that is asked. */
static void test_accept_is_enough(void **state)
{
    (void)state;
    struct script s = {.end = END_HOLD};
    struct harness h = scene(&s, SETTINGS("family", "4"), 5000);
    said(&h, REASON_OK, "connected to 127.0.0.1:");
    h = scene(&s, SETTINGS("send", "x"), 5000);
    said(&h, REASON_OK, "connected to 127.0.0.1:");
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", s.port);
    h = once(address, SETTINGS("family", "any"), 5000);
    said(&h, REASON_REFUSED, "connection refused");
    assert_true(h.gone);
}

static void test_tls(void **state)
{
    (void)state;
    struct server s = {.cert = new_cert("x", "IP:127.0.0.1", NULL, -DAY_S, DAY_S)};
    char address[32];
    server_start(&s);
    snprintf(address, sizeof address, "127.0.0.1:%u", s.port);
    struct harness h = once(address, SETTINGS("tls", "yes", "tls_verify", "no"), 5000);
    said(&h, REASON_OK, "TLS handshake done");
    h = once(address, SETTINGS("tls", "yes", "tls_verify", "no", "expect", "hello"), 5000);
    said(&h, REASON_OK, "answered as expected");
    h = once(address, SETTINGS("tls", "yes"), 5000);
    said(&h, REASON_TLS, "self-signed");
    server_stop(&s);
    free_pair(&s.cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings), cmocka_unit_test(test_send_and_expect),
        cmocka_unit_test(test_unmet),    cmocka_unit_test(test_accept_is_enough),
        cmocka_unit_test(test_tls),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
