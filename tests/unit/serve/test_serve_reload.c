/* POST /reload: who is answered by which reload, and with what. */
#include "serve_bench.h"

#include <sys/stat.h>

#include "serve/internal.h"

static void end_reload(struct bench *b, uint64_t number, bool done)
{
    struct config_report report;
    config_report_init(&report);
    config_report_add(&report, !done, "probe.ini", 3, "agent.listen", "it is %s",
                      done ? "unwise" : "wrong");
    serve_answer_reload(b->serve, number, done, &report);
    config_report_fini(&report);
}

/* Asks for a reload, which gets that number, and turns until it must be waiting. */
static struct client want_reload(struct bench *b, uint64_t number)
{
    struct client c = client_open(b, true);
    b->reload = number;
    client_send(b, &c,
                "POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n"
                "Connection: close\r\n\r\nhello");
    for (int i = 0; i < 20; i++)
        bench_turn(b);
    return c;
}

/* Each is answered by the reload that read the files after it was asked for. */
static void test_reload(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, NULL, 2);
    struct client first = want_reload(&b, 1), second = want_reload(&b, 1);
    struct client third = want_reload(&b, 2), gone = want_reload(&b, 2);
    client_close(&gone);
    end_reload(&b, 1, false);
    assert_true(client_await(&b, &first, NULL));
    struct answer a = client_answer(&first);
    assert_answer(a, 422, "\r\n\r\nprobe.ini:3: agent.listen: it is wrong\n");
    assert_true(client_await(&b, &second, NULL));
    a = client_answer(&second);
    assert_answer(a, 422, "it is wrong");
    assert_true(client_take(&third));
    assert_int_equal(third.in.len, 0); /* waits for its own */
    end_reload(&b, 2, true);
    assert_true(client_await(&b, &third, NULL));
    a = client_answer(&third);
    assert_answer(a, 200,
                  "\r\n\r\nwarning: probe.ini:3: agent.listen: it is unwise\n"
                  "reloaded: 2 probes\n");
    struct client stopped = want_reload(&b, 3);
    bench_close(&b);
    client_close(&first);
    client_close(&second);
    client_close(&third);
    client_close(&stopped);
}

static void change(struct bench *b, const char *socket_path, unsigned mode, const char *listen_text)
{
    struct agent_conf conf = {.socket = (char *)(uintptr_t)socket_path,
                              .socket_mode = mode,
                              .listen = (char *)(uintptr_t)listen_text};
    struct serve_draft draft;
    struct err e;
    if (serve_prepare(b->serve, &conf, &draft, &e) < 0)
        fail_msg("%s", e.text);
    serve_commit(b->serve, &draft);
}

/* Another address, the same port on all addresses, another mode, another path, none: each is opened
 * before the old one is closed, and what was asked there before is answered. */
static void test_other_listeners(void **state)
{
    struct bench b;
    struct stat st;
    char other[128], all[32];
    (void)state;
    bench_open(&b, NULL, 2);
    struct client asked = want_reload(&b, 1), listening = client_open(&b, false);
    client_send(&b, &listening, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_true(client_await(&b, &listening, "\"name\":\"p1\""));

    snprintf(all, sizeof all, "0.0.0.0:%d", b.port);
    change(&b, b.socket, 0666, all);
    assert_int_equal(stat(b.socket, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0666);
    assert_true(client_await(&b, &listening, NULL));
    end_reload(&b, 1, true);
    assert_true(client_await(&b, &asked, NULL));
    struct answer a = client_answer(&asked);
    assert_answer(a, 200, "reloaded: 2 probes");
    a = get(&b, "/live");
    assert_answer(a, 200, "live");
    a = ask(&b, true, "GET", "/live");
    assert_answer(a, 200, "live");
    for (int i = 0; i < 20 && b.serve->listeners->next->next; i++)
        bench_turn(&b);
    assert_null(b.serve->listeners->next->next); /* the old ones went with their last connection */

    snprintf(other, sizeof other, "%s.other", b.socket);
    change(&b, other, 0600, NULL);
    assert_int_equal(access(b.socket, F_OK), -1);
    assert_int_equal(access(other, F_OK), 0);
    assert_null(b.serve->tcp);
    change(&b, b.socket, 0600, b.listen);
    a = get(&b, "/live");
    assert_answer(a, 200, "live");
    bench_close(&b);
    client_close(&asked);
    client_close(&listening);
}

/* What cannot be opened changes nothing, and what was opened before it goes again. */
static void test_refused_listener(void **state)
{
    struct bench b;
    struct err e;
    struct serve_draft draft;
    char other[128];
    (void)state;
    bench_open(&b, NULL, 2);
    snprintf(other, sizeof other, "%s.other", b.socket);
    struct agent_conf conf = {
        .socket = other, .socket_mode = 0600, .listen = (char[]){"192.0.2.1:9797"}};
    assert_int_equal(serve_prepare(b.serve, &conf, &draft, &e), -1);
    assert_non_null(strstr(e.text, "this machine does not have that address"));
    assert_int_equal(access(other, F_OK), -1);
    struct answer a = get(&b, "/live");
    assert_answer(a, 200, "live");
    a = ask(&b, true, "GET", "/live");
    assert_answer(a, 200, "live");
    bench_close(&b);
}

static struct answer ask_with(struct bench *b, bool on_unix, const char *path, const char *header)
{
    char request[512];
    int n =
        snprintf(request, sizeof request,
                 "GET %s HTTP/1.1\r\nHost: localhost\r\n%sConnection: close\r\n\r\n", path, header);
    return ask_raw(b, on_unix, request, (size_t)n);
}

static void set_token(struct bench *b, const char *token)
{
    struct agent_conf conf = b->conf;
    struct serve_draft draft;
    struct err e;
    conf.token = (char *)(uintptr_t)token;
    assert_int_equal(serve_prepare(b->serve, &conf, &draft, &e), 0);
    serve_discard(b->serve, &draft); /* changes nothing */
    assert_int_equal(serve_prepare(b->serve, &conf, &draft, &e), 0);
    serve_commit(b->serve, &draft);
}

/* All but the life of the agent and of what it watches is behind the token, on TCP. */
static void test_token(void **state)
{
    static const char *const closed[] = {"/",        "/ready",   "/status", "/status/p0", "/events",
                                         "/metrics", "/nowhere", "/reload", "/check/p0"};
    static const char *const wrong[] = {
        "",
        "Authorization: Basic MDEyMzQ1Njc4OWFiY2RlZg==\r\n",
        "Authorization: Bearer\r\n",
        "Authorization: Bearer 0123456789abcde\r\n",
        "Authorization: Bearer 0123456789abcdeg\r\n",
        "Authorization: Bearer 0123456789abcdef0\r\n",
        "Authorization: 0123456789abcdef\r\n",
    };
    struct bench b;
    struct answer a;
    (void)state;
    bench_open(&b, NULL, 2);
    bench_finish(&b, 0, REASON_REFUSED, "it is at 10.0.0.7");
    b.engine.checks[0]->conf->levels = LEVEL_ALIVE;
    set_token(&b, "0123456789abcdef");
    for (size_t w = 0; w < ARRAY_LEN(wrong); w++) {
        for (size_t i = 0; i < ARRAY_LEN(closed); i++) {
            a = ask_with(&b, false, closed[i], wrong[w]);
            assert_non_null(strstr(a.text, "\r\nWWW-Authenticate: Bearer realm=\"probe\""));
            assert_null(strstr(a.text, "p0"));
            assert_answer(a, 401, "unauthorized: ");
        }
        a = ask_with(&b, false, "/healthz", wrong[w]);
        assert_answer(a, 200, "ok");
        a = ask_with(&b, false, "/live", wrong[w]);
        assert_answer(a, 503, "\r\n\r\nnot live\n");
    }
    a = ask_with(&b, false, "/live", "authorization: bearer  0123456789abcdef\r\n");
    assert_answer(a, 503, "not live: p0 unhealthy: refused: it is at 10.0.0.7");
    a = ask_with(&b, false, "/status", "Authorization: Bearer 0123456789abcdef\r\n");
    assert_answer(a, 503, "\"name\":\"p0\"");
    a = ask_with(&b, true, "/status", "");
    assert_answer(a, 503, "\"name\":\"p0\"");
    set_token(&b, "another-of-sixteen");
    a = ask_with(&b, false, "/ready", "Authorization: Bearer 0123456789abcdef\r\n");
    assert_answer(a, 401, "error=\"invalid_token\"");
    set_token(&b, NULL);
    a = ask_with(&b, false, "/ready", "");
    assert_answer(a, 503, "not ready");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
        cmocka_unit_test(test_other_listeners),
        cmocka_unit_test(test_refused_listener),
        cmocka_unit_test(test_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
