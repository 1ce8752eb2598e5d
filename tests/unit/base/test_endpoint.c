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
    static const char *const good[] = {"localhost:80", "127.0.0.1:1",      "[::1]:65535",
                                       "a_b.c-d:8080", "unix:///a/b.sock", "[fe80::1%eth0]:80"};
    static const char *const bad[] = {
        "",        "host",      "host:",  "host:0",     ":80",          "host:65536",   "::1:80",
        "[::1]80", "[::1",      "a b:80", "unix://rel", "1.2.3.400:80", "[fe80::1]:80", "a..b:80",
        "host:8o", "[host]:80", "host:-1"};
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_endpoints),
                                       cmocka_unit_test(test_user_info)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
