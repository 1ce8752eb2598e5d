/* The document and the line, from checks filled by hand: names, nulls, the history's order, and
 * that nothing a server says can break a line or the JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "view/document.h"

static const struct probe_type type = {.name = "http"};

static struct check_conf conf = {
    .name = "web",
    .target = "127.0.0.1:80",
    .type = &type,
    .policy = {.interval = 30 * NS_PER_S, .timeout = 30 * NS_PER_S},
    .levels = LEVEL_READY,
    .required = true,
};

static struct check_result result(int64_t started, enum reason reason, const char *detail)
{
    return (struct check_result){.started = started,
                                 .started_wall = INT64_C(1767323045678000000) + started,
                                 .duration = 1234567,
                                 .reason = reason,
                                 .phases = {-1, 200000, -1, 1000000},
                                 .detail = (char *)(uintptr_t)detail};
}

static struct check fresh(void)
{
    return (struct check){.conf = &conf,
                          .planned = clock_now(),
                          .since_wall = INT64_C(1767323045678000000),
                          .health = {.status = HEALTH_STARTING}};
}

static void add(struct check *c, struct check_result r)
{
    c->history[c->n_results++ % CHECK_HISTORY] = r;
    c->checks_total++;
}

static json_t *document(const struct check *c)
{
    struct buf b;
    struct jsonw j;
    json_error_t e;
    buf_init(&b, 1 << 20);
    jsonw_init(&j, &b);
    document_probe(&j, NULL, c, clock_now());
    assert_false(b.failed);
    json_t *doc = json_loads(b.data, 0, &e);
    if (!doc)
        fail_msg("%s in %s", e.text, b.data);
    buf_fini(&b);
    return doc;
}

static void assert_why(const struct check *c, const char *want)
{
    struct buf b;
    buf_init(&b, 4096);
    document_why(&b, c);
    assert_string_equal(b.data, want);
    buf_fini(&b);
}

static const char *text(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void test_before_the_first_check(void **state)
{
    struct check c = fresh();
    (void)state;
    json_t *doc = document(&c);
    assert_string_equal(text(doc, "name"), "web");
    assert_string_equal(text(doc, "type"), "http");
    assert_string_equal(text(doc, "target"), "127.0.0.1:80");
    assert_string_equal(text(doc, "status"), "starting");
    assert_string_equal(text(doc, "since"), "2026-01-02T03:04:05.678Z");
    assert_string_equal(text(doc, "level"), "ready");
    assert_true(json_is_true(json_object_get(doc, "required")));
    assert_true(json_is_null(json_object_get(doc, "last")));
    assert_true(json_is_null(json_object_get(doc, "next_in_ms")));
    assert_int_equal(json_array_size(json_object_get(doc, "history")), 0);
    json_decref(doc);
    assert_why(&c, "no check has ended yet");
}

static void test_a_success_and_a_failure(void **state)
{
    struct check c = fresh();
    (void)state;
    add(&c, result(1, REASON_OK, "HTTP 200 from 127.0.0.1:80"));
    c.health.status = HEALTH_HEALTHY;
    json_t *doc = document(&c);
    const json_t *last = json_object_get(doc, "last");
    assert_true(json_is_true(json_object_get(last, "ok")));
    assert_true(json_is_null(json_object_get(last, "reason")));
    assert_true(json_real_value(json_object_get(last, "duration_ms")) == 1.235);
    const json_t *phases = json_object_get(last, "phases_ms");
    assert_int_equal(json_object_size(phases), 4);
    assert_true(json_is_null(json_object_get(phases, "dns")));
    assert_true(json_real_value(json_object_get(phases, "connect")) == 0.2);
    json_decref(doc);
    assert_why(&c, "HTTP 200 from 127.0.0.1:80");
    add(&c, result(2, REASON_NOT_RUNNING, "no process 12"));
    c.health.status = HEALTH_UNHEALTHY;
    doc = document(&c);
    assert_string_equal(text(json_object_get(doc, "last"), "reason"), "not-running");
    json_decref(doc);
    assert_why(&c, "not-running: no process 12");
}

static void test_blocked_says_by_whom(void **state)
{
    struct check_conf others[] = {{.name = "up"}, {.name = "down"}, {.name = "behind\n\"it\""}};
    struct check up = {.conf = &others[0], .health = {.status = HEALTH_HEALTHY}};
    struct check down = {.conf = &others[1], .health = {.status = HEALTH_UNHEALTHY}};
    struct check behind = {.conf = &others[2], .health = {.status = HEALTH_BLOCKED}};
    struct check *after[] = {&up, &down, &behind};
    struct check c = fresh();
    struct buf b;
    (void)state;
    c.after = after;
    c.n_after = 3;
    c.health.status = HEALTH_BLOCKED;
    json_t *doc = document(&c), *by = json_object_get(doc, "blocked_by");
    assert_int_equal(json_array_size(by), 2);
    assert_string_equal(json_string_value(json_array_get(by, 0)), "down");
    assert_string_equal(json_string_value(json_array_get(by, 1)), "behind\n\"it\"");
    json_decref(doc);
    buf_init(&b, 4096);
    document_blocked(&b, &c);
    assert_string_equal(b.data, "not checked while down, behind?\"it\" is down");
    buf_fini(&b);
    c.health.status = HEALTH_STARTING;
    doc = document(&c);
    assert_int_equal(json_array_size(json_object_get(doc, "blocked_by")), 0);
    json_decref(doc);
}

static void test_history(void **state)
{
    struct check c = fresh();
    struct check_result failure = result(3, REASON_RESET, "number 3");
    static const char *const names[] = {"number 0", "number 1", "number 2", "number 3", "number 4",
                                        "number 5", "number 6", "number 7", "number 8", "number 9"};
    (void)state;
    for (int i = 0; i < 5; i++)
        add(&c, result(i, i == 3 ? REASON_RESET : REASON_OK, names[i]));
    c.last_failure = &failure;
    json_t *doc = document(&c);
    const json_t *history = json_object_get(doc, "history");
    assert_int_equal(json_array_size(history), 5);
    assert_string_equal(text(json_array_get(history, 0), "detail"), "number 0");
    json_decref(doc);
    for (int i = 5; i < 10; i++)
        add(&c, result(i, REASON_OK, names[i]));
    doc = document(&c);
    history = json_object_get(doc, "history");
    assert_int_equal(json_array_size(history), 6);
    assert_string_equal(text(json_array_get(history, 0), "detail"), "number 3");
    assert_string_equal(text(json_array_get(history, 1), "detail"), "number 5");
    assert_string_equal(text(json_array_get(history, 5), "detail"), "number 9");
    json_decref(doc);
}

static void test_stale_is_not_healthy(void **state)
{
    struct check c = fresh();
    (void)state;
    c.health.status = HEALTH_HEALTHY;
    c.planned = clock_now() - 62 * NS_PER_S;
    assert_int_equal(document_status_of(&c, clock_now()), HEALTH_STARTING);
    json_t *doc = document(&c);
    assert_string_equal(text(doc, "status"), "starting");
    assert_true(json_is_true(json_object_get(doc, "stale")));
    json_decref(doc);
    c.health.status = HEALTH_UNHEALTHY;
    assert_int_equal(document_status_of(&c, clock_now()), HEALTH_UNHEALTHY);
}

static void test_hostile_text(void **state)
{
    struct check c = fresh();
    (void)state;
    add(&c, result(1, REASON_PROTOCOL, "a\nb\x1b[31m\"\\ \xff <script>"));
    c.health.status = HEALTH_UNHEALTHY;
    json_t *doc = document(&c);
    assert_string_equal(text(json_object_get(doc, "last"), "detail"),
                        "a\nb\x1b[31m\"\\ \xef\xbf\xbd <script>");
    json_decref(doc);
    assert_why(&c, "protocol: a?b?[31m\"\\ ? <script>");
}

static void test_a_line_is_bounded(void **state)
{
    struct check c = fresh();
    struct check_conf long_conf = conf;
    char name[5000], detail[5000];
    struct buf b;
    (void)state;
    memset(name, 'n', sizeof name);
    memset(detail, 'd', sizeof detail);
    name[sizeof name - 1] = detail[sizeof detail - 1] = '\0';
    long_conf.name = name;
    c.conf = &long_conf;
    add(&c, result(1, REASON_PROTOCOL, detail));
    buf_init(&b, 4096);
    document_why(&b, &c);
    assert_true(b.len <= 600);
    buf_fini(&b);
}

/* Every day of 280 years, beside the C library's. */
static void test_times(void **state)
{
    (void)state;
    for (int64_t day = 0; day < 280 * 365; day++) {
        time_t s = (time_t)(day * 86400 + day * 7919 % 86400);
        struct tm tm;
        char want[64], text[CLOCK_RFC3339_SIZE];
        gmtime_r(&s, &tm);
        size_t n = strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S", &tm);
        snprintf(want + n, sizeof want - n, ".%03dZ", (int)(day % 1000));
        char *end = clock_rfc3339(s * NS_PER_S + day % 1000 * NS_PER_MS, text);
        assert_string_equal(text, want);
        assert_ptr_equal(end, text + 24);
    }
}

static void test_controls_are_escaped(void **state)
{
    static const char c1[] = "\xc2\x9b"
                             "31m \x7f \xc2\xa0 \xe2\x80\xa8 \xc2";
    struct buf b;
    (void)state;
    buf_init(&b, 256);
    jsonw_quote(&b, c1);
    assert_string_equal(b.data, "\"\\u009b31m \\u007f \xc2\xa0 \\u2028 \xef\xbf\xbd\"");
    buf_reset(&b);
    jsonw_add(&b, "{\"\xc2\x80\":\"\xc2\x9f\x7f\xc2\xa0\"}");
    assert_string_equal(b.data, "{\"\\u0080\":\"\\u009f\\u007f\xc2\xa0\"}");
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_before_the_first_check),
        cmocka_unit_test(test_a_success_and_a_failure),
        cmocka_unit_test(test_blocked_says_by_whom),
        cmocka_unit_test(test_history),
        cmocka_unit_test(test_stale_is_not_healthy),
        cmocka_unit_test(test_hostile_text),
        cmocka_unit_test(test_a_line_is_bounded),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_controls_are_escaped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
