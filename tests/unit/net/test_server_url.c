/* The URL of a server, part by part, and what is refused of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/server_url.h"

static void same(const char *got, const char *want)
{
    if (!want)
        assert_null(got);
    else
        assert_string_equal(got, want);
}

static void test_parts(void **state)
{
    static const struct {
        const char *text, *user, *password, *host, *path, *query;
    } cases[] = {
        {"h", NULL, NULL, "h", NULL, NULL},
        {"h:1/", NULL, NULL, "h:1", NULL, NULL},
        {"u@h/db", "u", NULL, "h", "db", NULL},
        {"u:p@[::1]:1/a%20b?x=y", "u", "p", "[::1]:1", "a b", "x=y"},
        {":p%40%3A%2f@h?x", "", "p@:/", "h", NULL, "x"},
        {"u:@h", "u", "", "h", NULL, NULL},
        {"a@b:c@h", "a@b", "c", "h", NULL, NULL},
        {"%2Frun%2Fs/db", NULL, NULL, "%2Frun%2Fs", "db", NULL},
        {"/path/x", NULL, NULL, "", "path/x", NULL},
        {"?host=/x", NULL, NULL, "", NULL, "host=/x"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server_url u;
        struct err e;
        if (server_url_parse(&u, cases[i].text, &e) < 0)
            fail_msg("%s: %s", cases[i].text, e.text);
        same(u.user, cases[i].user);
        same(u.password, cases[i].password);
        same(u.host, cases[i].host);
        same(u.path, cases[i].path);
        same(u.query, cases[i].query);
        server_url_fini(&u);
    }
}

static void test_refused(void **state)
{
    static const char *const cases[] = {
        "u:secret%@h",   "u:secret%4@h", "u:secret%zz@h",
        "u:secret%00@h", "u:secret/x@h", "u:secret#x@h",
        "h/%",           "h#secret",     "secret:tcp://10.0.0.1:6379"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server_url u;
        struct err e;
        assert_int_equal(server_url_parse(&u, cases[i], &e), -1);
        assert_null(strstr(e.text, "secret"));
        assert_null(u.host);
    }
}

static void test_options(void **state)
{
    const char *at = "&a=1&&b%3d=%2F&c=&";
    static const char *const want[] = {"a", "1", "b=", "/", "c", ""};
    char *name, *value;
    struct err e;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(want); i += 2) {
        assert_int_equal(server_url_option(&at, &name, &value, &e), 0);
        assert_string_equal(name, want[i]);
        assert_string_equal(value, want[i + 1]);
        free(name);
        free(value);
    }
    assert_int_equal(server_url_option(&at, &name, &value, &e), 1);
    static const char *const bad[] = {"a", "=b", "a=%", "%=b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        at = bad[i];
        assert_int_equal(server_url_option(&at, &name, &value, &e), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
