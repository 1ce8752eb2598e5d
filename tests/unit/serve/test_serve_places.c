/* Who may hold what for how long: floods of connections, clients that wait, listen, or take nothing
 * of what they asked for, and those that end their side. Somebody who asks for a verdict is always
 * let in. */
#include "serve_bench.h"

#include "serve/internal.h"

static const char *const one[] = {"web"};

static void assert_alive(struct bench *b)
{
    struct answer a = get(b, "/live");
    assert_answer(a, 200, "live");
}

/* A full table: whoever is idle the longest makes room, and the socket is never full of TCP. */
static void test_flood(void **state)
{
    struct bench b;
    enum { MANY = 200 };
    struct client c[MANY];
    (void)state;
    bench_open(&b, one, 1);
    b.serve->tcp->max_conns = 150;
    for (int i = 0; i < MANY; i++) {
        c[i] = client_open(&b, false);
        bench_turn(&b);
    }
    int64_t end = clock_now() + PATIENCE;
    while (b.serve->tcp->n_conns < 150 && clock_now() < end)
        bench_turn(&b);
    assert_int_equal(b.serve->tcp->n_conns, 150);
    struct answer a = ask(&b, true, "GET", "/live");
    assert_int_equal(a.status, 200);
    answer_fini(&a);
    struct client last = c[MANY - 1];
    client_send(&b, &last, "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < MANY - 1; i++)
        if (i >= 150)
            client_send(&b, &c[i],
                        "GET /live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    assert_true(client_await(&b, &last, NULL));
    assert_non_null(strstr(last.in.data, "200 OK"));
    c[MANY - 1] = last;
    for (int i = 0; i < MANY; i++)
        client_close(&c[i]);
    assert_alive(&b);
    bench_close(&b);
}

/* Nearly as many idle connections as there may be; then all ask at once. */
static void test_many_connections(void **state)
{
    struct bench b;
    enum { MANY = 250 };
    struct client c[MANY];
    (void)state;
    bench_open(&b, one, 1);
    b.serve->tcp->max_conns = MANY;
    for (int i = 0; i < MANY; i++)
        c[i] = client_open(&b, false);
    int64_t end = clock_now() + PATIENCE;
    while (b.serve->tcp->n_conns < MANY && clock_now() < end)
        bench_turn(&b);
    assert_int_equal(b.serve->tcp->n_conns, MANY);
    for (int i = 0; i < MANY; i++)
        client_send(&b, &c[i],
                    "GET /status HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < MANY; i++) {
        assert_true(client_await(&b, &c[i], NULL));
        assert_non_null(strstr(c[i].in.data, "\"name\":\"web\""));
        client_close(&c[i]);
    }
    bench_close(&b);
}

/* A client that has said all and ends its writing side still gets the whole answer. */
static void test_half_closed(void **state)
{
    struct bench b;
    static const char *const asked[] = {
        "GET /live HTTP/1.0\r\n\r\n",
        "GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /metrics HTTP/1.0\r\n\r\n",
        "GET /status?wait=healthy&timeout=20ms HTTP/1.0\r\n\r\n",
        "POST /check/p0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    };
    (void)state;
    bench_open(&b, NULL, 2000);
    for (size_t i = 0; i < 2 * ARRAY_LEN(asked); i++) {
        const char *request = asked[i / 2];
        bool on_unix = i % 2;
        struct client c = client_open(&b, on_unix);
        client_send(&b, &c, request);
        shutdown(c.fd, SHUT_WR);
        for (int k = 0; k < 10; k++)
            bench_turn(&b);
        if (strstr(request, "POST") && on_unix)
            bench_finish(&b, 0, REASON_OK, "fine");
        assert_true(client_await(&b, &c, NULL));
        struct answer a = client_answer(&c);
        if (!a.status || (strstr(request, "GET /status") && !strstr(a.text, "\"p1999\"")))
            fail_msg("after %s: %s", request, a.text);
        answer_fini(&a);
        client_close(&c);
    }
    bench_close(&b);
}

/* Half a request and the end: nothing more can come of it, and it does not wait for the idle time.
 */
static void test_abandoned(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, one, 1);
    struct client c = client_open(&b, false);
    client_send(&b, &c, "GET /live HT");
    shutdown(c.fd, SHUT_WR);
    while (!b.serve->conns.first)
        bench_turn(&b);
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    if (b.serve->conns.first) {
        b.serve->conns.sweep_due = 0;
        conn_sweep(&b.serve->conns, clock_now());
    }
    assert_true(client_await(&b, &c, NULL));
    client_close(&c);
    bench_close(&b);
}

/* The client of a check goes, and the check ends before libmicrohttpd has seen that. */
static void test_gone_before_the_check_ends(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, one, 1);
    struct client c = client_open(&b, true);
    client_send(&b, &c, "POST /check/web HTTP/1.1\r\nHost: localhost\r\n\r\n");
    while (!b.serve->conns.first || b.serve->conns.first->state != CONN_WAITING)
        bench_turn(&b);
    conn_move(b.serve->conns.first, CONN_CUT);
    bench_finish(&b, 0, REASON_OK, "fine");
    assert_true(client_await(&b, &c, NULL));
    client_close(&c);
    assert_alive(&b);
    bench_close(&b);
}

static struct client want(struct bench *b, bool on_unix, const char *path)
{
    char request[256];
    struct client c = client_open(b, on_unix);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    client_send(b, &c, request);
    return c;
}

/* As many as there can be wait, listen and take nothing of what they asked for: a verdict is still
 * to be had at once, the oldest that waits is answered, and documents stay few. */
static void test_places(void **state)
{
    struct bench b;
    enum { MANY = TCP_CONNECTIONS + 40 };
    static const char *const paths[] = {"/status/p0?wait=healthy&timeout=5m", "/events",
                                        "/metrics"};
    (void)state;
    for (size_t kind = 0; kind < ARRAY_LEN(paths); kind++) {
        struct client c[MANY];
        bench_open(&b, NULL, 3000);
        for (int i = 0; i < MANY; i++)
            c[i] = want(&b, false, paths[kind]);
        for (int i = 0; i < 50; i++)
            bench_turn(&b);
        struct listener *l = b.serve->tcp;
        assert_true(l->taken[PLACE_WAIT] <= l->max_conns / 4);
        assert_true(l->taken[PLACE_EVENTS] <= l->max_conns / 4);
        assert_true(l->taken[PLACE_DOCUMENT] <= l->max_conns / 8);
        struct answer a = get(&b, "/live");
        assert_answer(a, 200, "live");
        a = ask(&b, true, "GET", "/status");
        assert_answer(a, 503, "p2999");
        if (kind == 0) {
            client_take(&c[0]);
            assert_non_null(c[0].in.data ? strstr(c[0].in.data, " 503 ") : NULL);
        }
        for (int i = 0; i < MANY; i++)
            client_close(&c[i]);
        bench_close(&b);
    }
}

/* Who waits or listens and goes gives the place back at once; a listener that only ended its
 * writing side is still told. */
static void test_client_goes(void **state)
{
    struct bench b;
    enum { MANY = 10 };
    static const char *const paths[] = {"/status/p0?wait=healthy&timeout=5m", "/events"};
    (void)state;
    for (size_t i = 0; i < 2 * ARRAY_LEN(paths); i++) {
        struct client c[MANY];
        bool is_wait = i / 2 == 0, on_unix = i % 2;
        bench_open(&b, NULL, 2);
        struct listener *l = on_unix ? b.serve->unix_ : b.serve->tcp;
        size_t *taken = &l->taken[is_wait ? PLACE_WAIT : PLACE_EVENTS];
        int64_t end = clock_now() + PATIENCE;
        for (int k = 0; k < MANY; k++)
            c[k] = want(&b, on_unix, paths[i / 2]);
        while ((*taken < MANY || b.serve->conns.making ||
                b.serve->conns.first->state == CONN_SENDING) &&
               clock_now() < end)
            bench_turn(&b);
        assert_int_equal(*taken, MANY);
        if (!is_wait) {
            shutdown(c[0].fd, SHUT_WR);
            assert_true(client_await(&b, &c[0], on_unix ? "p1" : "still here"));
        }
        size_t left = is_wait ? 0 : 1;
        for (size_t k = left; k < MANY; k++)
            client_close(&c[k]);
        end = clock_now() + PATIENCE;
        while (*taken > left && clock_now() < end)
            bench_turn(&b);
        assert_int_equal(*taken, left);
        if (left)
            client_close(&c[0]);
        bench_close(&b);
    }
}

/* Who holds a place for a document and takes nothing of it goes when others stand in line. */
static void test_stalled_document(void **state)
{
    struct bench b;
    enum { MANY = TCP_CONNECTIONS / 8 };
    struct client c[MANY];
    (void)state;
    bench_open(&b, NULL, 8000);
    for (int i = 0; i < MANY; i++) {
        c[i] = want(&b, false, "/metrics");
        int small = 1;
        setsockopt(c[i].fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    }
    int64_t end = clock_now() + PATIENCE;
    while (b.serve->tcp->taken[PLACE_DOCUMENT] < MANY && clock_now() < end)
        bench_turn(&b);
    struct client last = want(&b, false, "/status/p1");
    while (!b.serve->tcp->in_line && clock_now() < end)
        bench_turn(&b);
    for (struct conn *k = b.serve->conns.first; k; k = k->next)
        k->since -= 3 * NS_PER_S;
    b.serve->conns.sweep_due = 0;
    conn_sweep(&b.serve->conns, clock_now());
    assert_true(client_await(&b, &last, "\"name\":\"p1\""));
    client_close(&last);
    for (int i = 0; i < MANY; i++)
        client_close(&c[i]);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_many_connections),
        cmocka_unit_test(test_gone_before_the_check_ends),
        cmocka_unit_test(test_half_closed),
        cmocka_unit_test(test_abandoned),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_client_goes),
        cmocka_unit_test(test_stalled_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
