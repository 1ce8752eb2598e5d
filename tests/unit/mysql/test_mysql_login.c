/* What a password becomes for MySQL's two kinds of logins; the digests are another program's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "mysql/mysql_login.h"

static const unsigned char nonce[20] = "12345678abcdefghijkl";

static void expect(const char *plugin, const char *want)
{
    unsigned char out[MYSQL_DIGEST_MAX];
    char hex[2 * MYSQL_DIGEST_MAX + 1] = "";
    int n = mysql_login_digest(plugin, "pencil", nonce, out);
    for (int i = 0; i < n; i++)
        snprintf(hex + 2 * i, 3, "%02x", out[i]);
    assert_string_equal(hex, want);
}

static void test_digests(void **state)
{
    unsigned char out[MYSQL_DIGEST_MAX];
    (void)state;
    expect(MYSQL_NATIVE, "0a8fab3e9dffd46e66a2111f424a5f0209d0ad62");
    expect(MYSQL_CACHING, "5c28cac60898ae0ca7afad0e362408b0eedf8a0eb300f2d2272f91ec99eca038");
    assert_int_equal(mysql_login_digest(MYSQL_NATIVE, "", nonce, out), 0);
    assert_int_equal(mysql_login_digest(MYSQL_CACHING, "", nonce, out), 0);
    assert_int_equal(mysql_login_digest("client_ed25519", "pencil", nonce, out), -1);
    assert_int_equal(mysql_login_digest(MYSQL_CLEAR, "pencil", nonce, out), -1);
}

static void test_clear(void **state)
{
    (void)state;
    assert_true(mysql_login_is_clear(MYSQL_CLEAR));
    assert_true(mysql_login_is_clear(MYSQL_SHA256));
    assert_false(mysql_login_is_clear(MYSQL_NATIVE));
    assert_false(mysql_login_is_clear(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests),
                                       cmocka_unit_test(test_clear)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
