/* The http type's settings: what is refused or warned of, each with its words; what is compiled of
 * the rest; and that no word repeats a secret. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "http/http_conf.h"
#include "http_settings.h"

#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *keys[7], *words;
    } rows[] = {
        {{"url", "ftp://a/"}, "url: it must begin with http://, https:// or http+unix://"},
        {{"url", "http://u:hush-hush@/"}, "url: "},
        {{"url", "http://a_b.c/..%zz\x01"}, "url: there is a blank or a control byte"},
        {{"url", "http://a/", "method", "GE T"}, "method: it is not an HTTP method"},
        {{"url", "http://a/", "method", ""}, "method: it is not an HTTP method"},
        {{"url", "http://a/", "method", "get"}, "method: methods are written in upper case"},
        {{"url", "http://a/", "method", "CONNECT"}, "method: CONNECT"},
        {{"url", "http://a/", "method", "HEAD", "body", "x"}, "body: a HEAD request has no body"},
        {{"url", "http://a/", "method", "HEAD", "expect_body", "x"}, "method: the reply to HEAD"},
        {{"url", "http://a/", "header", "no colon"}, "header: a line is not of the form"},
        {{"url", "http://a/", "header", "A: b\rC: d"}, "header: a line is not of the form"},
        {{"url", "http://a/", "header", "A B: hush-hush"}, "header: a line is not of the form"},
        {{"url", "http://a/", "header", "Content-length: 3"}, "header: Content-Length"},
        {{"url", "http://a/", "header", "authorization: hush-hush", "user", "u"},
         "header: Authorization is also set"},
        {{"url", "http://a/", "expect_status", "20"}, "expect_status: '20' is not a status"},
        {{"url", "http://a/", "expect_body", "("}, "expect_body: ( without )"},
        {{"url", "http://a/", "reject_body", "*("}, "reject_body: "},
        {{"url", "http://a/", "expect_header", "[z"}, "expect_header: "},
        {{"url", "http://a/", "expect_json", "a = 1"}, "expect_json: 'a' is not a JSON pointer"},
        {{"url", "http://a/", "password", "hush-hush"},
         "password: there is a password but no user"},
        {{"url", "http://a/", "user", "a:b"}, "user: a user name for Basic"},
        {{"url", "http://u:hush-hush@a/", "user", "u"}, "user: the url holds credentials too"},
        {{"url", "http://a/", "user", "u", "bearer_token", "hush-hush"},
         "bearer_token: user is given too"},
        {{"url", "http://a/", "bearer_token", "hush hush"}, "bearer_token: the token is empty or"},
        {{"url", "http://a/", "bearer_token", "hush\nX: y"},
         "bearer_token: there is a control byte"},
        {{"url", "http://a/", "bearer_token", "hush\n"}, "bearer_token: ends in a line end"},
        {{"url", "http://a/", "user", "u", "password", "hush\n"}, "password: ends in a line end"},
        {{"url", "http://a/", "bearer_token", ""}, "bearer_token: the token is empty or"},
        {{"url", "http://a/", "connect_to", "x:0"}, "connect_to: "},
        {{"url", "http+unix:///a.sock:/", "connect_to", "x:1"},
         "connect_to: the url names a socket"},
        {{"url", "https://a/", "tls_server_name", "a/b"}, "tls_server_name: \""},
        {{"url", "https://a/", "tls_server_name", "a:b/c@d"}, "tls_server_name: it is not"},
        {{"url", "https://a/", "tls_server_name", "u@b"}, "tls_server_name: an address has no '@'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe_report report;
        char *target;
        if (make_conf(rows[i].keys, &report, &target))
            fail_msg("row %zu was taken", i);
        if (!strstr(report.text, rows[i].words))
            fail_msg("row %zu: expected '%s', got '%s'", i, rows[i].words, report.text);
        if (strstr(report.text, "hush"))
            fail_msg("row %zu tells a secret: '%s'", i, report.text);
        assert_null(target);
    }
}

/* All that is wrong is said in one go. */
static void test_all_errors_at_once(void **state)
{
    (void)state;
    struct probe_report report;
    char *target;
    assert_null(make_conf(KEYS("url", "x", "method", "a b", "header", "x\ny", "expect_status", "",
                               "expect_body", "(", "expect_json", "x\ny"),
                          &report, &target));
    assert_int_equal(report.errors, 8);
}

static char *target_of(const char *const *keys, int *warnings)
{
    struct probe_report report;
    char *target;
    void *conf = make_conf(keys, &report, &target);
    if (!conf)
        fail_msg("refused: %s", report.text);
    probe_type_http.dispose(conf);
    if (warnings)
        *warnings = report.warnings;
    return target;
}

static void test_target_and_warning(void **state)
{
    (void)state;
    static const struct {
        const char *keys[5], *target;
        int warnings;
    } rows[] = {
        {{"url", "http://u:hush-hush@a/x?token=hush-hush"}, "http://a/x?...", 1},
        {{"url", "https://u:hush-hush@a/"}, "https://a/", 0},
        {{"url", "http://u:hush-hush@127.0.0.1/"}, "http://127.0.0.1/", 0},
        {{"url", "http://a/", "method", "POST"}, "POST http://a/", 0},
        {{"url", "http://a/", "bearer_token", "hush-hush"}, "http://a/", 1},
        {{"url", "http+unix:///run/a.sock:/x"}, "http+unix:///run/a.sock:/x", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        int warnings;
        char *target = target_of(rows[i].keys, &warnings);
        assert_string_equal(target, rows[i].target);
        assert_int_equal(warnings, rows[i].warnings);
        free(target);
    }
}

/* With that value, and to other hosts or not. */
static void sends(const struct http_conf *c, const char *name, const char *value, bool is_safe)
{
    for (size_t i = 0; i < c->n_headers; i++)
        if (strcmp(c->headers[i].name, name) == 0) {
            assert_string_equal(c->headers[i].value, value);
            assert_int_equal(c->headers[i].is_safe, is_safe);
            return;
        }
    fail_msg("no header %s", name);
}

static void test_compiled(void **state)
{
    (void)state;
    struct probe_report report;
    char *target;
    struct http_conf *c = make_conf(KEYS("url", "https://app.invalid/x", "header",
                                         "Accept: a/b\nX-Key: k\nEmpty:", "bearer_token",
                                         "hush-hush", "tls_server_name", "inner.invalid", "family",
                                         "4", "connect_to", "127.0.0.1:81", "max_body", "64KiB"),
                                    &report, &target);
    assert_non_null(c);
    assert_string_equal(c->ep.host, "127.0.0.1");
    assert_int_equal(c->ep.port, 81);
    assert_int_equal(c->ep.family, 4);
    assert_int_equal(c->max_body, 65536);
    assert_null(http_conf_header(c, "Host"));
    sends(c, "X-Key", "k", false);
    sends(c, "Empty", "", false);
    sends(c, "Authorization", "Bearer hush-hush", false);
    sends(c, "Accept", "a/b", true);
    sends(c, "Connection", "close", true);
    probe_type_http.dispose(c);
    free(target);
}

/* It is the family of what is dialled. */
static void test_family_by_a_proxy(void **state)
{
    (void)state;
    struct probe_report report;
    char *target;
    free(target_of(KEYS("url", "http://[::1]/", "proxy", "http://127.0.0.1:1", "family", "4"),
                   NULL));
    assert_null(make_conf(KEYS("url", "http://a/", "proxy", "http://127.0.0.1:1", "family", "6"),
                          &report, &target));
    assert_non_null(strstr(report.text, "is 6, but 127.0.0.1 is an IPv4 address"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_all_errors_at_once),
        cmocka_unit_test(test_target_and_warning),
        cmocka_unit_test(test_compiled),
        cmocka_unit_test(test_family_by_a_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
