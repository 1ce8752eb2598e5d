/* What a password becomes for MySQL's two kinds of logins; the digests are another program's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

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

/* A key of the openssl command's, with what makes it none. */
static const char key[] = "-----BEGIN PUBLIC KEY-----\n"
                          "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDaT5oVeFWYnazBNEP0K6fYIeXS\n"
                          "Xg2mHaEpV+CD4O7LOEuaqVTXECDEBR+7LYyw6Zdi+Qm+Vil/x+HUbRgycSRqS/zK\n"
                          "ZwG9Y61bYrsC/wzY1ujAkdosdRjIYbM2Q4amu8ED1Bvh/0Z1kqRz9/aEErg2gCg+\n"
                          "UjCHU1J20Ms4MmzAiQIDAQAB\n"
                          "-----END PUBLIC KEY-----\n";

static void test_encrypt(void **state)
{
    static const char *const none[] = {"", "-----BEGIN PUBLIC KEY-----\n", "x"};
    struct buf a, b;
    (void)state;
    buf_init(&a, MYSQL_KEY_MAX);
    buf_init(&b, MYSQL_KEY_MAX);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(mysql_login_encrypt(none[i], strlen(none[i]), "pencil", nonce, &a), -1);
    assert_int_equal(mysql_login_encrypt(key, strlen(key), "pencil", nonce, &a), 0);
    assert_int_equal(mysql_login_encrypt(key, strlen(key), "pencil", nonce, &b), 0);
    assert_int_equal(a.len, 128);
    assert_memory_not_equal(a.data, b.data, 128); /* padded at random */
    char password[200];
    memset(password, 'x', sizeof password - 1);
    password[sizeof password - 1] = '\0';
    buf_reset(&a); /* more than the key can seal */
    assert_int_equal(mysql_login_encrypt(key, strlen(key), password, nonce, &a), -1);
    assert_int_equal(a.len, 0);
    buf_fini(&a);
    buf_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_digests), cmocka_unit_test(test_clear),
                                       cmocka_unit_test(test_encrypt)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
