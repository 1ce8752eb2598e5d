/* POST /reload: who is answered by which reload, and with what. */
#include "serve_bench.h"

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
                "POST /reload HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
