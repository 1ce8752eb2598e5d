/* Clients that mean harm or know no better: broken requests, smuggling pairs, floods of
 * connections, dripped heads, half-closed ends. The API answers the next one as if nothing had
 * been. */
#include "serve_bench.h"

#include <microhttpd.h>
#include <sys/resource.h>

#include "serve/internal.h"

static const char *const one[] = {"web"};

struct hostile {
    const char *request;
    size_t len; /* 0: to the NUL */
    int status; /* 0: closed without an answer; -1: any refusal of these */
};

#define RAW(s) (s), sizeof(s) - 1

/* libmicrohttpd lets it pass before 1.0. */
#define NUL_IN_HEADER (MHD_VERSION >= 0x01000000 ? 400 : 200)

static const struct hostile requests[] = {
    /* The request line */
    /* One empty line before it is let pass (RFC 9112 section 2.2). */
    {"\r\nGET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 200},
    {"GET\r\n\r\n", 0, -1},
    {"GET /live\r\n\r\n", 0, -1},
    {"/live\r\n\r\n", 0, -1},
    {"GET /live HTTP/2.0\r\nHost: localhost\r\n\r\n", 0, -1},
    {"GET /live HTTP/0.9\r\nHost: localhost\r\n\r\n", 0, -1},
    {"GET /live HTTP/1.1x\r\nHost: localhost\r\n\r\n", 0, -1},
    {"GET /live HTTP/1.1\r\n\r\n", 0, -1}, /* no Host */
    {"GET /li ve HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, -1},
    {"GET live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    {"GET * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    {"GET //live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    {"GET /live/../ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    {"GET /LIVE HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    {"CONNECT /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 405},
    {"get /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 405},
    {"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\n", 12, -1},
    {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, -1},
    /* NUL and control bytes, raw and escaped */
    {RAW("GET /live\0 HTTP/1.1\r\nHost: localhost\r\n\r\n"), -1},
    {RAW("GET /live\0/status HTTP/1.1\r\nHost: localhost\r\n\r\n"), -1},
    {RAW("GET /status?wait=healthy\0x HTTP/1.1\r\nHost: localhost\r\n\r\n"), -1},
    {"GET /live%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/web%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/a%0ab HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/%7f HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/% HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/%4 HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/%gg HTTP/1.1\r\nHost: localhost\r\n\r\n", 0, 400},
    {"GET /status/\xff\xfe HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 0, 404},
    /* Two ideas of where the body ends */
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: "
     "chunked\r\n\r\n0\r\n\r\n",
     0, -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 0,
     -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
     0, -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
     "identity\r\n\r\n",
     0, -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", 0, -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\n\r\n", 0, -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n", 0,
     -1},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n", 0, 413},
    /* Chunks */
    {"POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 0, -1},
    {"POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", 0, -1},
    {"POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
     "ffffffffffffffffff\r\n",
     0, -1},
    {"POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: "
     "close\r\n\r\n"
     "3\r\nabc\r\n0\r\n\r\n",
     0, 411},
    /* A blank before the colon, and lines that are folded: others see another length or header */
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length : 5\r\n\r\nhello", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nContent-Length\t: 5\r\n\r\nhello", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nX Y: 5\r\n\r\n", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nX: a\r\n b\r\n\r\n", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nX: a\r\n\tb\r\nY: c\r\n\r\n", 0, 400},
    {"GET /live HTTP/1.1\r\nHost:\r\n localhost\r\n\r\n", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nX:   a \r\nY:b\r\nZ:\r\nConnection: "
     "close\r\n\r\n",
     0, 200},
    /* Who is asked for by a name that is not this machine's own, on loopback */
    {"GET /live HTTP/1.1\r\nHost: rebound.example\r\nConnection: close\r\n\r\n", 0, 421},
    {"GET /live HTTP/1.1\r\nHost: 127.0.0.1.example:80\r\nConnection: close\r\n\r\n", 0, 421},
    {"GET /live HTTP/1.1\r\nHost: localhost.example\r\nConnection: close\r\n\r\n", 0, 421},
    {"GET /live HTTP/1.0\r\nHost: [rebound.example]\r\n\r\n", 0, 421},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nHost: x\r\nConnection: close\r\n\r\n", 0, 400},
    {"GET /live HTTP/1.1\r\nHost: LocalHost.:9797\r\nConnection: close\r\n\r\n", 0, 200},
    {"GET /live HTTP/1.1\r\nHost: 192.0.2.1:9797\r\nConnection: close\r\n\r\n", 0, 200},
    {"GET /live HTTP/1.1\r\nHost: [::1]:9797\r\nConnection: close\r\n\r\n", 0, 200},
    {"GET /live HTTP/1.0\r\n\r\n", 0, 200},
    /* Headers */
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nno colon\r\nConnection: close\r\n\r\n", 0, -1},
    {RAW("GET /live HTTP/1.1\r\nHost: localhost\r\nX: a\0b\r\nConnection: close\r\n\r\n"),
     NUL_IN_HEADER},
    {"GET /live HTTP/1.1\r\nHost: localhost\r\nExpect: 200-maybe\r\nConnection: close\r\n\r\n", 0,
     200},
};

static void assert_alive(struct bench *b)
{
    struct answer a = get(b, "/live");
    assert_int_equal(a.status, 200);
    answer_fini(&a);
}

static void test_requests(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, one, 1);
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        const struct hostile *h = &requests[i];
        size_t len = h->len ? h->len : strlen(h->request);
        struct client c = client_open(&b, false);
        client_send_n(&b, &c, h->request, len);
        if (h->status < 0)
            shutdown(c.fd, SHUT_WR);
        if (!client_await(&b, &c, NULL))
            fail_msg("no end after number %zu: %s", i, h->request);
        int status = 0;
        if (c.in.data)
            sscanf(c.in.data, "HTTP/1.%*c %d", &status);
        bool right = h->status >= 0 ? status == h->status : status == 0 || status >= 400;
        if (!right)
            fail_msg("expected %d, got %d after: %s", h->status, status, h->request);
        client_close(&c);
    }
    assert_alive(&b);
    bench_close(&b);
}

/* What one client may make us hold is bounded, whatever it sends without end. */
static void endless(struct bench *b, const char *start, const char *more)
{
    struct client c = client_open(b, false);
    int64_t end = clock_now() + PATIENCE;
    size_t sent = 0;
    client_send(b, &c, start);
    while (!c.eof && clock_now() < end) {
        ssize_t n = send(c.fd, more, strlen(more), MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        bench_turn(b);
        client_take(&c);
    }
    if (!c.eof)
        fail_msg("took %zu bytes of %s%.20s...", sent, start, more);
    assert_true(sent < 8 * 1024 * 1024); /* the most of it in the system's buffers */
    if (c.in.data)
        assert_null(strstr(c.in.data, "HTTP/1.1 200"));
    client_close(&c);
}

static void test_endless(void **state)
{
    struct bench b;
    char filler[1001];
    (void)state;
    memset(filler, 'a', 1000);
    filler[1000] = '\0';
    bench_open(&b, one, 1);
    endless(&b, "GET /", filler);
    endless(&b, "", filler);
    endless(&b, "GET /status?wait=", filler);
    endless(&b, "GET /live HTTP/1.1\r\nHost: localhost\r\nX: ", filler);
    endless(&b, "GET /live HTTP/1.1\r\nHost: localhost\r\n", "X: y\r\n");
    endless(&b, "POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
            "1\r\na\r\n");
    endless(&b, "POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1;",
            filler);
    endless(&b,
            "POST /reload HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
            "X: y\r\n");
    assert_alive(&b);
    bench_close(&b);
}

static void test_pipelining(void **state)
{
    struct bench b;
    char request[4096] = "";
    (void)state;
    bench_open(&b, one, 1);
    struct client c = client_open(&b, false);
    for (int i = 0; i < 100; i++)
        strcat(request, "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    strcat(request, "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    client_send(&b, &c, request);
    assert_true(client_await(&b, &c, NULL));
    int answers = 0;
    for (const char *at = c.in.data; (at = strstr(at, "\r\n\r\nlive\n")); at++)
        answers++;
    assert_int_equal(answers, 100);
    assert_non_null(strstr(c.in.data, "not ready"));
    client_close(&c);
    bench_close(&b);
}

/* One byte at a time; and a head that is not whole in its time is cut however lively it drips. */
static void test_dripping(void **state)
{
    struct bench b;
    static const char request[] =
        "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    (void)state;
    bench_open(&b, one, 1);
    struct client c = client_open(&b, false);
    for (const char *p = request; *p; p++)
        client_send_n(&b, &c, p, 1);
    assert_true(client_await(&b, &c, NULL));
    assert_non_null(strstr(c.in.data, "200 OK"));
    client_close(&c);

    c = client_open(&b, false);
    client_send(&b, &c, "GET /live HTTP/1.1\r\nHo");
    while (!b.serve->conns.first || !b.serve->conns.first->request)
        bench_turn(&b);
    b.serve->conns.first->deadline = clock_now();
    b.serve->conns.sweep_due = 0;
    conn_sweep(&b.serve->conns, clock_now());
    assert_true(client_await(&b, &c, NULL));
    assert_int_equal(c.in.len, 0);
    client_close(&c);
    bench_close(&b);
}

/* Clients that go away at every moment of a request that waits. */
static void test_gone(void **state)
{
    struct bench b;
    static const char *const paths[] = {"GET /status?wait=healthy", "GET /events", "GET /metrics",
                                        "GET /", "POST /check/p0"};
    (void)state;
    bench_open(&b, NULL, 2000);
    for (int turns = 0; turns < 8; turns++) {
        for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
            char request[128];
            struct client c = client_open(&b, true);
            snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: localhost\r\n\r\n", paths[i]);
            client_send(&b, &c, request);
            for (int k = 0; k < turns; k++)
                bench_turn(&b);
            if (turns % 2) { /* as a reset */
                struct linger l = {.l_onoff = 1};
                setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &l, sizeof l);
            }
            client_close(&c);
        }
    }
    int64_t end = clock_now() + PATIENCE;
    while (b.serve->conns.first && clock_now() < end)
        bench_turn(&b);
    assert_null(b.serve->conns.first);
    bench_close(&b);
}

/* By the machine's own name it answers on loopback too; the socket answers to any. */
static void test_own_name(void **state)
{
    struct bench b;
    char own[256] = "", request[400];
    (void)state;
    bench_open(&b, one, 1);
    gethostname(own, sizeof own - 1);
    int n = snprintf(request, sizeof request, "GET /live HTTP/1.0\r\nHost: %s:80\r\n\r\n", own);
    struct answer a = ask_raw(&b, false, request, (size_t)n);
    assert_answer(a, 200, "live");
    static const char other[] = "GET /live HTTP/1.0\r\nHost: rebound.example\r\n\r\n";
    a = ask_raw(&b, false, other, sizeof other - 1);
    assert_answer(a, 421, "answers to an IP address, to localhost and to this machine's name");
    a = ask_raw(&b, true, other, sizeof other - 1);
    assert_answer(a, 200, "live");
    bench_close(&b);
}

static void test_many_arguments(void **state)
{
    struct bench b;
    static const char *const between[] = {"&", "&a=", "&a=b"};
    (void)state;
    bench_open(&b, one, 1);
    for (size_t i = 0; i < ARRAY_LEN(between); i++) {
        for (int n = 20; n < 1200; n = n * 5 / 4) {
            struct buf request;
            buf_init(&request, 65536);
            buf_puts(&request, "GET /live?x");
            for (int k = 0; k < n; k++)
                buf_puts(&request, between[i]);
            buf_puts(&request, " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
            struct answer a = ask_raw(&b, false, request.data, request.len);
            assert_int_equal(a.status, n < ARGUMENTS_MAX ? 200 : 414);
            answer_fini(&a);
            buf_fini(&request);
        }
    }
    bench_close(&b);
}

/* Without descriptors the listener pauses, and goes on when there are some. */
static void test_out_of_descriptors(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, one, 1);
    assert_alive(&b);
    struct client c = client_open(&b, false);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)c.fd + 1;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    client_send(&b, &c, "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 50; i++)
        bench_turn(&b);
    assert_int_equal(b.serve->tcp->state, LISTENER_PAUSED);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_true(client_await(&b, &c, NULL));
    assert_non_null(strstr(c.in.data, "200 OK"));
    client_close(&c);
    bench_close(&b);
}

static size_t count_answers(struct client *c, size_t n)
{
    size_t answers = 0;
    for (size_t i = 0; i < n; i++)
        for (const char *at = c[i].in.data; at && (at = strstr(at, "HTTP/1.1 404")); at++)
            answers++;
    return answers;
}

/* Requests without end on TCP, each of which takes long: whoever asks by the Unix socket does not
 * wait until they are answered. */
static void test_costly_requests_do_not_starve_the_socket(void **state)
{
    struct bench b;
    enum { CLIENTS = 40, REQUESTS = 60, NAMES = 200 };
    char text[NAMES][80], request[160], all[REQUESTS * 160] = "";
    const char *names[NAMES];
    struct client c[CLIENTS];
    (void)state;
    for (int i = 0; i < NAMES; i++) {
        snprintf(text[i], sizeof text[i], "%026d%d", 0, i);
        names[i] = text[i];
    }
    snprintf(request, sizeof request, "GET /status/%028d HTTP/1.1\r\nHost: localhost\r\n\r\n", 1);
    for (int i = 0; i < REQUESTS; i++)
        strcat(all, request);
    bench_open(&b, names, NAMES);
    for (int i = 0; i < CLIENTS; i++) {
        c[i] = client_open(&b, false);
        assert_true(send(c[i].fd, all, strlen(all), MSG_NOSIGNAL) > 0);
        bench_turn(&b); /* while one is answered another is read */
    }
    struct client asks = client_open(&b, true);
    client_send(&b, &asks, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &asks, "200 OK"));
    for (int i = 0; i < CLIENTS; i++)
        client_take(&c[i]);
    assert_true(count_answers(c, CLIENTS) < CLIENTS * REQUESTS / 2);
    for (int i = 0; i < CLIENTS; i++)
        client_close(&c[i]);
    client_close(&asks);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_dripping),
        cmocka_unit_test(test_own_name),
        cmocka_unit_test(test_many_arguments),
        cmocka_unit_test(test_gone),
        cmocka_unit_test(test_out_of_descriptors),
        cmocka_unit_test(test_costly_requests_do_not_starve_the_socket),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
