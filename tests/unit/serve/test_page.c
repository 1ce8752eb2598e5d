/* The status page as the server makes it: what is escaped, what is drawn, what a row says, and what
 * is answered by what is accepted. What a browser does with it is tests/browser's. */
#include "serve_bench.h"

#include "serve/page.h"

static const char *const two[] = {"web", "db"};

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("no %s in %s", part, text);
}

static char *row(const struct check *c)
{
    struct buf b;
    buf_init(&b, 64 * 1024);
    page_add_row(&b, c, false, clock_now());
    char *text = buf_take(&b);
    assert_non_null(text);
    return text;
}

static void assert_row_has(const struct check *c, const char *part)
{
    char *text = row(c);
    assert_has(text, part);
    free(text);
}

/* Ends the run in flight as one that took `duration`. */
static void finish_after(struct bench *b, size_t i, int64_t duration, enum reason reason,
                         const char *detail)
{
    struct fake *f = b->engine.checks[i]->conf->conf;
    int64_t end = clock_now() + PATIENCE;
    while (!f->run && clock_now() < end)
        bench_turn(b);
    assert_non_null(f->run);
    f->run->started = clock_now() - duration;
    bench_finish(b, i, reason, detail);
}

static void test_escapes(void **state)
{
    struct bench b;
    static const char *const evil[] = {"<script>alert(1)</script>", "a\"b'c&d"};
    (void)state;
    bench_open(&b, evil, 2);
    bench_finish(&b, 0, REASON_MISMATCH, "<img src=x onerror=alert(1)>");
    struct answer a = get(&b, "/");
    assert_int_equal(a.status, 200);
    assert_has(a.text, "Content-Security-Policy: default-src 'none'");
    assert_null(strstr(a.body, "<script>alert"));
    assert_null(strstr(a.body, "<img"));
    assert_has(a.body, "&lt;script&gt;alert(1)&lt;/script&gt;");
    assert_has(a.body, "data-name=\"a&quot;b&#39;c&amp;d\"");
    assert_null(strstr(a.body, "{{"));
    answer_fini(&a);
    a = get(&b, "/metrics");
    assert_has(a.body, "probe_healthy{name=\"a\\\"b'c&d\"} 0\n");
    answer_fini(&a);
    bench_close(&b);

    struct buf text;
    buf_init(&text, 1024);
    page_escape(&text, "a\x01\xff<\xc3\xa9\r");
    assert_string_equal(text.data, "a&#1;\xef\xbf\xbd&lt;\xc3\xa9&#13;");
    buf_fini(&text);
}

static void assert_age(int64_t ns, const char *want)
{
    struct buf b;
    buf_init(&b, 64);
    page_add_age(&b, ns);
    assert_string_equal(b.data, want);
    buf_fini(&b);
}

static void test_ages(void **state)
{
    (void)state;
    assert_age(-5, "0s");
    assert_age(60 * NS_PER_S - 1, "59s");
    assert_age(60 * NS_PER_S, "1m");
    assert_age(3599 * NS_PER_S, "59m");
    assert_age(3600 * NS_PER_S, "1h");
    assert_age(90000 * NS_PER_S, "1d 1h");
}

static void test_before_the_first_check(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    const struct check *c = b.engine.checks[0];
    assert_row_has(c, "<li class=\"starting counts\"");
    assert_row_has(c, "no check has ended yet");
    assert_row_has(c, "aria-label=\"no check yet\"");
    bench_close(&b);
}

static void test_trend(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct check *c = b.engine.checks[0];
    c->conf->policy.interval = NS_PER_MS;
    c->conf->policy.retries = 2;
    for (int i = 0; i < 40; i++)
        finish_after(&b, 0, (i % 4 + 1) * NS_PER_S, i == 38 ? REASON_TIMEOUT : REASON_OK,
                     i == 38 ? "gave up" : "fine");
    char *text = row(c);
    assert_has(text, "aria-label=\"last 32 checks: 1 failed, 1");
    assert_has(text, "class=good d=\"M0 37H128\"");
    assert_has(text, "class=fell d=\"M120 34h4\""); /* the last but one of 32 */
    assert_has(text, "last failure 0s ago: timeout: gave up");
    free(text);

    finish_after(&b, 0, NS_PER_MS, REASON_REFUSED, "first");
    finish_after(&b, 0, NS_PER_MS, REASON_REFUSED, "second");
    text = row(c);
    assert_has(text, "<li class=\"unhealthy counts\"");
    assert_has(text, "<b>refused:</b> <span>second</span>");
    assert_has(text, "failed 0s ago, 2 in a row");
    assert_has(text, "class=fell d=\"M112 34h4M120 34h4h4\"");
    free(text);
    bench_close(&b);
}

static void test_phases(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    bench_finish(&b, 0, REASON_OK, "fine");
    struct check *c = b.engine.checks[0];
    int64_t *phases = c->history[0].phases;
    phases[PHASE_DNS] = 0;
    phases[PHASE_CONNECT] = NS_PER_MS;
    phases[PHASE_TLS] = -1;
    phases[PHASE_REQUEST] = 3 * NS_PER_MS;
    assert_row_has(c, "<svg aria-hidden=true><rect class=connect x=0.0% width=25.0% />"
                      "<rect class=request x=25.0% width=75.0% /></svg>");
    assert_row_has(c, ">connect 1.0 ms</span> ");
    assert_row_has(c, ">dns 0 \xc2\xb5s</span> ");
    char *text = row(c);
    assert_null(strstr(text, "tls"));
    free(text);
    bench_close(&b);
}

static void test_verdicts(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    struct answer a = get(&b, "/");
    assert_has(a.body, "class=\"wait\"");
    assert_has(a.body, "<title>Not ready - probe on ");
    assert_has(a.body, "</a> is starting: no check has ended yet (and 1 more)</p>");
    answer_fini(&a);
    bench_finish(&b, 0, REASON_OK, "fine");
    bench_finish(&b, 1, REASON_OK, "fine");
    a = get(&b, "/");
    assert_has(a.body, "class=\"ready\"");
    assert_has(a.body, "<title>Ready - probe on ");
    assert_has(a.body, "All 2 required probes are healthy.");
    answer_fini(&a);
    b.engine.checks[1]->conf->required = false;
    b.engine.checks[1]->health.status = HEALTH_UNHEALTHY;
    serve_on_reload(b.serve);
    a = get(&b, "/");
    assert_has(a.body, "The required probe is healthy, 1 other is not.");
    answer_fini(&a);
    b.engine.checks[1]->health.status = HEALTH_HEALTHY;
    b.engine.checks[0]->planned = clock_now() - 4000 * NS_PER_S;
    serve_on_reload(b.serve);
    a = get(&b, "/");
    assert_has(a.body, "class=\"bad\"");
    assert_has(a.body, "<title>Not ready - probe on ");
    assert_has(a.body, "web</a> is stale: fine</p>");
    assert_has(a.body, "<li class=\"stale counts\"");
    assert_has(a.body, "1 stale, 1 healthy");
    answer_fini(&a);
    bench_close(&b);
}

static void assert_accept(struct bench *b, const char *accept, const char *type, const char *part)
{
    char request[512];
    int n = snprintf(request, sizeof request,
                     "GET / HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\nConnection: close\r\n\r\n",
                     accept);
    struct answer a = ask_raw(b, false, request, (size_t)n);
    assert_int_equal(a.status, 200);
    assert_has(a.text, type);
    assert_has(a.body, part);
    answer_fini(&a);
}

static void test_what_is_accepted(void **state)
{
    struct bench b;
    (void)state;
    bench_open(&b, two, 2);
    assert_accept(&b, "text/plain", "Content-Type: text/plain", "not ready: web starting: ");
    assert_accept(&b, "application/json", "Content-Type: application/json", "\"ready\":false");
    assert_accept(&b, "*/*", "Content-Type: text/html", "<!doctype html>");
    assert_accept(&b, "text/html,application/xhtml+xml,*/*;q=0.8", "Content-Type: text/html",
                  "<!doctype html>");
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_before_the_first_check),
        cmocka_unit_test(test_trend),
        cmocka_unit_test(test_phases),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_what_is_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
