/* Expectations of the http type: status lists, JSON rules, headers, and the masking of secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/http_json.h"

static void test_status_list(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int in[4], out[4];
    } rows[] = {
        {"200-399", {200, 299, 399}, {199, 400, 100}},
        {"200", {200}, {199, 201, 999}},
        {"200,301-303", {200, 301, 302, 303}, {201, 300, 304}},
        {"2xx", {200, 299}, {199, 300}},
        {" 2XX , 404\t500 ", {200, 404, 500}, {403, 501}},
        {"200 - 204", {200, 204}, {205}},
        {"100-599", {100, 599}, {0, -1, 600, 99}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct status_set set;
        struct err e;
        if (status_set_parse(&set, rows[i].text, &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.text);
        for (size_t k = 0; k < 4; k++) {
            if (rows[i].in[k] && !status_set_has(&set, rows[i].in[k]))
                fail_msg("%s: %d is missing", rows[i].text, rows[i].in[k]);
            if (rows[i].out[k] && status_set_has(&set, rows[i].out[k]))
                fail_msg("%s: %d is in", rows[i].text, rows[i].out[k]);
        }
        assert_false(status_set_has(&set, 0));
        assert_false(status_set_has(&set, HTTP_STATUS_END));
    }
    static const char *const bad[] = {
        "",    " , ", "2x",  "20",      "2000",     "ok",        "200-",    "200-2xx", "399-200",
        "099", "600", "9xx", "200;301", "200--299", "200-299-3", "2xx-3xx", "2xX",     "-200"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct status_set set;
        struct err e;
        if (status_set_parse(&set, bad[i], &e) == 0)
            fail_msg("'%s' was taken", bad[i]);
    }
}

/* NULL when the rule holds, else the words. */
static const char *json_check(const char *line, const char *body, bool quiet)
{
    static struct err e;
    struct json_rule rule;
    struct http_reply reply = {.quiet = quiet};
    if (json_rule_parse(&rule, line, &e) < 0)
        fail_msg("%s: %s", line, e.text);
    buf_init(&reply.body, 1 << 20);
    buf_puts(&reply.body, body);
    struct pattern_budget budget = {PATTERN_STEPS};
    enum reason reason = json_rules_check(&rule, 1, &reply, &budget, &e);
    buf_fini(&reply.body);
    json_rule_fini(&rule);
    assert_int_equal(reason == REASON_INTERNAL, str_starts(e.text, "cannot tell"));
    return reason == REASON_OK ? NULL : e.text;
}

static const char doc[] =
    "{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2,"
    "\"m~n\": 8, \" \": 7, \"o\": {\"x\": null, \"y\": [1, 2.5]},"
    "\"eq\": \"a = b\", \"t\": true, \"big\": 9007199254740993, \"v\": \"1.2.3\","
    "\"day\": \"2026-01-02\"}";

/* The pointers of RFC 6901 section 5, and more. */
static const char *const holds[] = {
    "/foo = [\"bar\", \"baz\"]",
    "/foo/0 = bar",
    "/ = 0",
    "/a~1b = 1",
    "/c%d=2",
    "/m~0n = 8",
    "/o/x = null",
    "/o/y/1 = 2.5",
    "/o/y/0 = 1.0",
    "/o = {\"y\":[1,2.5],\"x\":null}",
    "/eq = a = b",
    "/t = true",
    "/eq = \"a = b\"",
    "/o/y = [1e0, 250e-2]",
    "/big = 9007199254740993",
    "/big = 9007199254740993.0",
    "/v = 1.2.3",
    "/day = 2026-01-02",
    "/v = \"1.2.3\"",
    "/t != false",
    "/t!=false",
    "/o/y/1 > 2",
    "/o/y/1>2",
    "/o/y/1 >= 2.50",
    "/o/y/1 < 2.5000001",
    "/o/y/1 <= 25e-1",
    "/big > 9007199254740992",
    "/big < 1e99999999999",
    "/a~1b >= -3",
    "/v ~ ^1\\.[0-9]\\.3$",
    "/eq ~ a = b",
    "/day ~ ^2026-",
    "/t ~ ^true$",
    "/big ~ 993$",
    "/o/x exists",
    "/o exists",
    "/none absent",
    "/foo length >= 2",
    "/foo length = 2",
    "/o length = 2",
    "/o/y length < 3",
    "/v length = 5",
    "/ != 1",
};

static void test_json(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(holds); i++) {
        const char *words = json_check(holds[i], doc, false);
        if (words)
            fail_msg("%s: %s", holds[i], words);
    }
    static const struct {
        const char *line, *words;
    } fails[] = {
        {"/foo/2 = x", "JSON /foo/2 is missing"},
        {"/foo/00 = bar", "missing"},
        {"/foo/-1 = bar", "missing"},
        {"/foo/- = bar", "missing"},
        {"/foo/99999999999999999999 = bar", "missing"},
        {"/t/x = 1", "missing"},
        {"/t = \"true\"", "JSON /t is true, expected \"true\""},
        {"/big = 9007199254740992", "is 9007199254740993, expected 9007199254740992"},
        {"/foo = bar", "JSON /foo is [\"bar\",\"baz\"], expected \"bar\""},
        {" = 1", "JSON (the whole document) is {"},
        {"/t != true", "JSON /t is true, expected != true"},
        {"/none != true", "JSON /none is missing, expected != true"},
        {"/o/y/1 > 2.5", "JSON /o/y/1 is 2.5, expected > 2.5"},
        {"/o/y/1 >= 2.5000000000000000000001", "is 2.5, expected >= 2.5"},
        {"/o/y/1 < -2.5", "expected < -2.5"},
        {"/v > 1", "JSON /v is \"1.2.3\", expected > 1"},
        {"/v ~ ^2", "JSON /v is \"1.2.3\", expected a match of /^2/"},
        {"/foo ~ bar", "JSON /foo is [\"bar\",\"baz\"], expected a match of /bar/"},
        {"/none ~ bar", "is missing"},
        {"/none exists", "JSON /none is missing, expected it to exist"},
        {"/o/x absent", "JSON /o/x is null, expected it absent"},
        {"/foo length > 2", "JSON /foo has length 2, expected length > 2"},
        {"/foo length != 2", "has length 2, expected length != 2"},
        {"/t length > 0", "JSON /t is true, expected length > 0"},
        {"/none length = 0", "is missing"},
    };
    for (size_t i = 0; i < ARRAY_LEN(fails); i++) {
        const char *words = json_check(fails[i].line, doc, false);
        if (!words || !strstr(words, fails[i].words))
            fail_msg("%s: %s", fails[i].line, words ? words : "holds");
    }
    assert_null(json_check("= 3", "3", false));
    assert_null(json_check("= up", "\"up\"", false));
    assert_non_null(json_check("/a = 1", "{\"a\": 1", false));
    assert_non_null(json_check("/a = 1", "{\"a\": 1} x", false));
    assert_non_null(json_check("/a = 1", "[", false));
    /* Deep nesting is not followed to the end of the stack: what stands in it cannot be told. */
    char *deep = malloc(100001);
    memset(deep, '[', 100000);
    deep[100000] = '\0';
    assert_non_null(strstr(json_check("/a = 1", deep, false), "cannot tell what the body says"));
    free(deep);
}

static void test_json_is_quiet_with_secrets(void **state)
{
    (void)state;
    const char *words = json_check("/a = 1", "{\"a\": tokentoken}", true);
    assert_string_equal(words, "the body is not JSON");
    words = json_check("/a = 1",
                       "{\"a\": \"" /* cut when shown, so it could not be masked */
                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                       "tokentoken\"}",
                       true);
    assert_null(strstr(words, "tok"));
}

static void test_json_rules_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/a",        "a = 1",         "/a~2 = 1",         "/a~ = 1",
        "/a = \xff", "/a = \"up",     "/a = [1,2",        "/a = {up}",
        "/a = 'up'", "/a = 01",       "/a = 1.",          "/a = .5",
        "/a = +1",   "/a = [1] x",    "/a = {\"b\": 1,}", "/a = \"up\" # so",
        "/a < up",   "/a exists x",   "/a length 3",      "/a length > x",
        "/a ~ (",    "/a length ~ x", "/a length exists", "/a >= [1]",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct json_rule rule;
        struct err e;
        if (json_rule_parse(&rule, bad[i], &e) == 0)
            fail_msg("'%s' was taken", bad[i]);
        assert_null(rule.pointer);
    }
}

static void test_header_value(void **state)
{
    (void)state;
    struct buf b;
    char out[8];
    buf_init(&b, 4096);
    assert_int_equal(http_header_value(&b, "A", out, sizeof out), 0);
    buf_puts(
        &b, "X-Location: no\r\nlocation:  here \t\r\nLocation: second\r\nEmpty:\r\nLong: 12345678\n"
            "NoColon\r\n");
    assert_int_equal(http_header_value(&b, "Location", out, sizeof out), 1);
    assert_string_equal(out, "here");
    assert_int_equal(http_header_value(&b, "Empty", out, sizeof out), 1);
    assert_string_equal(out, "");
    assert_int_equal(http_header_value(&b, "Long", out, sizeof out), -1);
    assert_int_equal(http_header_value(&b, "NoColon", out, sizeof out), 0);
    assert_int_equal(http_header_value(&b, "Locatio", out, sizeof out), 0);
    buf_fini(&b);
}

static void test_header_pattern(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *line;
        bool found;
    } rows[] = {
        {"^X-Ready: *Y[e]s$", "x-ready: Yes", true},
        {"^X-Ready: *Y[e]s$", "X-READY:Yes", true},
        {"^X-Ready: *Yes$", "x-ready: yes", false},
        {"x-ready: 1", "My-X-Ready: 1", true},
        {"^x-ready: 1", "My-X-Ready: 1", false},
        {"^(X|Y)-Ready: 1", "x-ready: 1", false},
        {"^[Xx]-ready: 1", "X-ready: 1", true},
        {"no-store", "cache-control: No-Store", false},
        {"^a_b-1:", "A_B-1: x", true},
        {"^: x", ": x", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct err e;
        struct pattern *p = http_header_pattern(rows[i].pattern, &e);
        if (!p)
            fail_msg("%s: %s", rows[i].pattern, e.text);
        struct pattern_budget budget = {PATTERN_STEPS};
        const char *line = rows[i].line;
        if (pattern_find_once(p, line, strlen(line), true, &budget, &e).is !=
            (rows[i].found ? PATTERN_MATCH : PATTERN_NO_MATCH))
            fail_msg("%s in %s: expected %d", rows[i].pattern, line, rows[i].found);
        pattern_free(p);
    }
    struct err e;
    assert_null(http_header_pattern("^X-A: (", &e));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_list),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_json_is_quiet_with_secrets),
        cmocka_unit_test(test_json_rules_refused),
        cmocka_unit_test(test_header_value),
        cmocka_unit_test(test_header_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
