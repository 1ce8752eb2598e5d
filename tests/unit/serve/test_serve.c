/* The API: every route, who may what, waiting, events, checks that go, and the stop while requests
 * hang. */
#include "serve/internal.h"
#include "serve_bench.h"

#include <jansson.h>
#include <sys/stat.h>

static const char *const two[] = {"web", "db"};

#define assert_get(b, path, want_status, want_text)                                                \
    do {                                                                                           \
        struct answer got = get((b), (path));                                                      \
        assert_answer(got, (want_status), (want_text));                                            \
    } while (0)

static void test_verdicts(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    assert_get(&b, "/ready", 503, "\r\n\r\nnot ready: web starting: no check has ended yet\n");
    assert_get(&b, "/live", 200, "\r\n\r\nlive\n");
    bench_finish(&b, 0, REASON_OK, "HTTP 200 from 127.0.0.1:80");
    bench_finish(&b, 1, REASON_REFUSED, "connect to 127.0.0.1:27017: connection refused");
    assert_get(
        &b, "/ready", 503,
        "not ready: db unhealthy: refused: connect to 127.0.0.1:27017: connection refused\n");
    assert_get(&b, "/live", 200, "live");
    b.engine.checks[1]->conf->levels = LEVEL_ALIVE;
    serve_on_reload(b.serve);
    assert_get(&b, "/live", 503, "not live: db unhealthy: refused: ");
    assert_get(&b, "/healthz", 200, "ok"); /* whatever it watches */
    assert_get(&b, "/ready", 200, "\r\n\r\nready\n");
    bench_close(&b);
}

static void test_stale_is_never_ready(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "fine");
    bench_finish(&b, 1, REASON_OK, "fine");
    assert_get(&b, "/ready", 200, "ready");
    b.engine.checks[0]->planned = clock_now() - 4000 * NS_PER_S;
    serve_on_reload(b.serve);
    assert_get(&b, "/ready", 503, "not ready: web is stale, its check is overdue: fine");
    assert_get(&b, "/live", 503, "not live: web is stale");
    assert_get(&b, "/status/web", 503, "\"status\":\"starting\",\"stale\":true");
    assert_get(&b, "/status", 503, "\"stale\":true},\"live\":false,\"ready\":false");
    assert_get(&b, "/metrics", 200, "probe_healthy{name=\"web\"} 0\n");
    bench_close(&b);
}

static void test_metrics_across_a_reload(void **state)
{
    static const char *const other[] = {"ma\"il", "cache"};
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "fine");
    bench_finish(&b, 1, REASON_REFUSED, "no");
    struct answer a = get(&b, "/metrics");
    assert_non_null(strstr(a.body, "\nprobe_status{name=\"web\",status=\"healthy\"} 1\n"));
    assert_non_null(strstr(a.body, "\nprobe_status{name=\"db\",status=\"unhealthy\"} 1\n"));
    assert_non_null(strstr(a.body, "\nprobe_status{name=\"web\",status=\"starting\"} 0\n"));
    assert_non_null(strstr(a.body, "\nprobe_status{name=\"db\",status=\"healthy\"} 0\n"));
    assert_non_null(
        strstr(a.body, "\nprobe_success{name=\"web\"} 1\nprobe_success{name=\"db\"} 0\n"));
    assert_non_null(strstr(a.body, "\nprobe_timeout_seconds{name=\"db\"} 30.000\n"));
    assert_non_null(strstr(a.body, "\nprobe_transitions_total{name=\"db\"} 1\n"));
    assert_non_null(strstr(a.body, "\nprobe_config_last_reload_successful 1\n"));
    assert_null(strstr(a.body, "# EOF"));
    assert_non_null(strstr(a.body, "\nprobe_info{name=\"db\",type=\"fake\",target=\"127.0.0.1:80\","
                                   "level=\"ready\",required=\"yes\"} 1\n"));
    assert_non_null(
        strstr(a.body, "\nprobe_check_failures_total{name=\"db\",reason=\"refused\"} 1\n"));
    assert_non_null(strstr(a.body, "\nprobe_duration_seconds{name=\"db\"} 0.0"));
    answer_fini(&a);
    bench_load(&b, other, 2);
    serve_on_reload(b.serve);
    a = get(&b, "/metrics");
    assert_non_null(strstr(a.body, "\nprobe_checks_total{name=\"ma\\\"il\"} 0\n"
                                   "probe_checks_total{name=\"cache\"} 0\n"));
    assert_null(strstr(a.body, "name=\"web\""));
    /* Counters of the agent never go back. */
    assert_non_null(strstr(a.body, "_bucket{type=\"fake\",le=\"+Inf\"} 2\n"));
    assert_non_null(strstr(a.body, "probe_check_duration_seconds_count{type=\"fake\"} 2\n"));
    answer_fini(&a);
    bench_close(&b);
}

static void test_status(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "HTTP 200");
    struct answer a = get(&b, "/status");
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.text, "Cache-Control: no-store"));
    assert_non_null(strstr(a.text, "Content-Type: application/json"));
    json_t *doc = json_loads(a.body, 0, NULL);
    assert_non_null(doc);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(doc, "agent"), "pid")),
                     getpid());
    assert_true(json_is_false(json_object_get(doc, "ready")));
    json_t *probes = json_object_get(doc, "probes");
    assert_int_equal(json_array_size(probes), 2);
    json_t *web = json_array_get(probes, 0);
    assert_string_equal(json_string_value(json_object_get(web, "name")), "web");
    assert_string_equal(json_string_value(json_object_get(web, "status")), "healthy");
    json_t *last = json_object_get(web, "last");
    assert_true(json_is_true(json_object_get(last, "ok")));
    assert_true(json_is_null(json_object_get(last, "reason")));
    assert_true(json_is_null(json_object_get(json_array_get(probes, 1), "last")));
    json_decref(doc);
    answer_fini(&a);
    assert_get(&b, "/status/web", 200, "\"name\":\"web\"");
    assert_get(&b, "/status/%77%65b", 200, "\"name\":\"web\"");
    assert_get(&b, "/status/wbe", 404, "no probe \"wbe\"; did you mean \"web\"?; known: web, db\n");
    bench_close(&b);
}

static void test_status_without_history(void **state)
{
    static const char *const paths[] = {"/status", "/status/web"};
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "HTTP 200");
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        for (int brief = 0; brief < 2; brief++) {
            char path[64];
            snprintf(path, sizeof path, "%s?history=%s", paths[i], brief ? "no" : "yes");
            struct answer a = get(&b, path);
            assert_non_null(strstr(a.body, "\"last\":{"));
            assert_true((strstr(a.body, "\"history\"") == NULL) == brief);
            answer_fini(&a);
        }
    assert_get(&b, "/status?history=none", 400, "history: expected yes or no\n");
    bench_close(&b);
}

/* Longer than what is made at once: sent in chunks, whole and valid. */
static void test_large_documents(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, NULL, 3000);
    for (size_t i = 0; i < 3000; i++)
        bench_finish(&b, i, REASON_OK, "fine");
    struct answer a = get(&b, "/status");
    assert_int_equal(a.status, 200);
    json_t *doc = json_loads(a.body, 0, NULL);
    assert_non_null(doc);
    json_t *probes = json_object_get(doc, "probes");
    assert_int_equal(json_array_size(probes), 3000);
    json_t *last = json_array_get(probes, 2999);
    assert_string_equal(json_string_value(json_object_get(last, "name")), "p2999");
    json_decref(doc);
    answer_fini(&a);
    assert_get(&b, "/metrics", 200, "probe_failing_streak{name=\"p2999\"} 0\n");
    assert_get(&b, "/", 200, "data-name=\"p2999\"");
    const char old[] = "GET /status HTTP/1.0\r\n\r\n";
    a = ask_raw(&b, false, old, sizeof old - 1);
    doc = a.body ? json_loads(a.body, 0, NULL) : NULL;
    assert_non_null(doc);
    json_decref(doc);
    answer_fini(&a);
    bench_close(&b);
}

/* A document that is half out when the probes change is cut, never mixed. */
static void test_reload_under_a_document(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, NULL, 20000);
    struct client c = client_open(&b, true);
    client_send(&b, &c, "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 200; i++)
        bench_turn(&b);
    bench_load(&b, two, 2);
    serve_on_reload(b.serve);
    assert_true(client_await(&b, &c, NULL));
    assert_true(c.in.len > 0);
    assert_null(strstr(c.in.data, "\r\n0\r\n"));
    client_close(&c);
    assert_get(&b, "/status", 503, "\"name\":\"db\"");
    bench_close(&b);
}

static void test_methods(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct answer a = ask(&b, false, "DELETE", "/status");
    assert_answer(a, 405, "Allow: GET, HEAD\r\n");
    a = ask(&b, true, "GET", "/reload");
    assert_answer(a, 405, "Allow: POST\r\n");
    a = ask(&b, false, "POST", "/reload");
    assert_answer(a, 403, "only for the agent's Unix socket");
    a = ask(&b, false, "POST", "/check/web");
    assert_answer(a, 403, "read-only");
    assert_get(&b, "/nope", 404, "not found");
    assert_get(&b, "/status/", 404, "not found");
    assert_get(&b, "/check/", 404, "not found");
    a = ask(&b, false, "HEAD", "/status");
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "");
    answer_fini(&a);
    a = ask(&b, false, "GET", "http://probe.example/ready");
    assert_answer(a, 503, "not ready");
    struct stat st;
    assert_int_equal(stat(b.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    bench_close(&b);
}

static void test_check_now(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "fine");
    struct client c = client_open(&b, true);
    client_send(&b, &c, "POST /check/web HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    bench_finish(&b, 0, REASON_RESET, "reset by peer");
    assert_true(client_await(&b, &c, NULL));
    struct answer a = client_answer(&c);
    assert_answer(a, 503, "\"reason\":\"reset\",\"detail\":\"reset by peer\"");
    client_close(&c);
    a = ask(&b, true, "POST", "/check/wob");
    assert_answer(a, 404, "did you mean \"web\"?");
    /* The client goes away; its check goes on. */
    c = client_open(&b, true);
    client_send(&b, &c, "POST /check/web HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    client_close(&c);
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    bench_finish(&b, 0, REASON_OK, "fine");
    /* The probe is removed meanwhile. */
    c = client_open(&b, true);
    client_send(&b, &c, "POST /check/db HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    bench_load(&b, two, 1);
    serve_on_reload(b.serve);
    assert_true(client_await(&b, &c, NULL));
    a = client_answer(&c);
    assert_answer(a, 409, "removed while it was checked");
    client_close(&c);
    bench_close(&b);
}

static void test_wait(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct client one = client_open(&b, false), all = client_open(&b, false);
    client_send(&b, &one, "GET /status/web?wait=healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
    client_send(&b, &all,
                "GET /status?wait=healthy&timeout=1m HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    client_take(&one);
    assert_int_equal(one.in.len, 0);
    bench_finish(&b, 0, REASON_OK, "fine");
    assert_true(client_await(&b, &one, "\"name\":\"web\""));
    assert_non_null(strstr(one.in.data, "HTTP/1.1 200"));
    client_take(&all);
    assert_int_equal(all.in.len, 0);
    bench_finish(&b, 1, REASON_OK, "fine");
    assert_true(client_await(&b, &all, "\"name\":\"db\""));
    assert_non_null(strstr(all.in.data, "HTTP/1.1 200"));
    /* The connection is as good as before. */
    buf_reset(&one.in);
    client_send(&b, &one, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &one, "\r\n\r\nready\n"));
    client_close(&one);
    client_close(&all);
    bench_close(&b);
}

/* Stale and fresh again: no transition, and whoever waits is told all the same. */
static void test_wait_for_a_fresh_verdict(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 1);
    bench_finish(&b, 0, REASON_OK, "fine");
    struct check *web = b.engine.checks[0];
    sched_set(&b.engine.sched, &web->next, clock_now());
    while (!((struct fake *)web->conf->conf)->run)
        bench_turn(&b);
    web->planned = clock_now() - 4000 * NS_PER_S;
    serve_on_reload(b.serve);
    struct client c = client_open(&b, false);
    client_send(&b, &c, "GET /status/web?wait=healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 30; i++)
        bench_turn(&b);
    client_take(&c);
    assert_int_equal(c.in.len, 0);
    bench_finish(&b, 0, REASON_OK, "fine again");
    assert_true(client_await(&b, &c, "fine again"));
    assert_non_null(strstr(c.in.data, "HTTP/1.1 200"));
    client_close(&c);
    bench_close(&b);
}

static void test_wait_ends(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    assert_get(&b, "/status/web?wait=healthy&timeout=30ms", 503, "\"status\":\"starting\"");
    assert_get(&b, "/status?wait=healthy&timeout=0s", 503, "\"ready\":false");
    assert_get(&b, "/status?wait=happy", 400, "expected wait=healthy");
    assert_get(&b, "/status?wait=healthy&timeout=5", 400, "expected a duration");
    assert_get(&b, "/status?wait=healthy&timeout=%zz", 400, "expected a duration");
    assert_get(&b, "/status?wait=healthy&timeout=-5s", 400, "expected a duration");
    assert_get(&b, "/status/nope?wait=healthy", 404, "no probe");
    struct client c = client_open(&b, false);
    client_send(&b, &c, "GET /status/db?wait=healthy HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 20; i++)
        bench_turn(&b);
    bench_load(&b, two, 1);
    serve_on_reload(b.serve);
    assert_true(client_await(&b, &c, "no probe"));
    client_close(&c);
    bench_close(&b);
}

static void test_events(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct client c = client_open(&b, false);
    client_send(&b, &c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &c, "\"name\":\"db\",\"from\":null,\"to\":\"starting\""));
    assert_non_null(strstr(c.in.data, "Content-Type: text/event-stream"));
    bench_finish(&b, 0, REASON_OK, "fine");
    assert_true(client_await(&b, &c, "\"name\":\"web\",\"from\":\"starting\",\"to\":\"healthy\""));
    bench_finish(&b, 1, REASON_DNS, "no \"such\"\nname");
    assert_true(
        client_await(&b, &c,
                     "event: status\ndata: "
                     "{\"name\":\"db\",\"from\":\"starting\",\"to\":\"unhealthy\",\"at\":"));
    assert_non_null(strstr(c.in.data, "\"reason\":\"dns\",\"detail\":\"no \\\"such\\\""));
    buf_reset(&c.in);
    bench_load(&b, two, 1);
    serve_on_reload(b.serve);
    assert_true(client_await(&b, &c, "event: reset\ndata: {}\n\n"));
    assert_true(client_await(&b, &c, "\"name\":\"web\",\"from\":null,\"to\":\"healthy\""));
    client_close(&c);
    bench_close(&b);
}

/* A listener that does not read is given the present state when it does, and holds no memory. */
static void test_slow_listener(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct client c = client_open(&b, true);
    client_send(&b, &c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    for (int i = 0; i < 40; i++)
        bench_turn(&b);
    for (int i = 0; i < 100000; i++) {
        serve_on_transition(b.serve, b.engine.checks[0], HEALTH_HEALTHY);
        if (i % 100 == 0)
            bench_turn(&b);
    }
    bench_finish(&b, 0, REASON_OK, "at last");
    assert_true(client_await(&b, &c, "event: reset"));
    assert_true(client_await(&b, &c, "at last"));
    assert_true(c.in.len < 30 * 1024 * 1024);
    client_close(&c);
    bench_close(&b);
}

/* The places for event streams are those of each listener, and the oldest makes room. */
static void test_too_many_listeners(void **state)
{
    struct bench b;
    enum { MANY = TCP_CONNECTIONS / 4 };
    struct client c[MANY], last, by_socket;
    (void)state;
    bench_open(&b, two, 2);
    by_socket = client_open(&b, true);
    client_send(&b, &by_socket, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &by_socket, "\"name\":\"db\""));
    for (int i = 0; i < MANY; i++) {
        c[i] = client_open(&b, false);
        client_send(&b, &c[i], "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert_true(client_await(&b, &c[i], "\"name\":\"db\""));
    }
    last = client_open(&b, false);
    client_send(&b, &last, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &last, "\"name\":\"db\""));
    assert_true(client_await(&b, &c[0], NULL));
    assert_true(client_take(&c[1]));
    assert_true(client_take(&by_socket));
    for (int i = 0; i < MANY; i++)
        client_close(&c[i]);
    client_close(&last);
    client_close(&by_socket);
    bench_close(&b);
}

/* Requests that hang in every way when the agent stops. */
static void test_stop_while_waiting(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, NULL, 2000);
    struct client c[6];
    static const char *const requests[] = {
        "GET /status?wait=healthy HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "POST /check/p0 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "GET /sta",
        "",
    };
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        c[i] = client_open(&b, true);
        client_send(&b, &c[i], requests[i]);
    }
    for (int i = 0; i < 30; i++)
        bench_turn(&b);
    bench_close(&b);
    client_take(&c[0]);
    assert_non_null(strstr(c[0].in.data, "503"));
    assert_non_null(strstr(c[0].in.data, "the agent is stopping"));
    client_take(&c[2]);
    assert_non_null(strstr(c[2].in.data, "the agent is stopping"));
    for (size_t i = 0; i < ARRAY_LEN(requests); i++) {
        client_take(&c[i]);
        assert_true(c[i].eof);
        client_close(&c[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_stale_is_never_ready),
        cmocka_unit_test(test_metrics_across_a_reload),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_status_without_history),
        cmocka_unit_test(test_large_documents),
        cmocka_unit_test(test_reload_under_a_document),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_check_now),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_wait_for_a_fresh_verdict),
        cmocka_unit_test(test_wait_ends),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_slow_listener),
        cmocka_unit_test(test_too_many_listeners),
        cmocka_unit_test(test_stop_while_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
