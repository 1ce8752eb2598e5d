/* URLs of the http type: taken apart, resolved, compared and shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "net/http_url.h"

static void test_parts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *host, *authority, *path, *text_out, *shown;
        unsigned port;
        bool tls;
    } rows[] = {
        {"http://a", "a", "a", "/", "http://a/", "http://a/", 80, false},
        {"HTTPS://a", "a", "a", "/", "https://a/", "https://a/", 443, true},
        {"http://a:80/", "a", "a", "/", "http://a/", "http://a/", 80, false},
        {"http://a:443/x", "a", "a:443", "/x", "http://a:443/x", "http://a:443/x", 443, false},
        {"http://a/x?t=secret#f", "a", "a", "/x?t=secret", "http://a/x?t=secret", "http://a/x?...",
         80, false},
        {"http://a?q", "a", "a", "/?q", "http://a/?q", "http://a/?...", 80, false},
        {"http://[::1]:8080/", "::1", "[::1]:8080", "/", "http://[::1]:8080/", "http://[::1]:8080/",
         8080, false},
        {"http://[fe80::1%25lo]/", "fe80::1%lo", "[fe80::1]", "/", "http://[fe80::1]/",
         "http://[fe80::1]/", 80, false},
        {"http://u:p%40w@a/", "a", "a", "/", "http://a/", "http://a/", 80, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_url u;
        struct err e;
        if (http_url_parse(&u, rows[i].text, &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.text);
        assert_string_equal(u.host, rows[i].host);
        assert_string_equal(u.authority, rows[i].authority);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(u.text, rows[i].text_out);
        assert_string_equal(u.shown, rows[i].shown);
        assert_int_equal(u.port, rows[i].port);
        assert_int_equal(u.tls, rows[i].tls);
        assert_null(u.socket_path);
        http_url_fini(&u);
    }
}

static void test_credentials(void **state)
{
    (void)state;
    struct http_url u;
    struct err e;
    assert_int_equal(http_url_parse(&u, "http://u:p%40w@a/", &e), 0);
    assert_string_equal(u.user, "u");
    assert_string_equal(u.password, "p@w");
    http_url_fini(&u);
    assert_int_equal(http_url_parse(&u, "http://u@a/", &e), 0);
    assert_string_equal(u.user, "u");
    assert_null(u.password);
    http_url_fini(&u);
}

static void test_unix(void **state)
{
    (void)state;
    static const struct {
        const char *text, *socket, *path, *shown;
    } rows[] = {
        {"http+unix:///run/a.sock:/v1?x", "/run/a.sock", "/v1?x", "http+unix:///run/a.sock:/v1"},
        {"http+unix:///run/a.sock", "/run/a.sock", "/", "http+unix:///run/a.sock:/"},
        {"http+unix:///run/a:b:/c:/d", "/run/a:b", "/c:/d", "http+unix:///run/a:b:/c:/d"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_url u;
        struct err e;
        if (http_url_parse(&u, rows[i].text, &e) < 0)
            fail_msg("%s: %s", rows[i].text, e.text);
        assert_string_equal(u.socket_path, rows[i].socket);
        assert_string_equal(u.path, rows[i].path);
        assert_string_equal(u.shown, rows[i].shown);
        assert_string_equal(u.authority, "localhost");
        http_url_fini(&u);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"", "must begin with"},
        {"a/b", "must begin with"},
        {"ftp://a/", "must begin with"},
        {"http://a:tcp://10.0.0.1:80/x", "NAME_SERVICE_PORT"},
        {"http://tcp://10.0.0.1:80/x", "NAME_SERVICE_PORT"},
        {"http:/a/", "must begin with"},
        {"http://", "no host"},
        {"http:///x", "no host"},
        {"http://a:0/", "port"},
        {"http://a:65536/", "port"},
        {"http://a:b/", "port"},
        {"http://a /", "blank"},
        {"http://a/x y", "blank"},
        {"http://a/\r\nX: y", "control byte"},
        {"http://\xc3\xa9/", "xn--"},
        {"http://u:secret@/", ""},
        {"http://[::1/", ""},
        {"http+unix://run/a.sock:/", "absolute"},
        {"http+unix://", "absolute"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_url u;
        struct err e;
        if (http_url_parse(&u, rows[i].text, &e) == 0)
            fail_msg("'%s' was taken", rows[i].text);
        if (!strstr(e.text, rows[i].words) || strstr(e.text, "secret"))
            fail_msg("'%s': %s", rows[i].text, e.text);
        assert_null(u.host);
    }
    char path[256];
    snprintf(path, sizeof path, "http+unix:///%0120d:/", 0);
    struct http_url u;
    struct err e;
    assert_int_equal(http_url_parse(&u, path, &e), -1);
    assert_non_null(strstr(e.text, "over 107 bytes"));
}

static void test_resolve(void **state)
{
    (void)state;
    static const struct {
        const char *base, *location, *text;
        bool same;
    } rows[] = {
        {"http://a/x/y", "z", "http://a/x/z", true},
        {"http://a/x/y", "/z?q#f", "http://a/z?q", true},
        {"http://a/x/y", "../../../z", "http://a/z", true},
        {"http://a/x", "//b/z", "http://b/z", false},
        {"http://a/x/y?z", "#f", "http://a/x/y?z", true},
        {"http://a/x/y?z", "?q#f", "http://a/x/y?q", true},
        {"http://a/x/y?z", ".", "http://a/x/", true},
        {"http://a/x/y?z", "..", "http://a/", true},
        {"http://a/x/y?z", "./g;x=1/../w", "http://a/x/w", true},
        {"http://a/x/y?z", "g?y/./x", "http://a/x/g?y/./x", true},
        {"http://a", "#", "http://a/", true},
        {"http://a/x", "HTTP://A:80/", "http://A/", true},
        {"http://a/x", "https://a/x", "https://a/x", false},
        {"http://a/x", "http://a:81/x", "http://a:81/x", false},
        {"http://a/x", "http://u:p@b/", "http://b/", false},
        {"http://a/x", "/with blank", "http://a/with%20blank", true},
        {"http+unix:///s:/x", "/y", "http://localhost/y", true},
        {"http+unix:///s:/x", "http://localhost/y", "http://localhost/y", true},
        {"http+unix:///s:/x", "http://a/y", "http://a/y", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct http_url base, u;
        struct err e;
        assert_int_equal(http_url_parse(&base, rows[i].base, &e), 0);
        if (http_url_resolve(&u, &base, rows[i].location, &e) < 0)
            fail_msg("%s: %s", rows[i].location, e.text);
        assert_string_equal(u.text, rows[i].text);
        assert_int_equal(http_url_same_origin(&u, &base), rows[i].same);
        assert_null(u.user);
        http_url_fini(&u);
        http_url_fini(&base);
    }
    static const char *const bad[] = {"ftp://a/", "file:///etc/passwd", "mailto:x",
                                      "http://a:99999/"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct http_url base, u;
        struct err e;
        assert_int_equal(http_url_parse(&base, "http://a/", &e), 0);
        if (http_url_resolve(&u, &base, bad[i], &e) == 0 && !str_starts(u.text, "http://a/"))
            fail_msg("%s became %s", bad[i], u.text);
        http_url_fini(&u);
        http_url_fini(&base);
    }
}

static void test_long_is_cut(void **state)
{
    (void)state;
    struct http_url u;
    struct err e;
    char text[1000];
    snprintf(text, sizeof text, "http://a/%0500d", 0);
    assert_int_equal(http_url_parse(&u, text, &e), 0);
    assert_int_equal(strlen(u.shown), HTTP_URL_SHOWN_MAX + 3);
    assert_string_equal(u.shown + HTTP_URL_SHOWN_MAX, "...");
    assert_string_equal(u.text, text);
    http_url_fini(&u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),   cmocka_unit_test(test_credentials),
        cmocka_unit_test(test_unix),    cmocka_unit_test(test_refused),
        cmocka_unit_test(test_resolve), cmocka_unit_test(test_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
