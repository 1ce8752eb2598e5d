/* What is said of a check never holds its secrets, in whatever form a server sends them back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/mask.h"
#include "config/redact.h"

enum { USER, PASSWORD, HEADER, SEND, URI, N };

static const struct probe_key keys[N] = {
    {.name = "user", .kind = KEY_TEXT},
    {.name = "password", .kind = KEY_TEXT, .flags = KEY_SECRET},
    {.name = "header", .kind = KEY_LINES, .flags = KEY_SECRET},
    {.name = "send", .kind = KEY_TEXT, .flags = KEY_SECRET},
    {.name = "uri", .kind = KEY_TEXT, .flags = KEY_MAY_HIDE},
};

static struct mask mask;

static int open_mask(void **state)
{
    (void)state;
    static char accept[] = "Accept: application/json", token[] = "X-Api: t0ken-of-mine";
    static char *headers[] = {accept, token};
    const struct probe_value values[N] = {
        [USER] = {.text = "app"},
        [PASSWORD] = {.text = "hunter2 s/cr+t\xc3\xa4"},
        [HEADER] = {.lines = headers, .n_lines = 2},
        [SEND] = {.text =
                      "AUTH default opensesame\\r\\n\\x00\\0many bytes\\x00with\\x00zeros\\r\\n"},
        [URI] = {.text = "mongodb://me:p%40ssw0rd@db/?authSource=admin&jwt=eyJhbGciOi"},
    };
    return mask_init(&mask, keys, values, N);
}

static int close_mask(void **state)
{
    (void)state;
    mask_fini(&mask);
    return 0;
}

static void expect(const char *text, const char *shown)
{
    char *got = mask_apply(&mask, strdup(text));
    assert_string_equal(got, shown);
    free(got);
}

static void in_every_form(void **state)
{
    (void)state;
    expect("got \"hunter2 s/cr+t\xc3\xa4\"", "got \"***\"");
    expect("/?p=hunter2%20s%2Fcr%2bt%C3%A4&x", "/?p=***&x");
    expect("/?p=hunter2+s/cr%2Bt%c3%a4", "/?p=***");
    expect("hunter2 s\\/cr+t\\xc3\\xa4", "***");
    expect("X-Api: t0ken-of-mine", "***");
    expect("you sent t0ken-of-mine!", "you sent ***!");
    expect("-ERR unknown 'AUTX' 'default' 'opensesame'", "-ERR unknown 'AUTX' '***' '***'");
    expect("cannot log in as me:p@ssw0rd", "cannot log in as me:***");
    expect("p%40ssw0rd, eyJhbGciOi", "***, ***");
    expect("\"hunter2 s\\/cr\\u002bt\\u00E4\"", "\"***\"");
    expect("hunter2&#32;s/cr&#x2b;t\xc3\xa4&amp;", "***&amp;");
    expect("key 7040737377307264, 7040737377", "key ***, 7040737377");
    expect("68756E7465723220732F6372", "***");
}

/* Alone, and with a user of any length before it. */
static void in_base64(void **state)
{
    (void)state;
    static const char *const users[] = {"", "a:", "ab:", "app:", "whoever:"};
    for (size_t i = 0; i < ARRAY_LEN(users); i++) {
        char *plain = str_format("%sp@ssw0rd", users[i]), *coded = str_base64(plain);
        char *shown = mask_apply(&mask, str_format("Basic %s.", coded));
        assert_non_null(strstr(shown, "***"));
        assert_true(strlen(shown) <= strlen("Basic ***.") + 4 + 4 * (strlen(users[i]) + 2) / 3);
        free(plain);
        free(coded);
        free(shown);
    }
}

static void cut_off(void **state)
{
    (void)state;
    expect("reply \"opensesa\"", "reply \"***\"");
    expect("reply opense...", "reply ***...");
    expect("reply hunter2 s", "reply ***");
    expect("reply hunter2 s/ from x", "reply *** from x");
    expect("reply hunter from x", "reply hunter from x");
    expect("the header X-Api: is missing", "the header X-Api: is missing");
}

static void nothing_else(void **state)
{
    (void)state;
    static const char *const texts[] = {"connect to 127.0.0.1:80: connection refused",
                                        "+PONG",
                                        "application/json",
                                        "admin",
                                        "HTTP 200 from 127.0.0.1:80",
                                        "AUTH failed, user app",
                                        ""};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        expect(texts[i], texts[i]);
}

static void urls(void **state)
{
    (void)state;
    static const char *const both[][2] = {
        {"user:hunter2@db:27017", "***@db:27017"},
        {"mongodb:/user:hunter2@db/", "mongodb:/***@db/"},
        {"mongodb//user:hunter2@db/", "mongodb//***@db/"},
        {"http:///user:hunter2@db/", "http://***@db/"},
        {"http://user:hunter2@db/x", "http://***@db/x"},
        {"http://h/?auth=a1&pwd=a2&jwt=a3&session=a4&code=a5&x_key=a6&sig=a7&page=8#f",
         "http://h/?auth=***&pwd=***&jwt=***&session=***&code=***&x_key=***&sig=***&page=8#f"},
        {"postgres://h/?target_session_attrs=read-only&sslpassword=x",
         "postgres://h/?target_session_attrs=read-only&sslpassword=***"},
        {"mysql://h/?get-server-public-key=true", "mysql://h/?get-server-public-key=true"},
        {"mongodb://h/?authSource=admin&authMechanism=PLAIN&tlsCAFile=/x",
         "mongodb://h/?authSource=admin&authMechanism=PLAIN&tlsCAFile=/x"},
        {"/run/probe/probe.sock", "/run/probe/probe.sock"},
        {"pidfile:/run/user@1000/app.pid", "pidfile:/run/user@1000/app.pid"},
    };
    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        char *shown = redact_url(both[i][0]);
        assert_string_equal(shown, both[i][1]);
        free(shown);
    }
}

/* A secret may have a zero byte in it: no text goes on behind its own. */
static void zero_byte(void **state)
{
    (void)state;
    static const char sent[] = "sent abcd\0efgh, and more", escaped[] = "abcd\\\0efgh";
    static const struct probe_key uri = {.name = "uri", .kind = KEY_TEXT, .flags = KEY_MAY_HIDE};
    const struct probe_value value = {.text = "http://h/?token=abcd%00efgh"};
    struct mask m;
    assert_int_equal(mask_init(&m, &uri, &value, 1), 0);
    char *shown = mask_apply(&m, str_dup_n(sent, sizeof sent - 1));
    assert_string_equal(shown, "sent ***");
    free(shown);
    shown = mask_apply(&m, str_dup_n(escaped, sizeof escaped - 1));
    assert_string_equal(shown, "abcd\\");
    free(shown);
    shown = mask_apply(&m, strdup("abcd%00efgh, abcd\\u0000efgh, abcd\\x00efgh"));
    assert_string_equal(shown, "***, ***, ***");
    free(shown);
    mask_fini(&m);
}

/* Words about a URL with a slip in it quote the part that is none. */
static void in_words_about_a_url(void **state)
{
    (void)state;
    static const struct {
        const char *url, *words, *shown;
    } rows[] = {
        {"redis://u:hunter2?x@h/", "\"hunter2\" is not a port", "\"***\" is not a port"},
        {"grpc://u:hunter2/x@h", "\"hunter2\" is not a port", "\"***\" is not a port"},
        {"dns://h/?password=hunter2", "not \"?password=hunter2\"", "not \"?password=***\""},
        {"tcp://h:1/?token=hunter2", "\"1/?token=hunter2\" is", "\"1/?token=***\" is"},
        {"redis://h:xyzzy", "\"xyzzy\" is not a port", "\"xyzzy\" is not a port"},
        {"", "as it is", "as it is"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *got = mask_apply_url(rows[i].url, strdup(rows[i].words));
        assert_string_equal(got, rows[i].shown);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_every_form), cmocka_unit_test(in_base64),
        cmocka_unit_test(cut_off),       cmocka_unit_test(nothing_else),
        cmocka_unit_test(urls),          cmocka_unit_test(in_words_about_a_url),
        cmocka_unit_test(zero_byte),
    };
    return cmocka_run_group_tests(tests, open_mask, close_mask);
}
