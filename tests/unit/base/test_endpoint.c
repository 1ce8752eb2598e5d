/* Endpoints: what is a place to connect to, and what is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/endpoint.h"
#include "base/str.h"

static void test_endpoints(void **state)
{
    (void)state;
    static const char *const good[] = {
        "localhost:80",     "127.0.0.1:1",       "[::1]:65535",    "a_b.c-d:8080",
        "unix:///a/b.sock", "[fe80::1%eth0]:80", "[fe80::1%3]:80", "[fe80::1%25eth0]:80",
        "[::1%lo]:80",      "UNIX:///a/b.sock",  "0xg.0:80",       "1.2a:80"};
    static const char *const bad[] = {"",
                                      "host",
                                      "host:",
                                      "host:0",
                                      ":80",
                                      "host:65536",
                                      "::1:80",
                                      "[::1]80",
                                      "[::1",
                                      "a b:80",
                                      "unix://rel",
                                      "1.2.3.400:80",
                                      "0x7f.0.0.1:80",
                                      "0X7f000001:80",
                                      "http://host:80",
                                      "[fe80::1]:80",
                                      "a..b:80",
                                      "host:8o",
                                      "[host]:80",
                                      "host:-1",
                                      "[fe80::1%]:80",
                                      "[::1%]:80",
                                      "[::1%a/b]:80",
                                      "[::1%an-interface-too-long]:80"};
    struct endpoint ep;
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        if (endpoint_parse(&ep, good[i], 0, &e) < 0)
            fail_msg("%s: %s", good[i], e.text);
        endpoint_fini(&ep);
    }
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        if (endpoint_parse(&ep, bad[i], 0, &e) == 0)
            fail_msg("\"%s\" was taken", bad[i]);
    assert_int_equal(endpoint_parse(&ep, "host:tcp://10.0.0.1:80", 0, &e), -1);
    assert_non_null(strstr(e.text, "NAME_SERVICE_PORT"));
    assert_int_equal(endpoint_parse(&ep, "host", 27017, &e), 0);
    assert_int_equal(ep.port, 27017);
    endpoint_fini(&ep);
}

/* What may be a password is not said again. */
static void test_user_info(void **state)
{
    (void)state;
    static const char *const texts[] = {":s3cret@h:1", "u:s3cret@[::1]:1", "s3cret@h:1", "s3cret@",
                                        "h:1@s3cret"};
    struct endpoint ep;
    struct err e;
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        assert_int_equal(endpoint_parse(&ep, texts[i], 6379, &e), -1);
        assert_non_null(strchr(e.text, '@'));
        assert_null(strstr(e.text, "s3cret"));
    }
}

static void test_listen(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host; /* NULL: refused */
    } cases[] = {
        {":9797", "*"},
        {"*:9797", "*"},
        {"localhost:9797", "127.0.0.1"},
        {"LOCALHOST:9797", "127.0.0.1"},
        {"127.0.0.1:9797", "127.0.0.1"},
        {"0.0.0.0:9797", "0.0.0.0"},
        {"[::]:9797", "::"},
        {"[::1]:9797", "::1"},
        {"[fe80::1%lo]:9797", "fe80::1%lo"},
        {"9797", NULL},
        {"", NULL},
        {":", NULL},
        {":0", NULL},
        {"127.0.0.1:0", NULL},
        {"127.0.0.1", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:http", NULL},
        {"example.com:9797", NULL},
        {"127.0.0.300:9797", NULL},
        {"::1:9797", NULL},
        {"[::1]", NULL},
        {"[fe80::1]:9797", NULL},
        {"[localhost]:9797", NULL},
        {"[::ffff:127.0.0.1]:9797", NULL},
        {"tcp://127.0.0.1:9797", NULL},
        {"unix:///a", NULL},
    };
    struct endpoint ep;
    struct err e = {0};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int rc = endpoint_parse_listen(&ep, cases[i].text, &e);
        if ((rc == 0) != (cases[i].host != NULL))
            fail_msg("\"%s\": %s", cases[i].text, rc ? e.text : "was taken");
        if (rc)
            continue;
        assert_string_equal(ep.host, cases[i].host);
        assert_int_equal(ep.port, 9797);
        endpoint_fini(&ep);
    }
}

static void test_addresses(void **state)
{
    (void)state;
    struct endpoint ep;
    struct sockaddr_in6 a;
    static const struct {
        const char *text;
        int family; /* 0: a name */
        uint32_t scope;
    } cases[] = {
        {"127.0.0.1:80", AF_INET, 0},
        {"[::1]:80", AF_INET6, 0},
        {"localhost:80", 0, 0},
        {"[fe80::1%lo]:80", AF_INET6, 1},
        {"[fe80::1%1]:80", AF_INET6, 1},
        {"[fe80::1%25lo]:80", AF_INET6, 1},
        {"[fe80::1%no-such-if]:80", AF_INET6, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(endpoint_parse(&ep, cases[i].text, 0, NULL), 0);
        assert_int_equal(endpoint_address(&ep, &a), cases[i].family != 0);
        if (cases[i].family) {
            assert_int_equal(a.sin6_family, cases[i].family);
            assert_int_equal(a.sin6_port, htons(80));
        }
        if (cases[i].family == AF_INET6)
            assert_int_equal(a.sin6_scope_id, cases[i].scope);
        endpoint_fini(&ep);
    }
}

static void test_loopback(void **state)
{
    static const struct {
        const char *text;
        bool loopback;
    } rows[] = {
        {"127.0.0.1:1", true}, {"localhost:1", true},      {"127.9.9.9:1", true},
        {"[::1]:1", true},     {"0.0.0.0:1", false},       {":1", false},
        {"*:1", false},        {"[::]:1", false},          {"128.0.0.1:1", false},
        {"10.0.0.7:1", false}, {"[2001:db8::1]:1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct endpoint ep;
        struct err e;
        assert_int_equal(endpoint_parse_listen(&ep, rows[i].text, &e), 0);
        assert_int_equal(endpoint_is_loopback(&ep), rows[i].loopback);
        endpoint_fini(&ep);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_endpoints), cmocka_unit_test(test_user_info),
        cmocka_unit_test(test_listen), cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_loopback)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
