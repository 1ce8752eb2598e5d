/* From text to value: expansion, secret files, each kind of key, and what may be shown of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/expand.h"
#include "config/redact.h"
#include "config/secret.h"
#include "config/value.h"

static void test_expand(void **state)
{
    (void)state;
    setenv("EX_A", "alpha", 1);
    setenv("EX_D", "a$${EX_A}", 1);
    setenv("EX_EMPTY", "", 1);
    unsetenv("EX_NONE");
    static const struct {
        const char *in, *out;
    } good[] = {
        {"", ""},
        {"plain", "plain"},
        {"${EX_A}", "alpha"},
        {"<${EX_A}${EX_A}>", "<alphaalpha>"},
        {"${EX_EMPTY}x", "x"},
        {"${EX_NONE:-def}", "def"},
        {"${EX_EMPTY:-def}", "def"},
        {"${EX_A:-def}", "alpha"},
        {"${EX_NONE:-}", ""},
        {"${EX_NONE:-mongodb://h:1/?a=b}", "mongodb://h:1/?a=b"},
        {"${EX_NONE:-<${EX_A}>}", "<alpha>"},
        {"${EX_NONE:-${EX_EMPTY:-${EX_A}}}", "alpha"},
        {"${EX_A:?needed}", "alpha"},
        {"$$", "$"},
        {"$${EX_A}", "${EX_A}"},
        {"$$$$", "$$"},
        {"a$", "a$"},
        {"^ok$|$x", "^ok$|$x"},
        {"$EX_A", "$EX_A"},
        {"${EX_D}", "a$${EX_A}"}, /* what comes from the environment is not expanded again */
        {"}{", "}{"},
    };
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        struct err e = {.text = ""};
        char *out;
        if (expand(good[i].in, &out, &e) < 0)
            fail_msg("%s: %s", good[i].in, e.text);
        assert_string_equal(out, good[i].out);
        free(out);
    }
}

static void test_expand_errors(void **state)
{
    (void)state;
    static const struct {
        const char *in, *words;
    } bad[] = {
        {"x${EX_NONE}", "${EX_NONE} is not set, expected it in the environment, or "
                        "${EX_NONE:-default}, or ${EX_NONE:-} for nothing"},
        {"${EX_NONE:-${EX_UNSET}}", "${EX_UNSET} is not set, expected it in the environment, or "
                                    "${EX_UNSET:-default}, or ${EX_UNSET:-} for nothing"},
        {"${EX_NONE:?set it, please}", "${EX_NONE} must be set: set it, please"},
        {"${EX_EMPTY:?}", "${EX_EMPTY} must be set"},
        {"${EX_A", "${ without its }; a plain $ is $$"},
        {"a${", "${ without its }; a plain $ is $$"},
        {"${}", "${ without a variable's name, expected ${VAR}; a plain $ is $$"},
        {"${1A}", "${ without a variable's name, expected ${VAR}; a plain $ is $$"},
        {"${EX_A-x}", "${EX_A...: unknown form, expected ${EX_A}, ${EX_A:-default} or "
                      "${EX_A:?message}"},
        {"${EX_NONE:-${EX_NONE:-${}}}",
         "${ without a variable's name, expected ${VAR}; a plain $ is $$"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct err e = {.text = ""};
        char *out;
        assert_int_equal(expand(bad[i].in, &out, &e), -1);
        assert_null(out);
        assert_string_equal(e.text, bad[i].words);
    }
    char deep[200] = "";
    for (int i = 0; i < 12; i++)
        strcat(deep, "${EX_NONE:-");
    strcat(deep, "}}}}}}}}}}}}");
    struct err e;
    char *out;
    assert_int_equal(expand(deep, &out, &e), -1);
    assert_string_equal(e.text, "variables nested more than 8 deep");
    char *huge = malloc(70001);
    assert_non_null(huge);
    memset(huge, 'x', 70000);
    huge[70000] = '\0';
    setenv("EX_HUGE", huge, 1);
    free(huge);
    char text[400] = "";
    for (int i = 0; i < 20; i++)
        strcat(text, "${EX_HUGE}");
    assert_int_equal(expand(text, &out, &e), -1);
    assert_string_equal(e.text, "longer than 1048576 bytes once expanded");
    unsetenv("EX_HUGE");
}

static void write_file(const char *path, const char *data, size_t len)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    assert_int_equal(fclose(f), 0);
}

static void expect_secret(const char *path, const char *data, size_t len, const char *value,
                          const char *words)
{
    struct err e = {.text = ""};
    char *out;
    write_file(path, data, len);
    assert_int_equal(secret_read(path, path, &out, &e), value ? 0 : -1);
    if (value)
        assert_string_equal(out, value);
    else
        assert_non_null(strstr(e.text, words));
    free(out);
}

struct files_read {
    size_t n;
    char content[64];
};

static int note_file(void *owner, const char *path, const char *content)
{
    struct files_read *seen = owner;
    assert_int_equal(path[0], '/');
    seen->n++;
    snprintf(seen->content, sizeof seen->content, "%s", content);
    return 0;
}

static void test_expand_files(void **state)
{
    (void)state;
    char path[] = "/tmp/probe-expand-XXXXXX", text[128], *out;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "a\\n${EX_A}\n", 11), 11);
    struct files_read seen = {0};
    struct expand_files files = {.on_file = note_file, .owner = &seen};
    struct err e;
    snprintf(text, sizeof text, "<${file:%s}>\\n", path);
    assert_int_equal(expand_with_files(text, &files, &out, &e), 0);
    assert_string_equal(out, "<a\\n${EX_A}>\\n"); /* what it brings is not expanded again */
    assert_int_equal(seen.n, 1);
    assert_string_equal(seen.content, "a\\n${EX_A}");
    free(out);
    files.escapes = true;
    assert_int_equal(expand_with_files(text, &files, &out, &e), 0);
    assert_string_equal(out, "<a\\\\n${EX_A}>\\n");
    free(out);
    assert_int_equal(expand(text, &out, &e), -1);
    assert_non_null(strstr(e.text, "only in a key that holds a secret"));
    /* A variable may have that name. */
    assert_int_equal(expand_with_files("${file:-x}", &files, &out, &e), 0);
    assert_string_equal(out, "x");
    free(out);
    assert_int_equal(expand_with_files("${file:/nowhere/x}", &files, &out, &e), -1);
    assert_non_null(strstr(e.text, "No such file"));
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(pwrite(fd, "hush\nhush", 9, 0), 9);
    assert_int_equal(expand_with_files(text, &files, &out, &e), -1);
    assert_non_null(strstr(e.text, "line end"));
    assert_null(strstr(e.text, "hush"));
    close(fd);
    unlink(path);
}

static void test_secret(void **state)
{
    (void)state;
    char dir[] = "/tmp/probe-secret-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = str_format("%s/s", dir);
    struct err e;
    char *out;
    assert_int_equal(secret_read(path, path, &out, &e), -1);
    assert_non_null(strstr(e.text, "No such file"));
    expect_secret(path, "pw\n", 3, "pw", NULL);
    expect_secret(path, "pw\r\n", 4, "pw", NULL);
    expect_secret(path, " pw \n\n", 6, " pw \n", NULL);
    expect_secret(path, "pw", 2, "pw", NULL);
    expect_secret(path, "", 0, NULL, "is empty");
    expect_secret(path, "\n", 1, NULL, "is empty");
    expect_secret(path, "p\0w", 3, NULL, "NUL byte");
    char *big = calloc(1, SECRET_MAX + 10);
    assert_non_null(big);
    memset(big, 'x', SECRET_MAX + 5);
    big[SECRET_MAX] = '\0';
    char *fits = strdup(big);
    big[SECRET_MAX] = '\n';
    expect_secret(path, big, SECRET_MAX + 1, fits, NULL);
    expect_secret(path, big, SECRET_MAX + 2, NULL, "is longer than 6");
    expect_secret(path, big, SECRET_MAX + 5, NULL, "is longer than 6");
    free(big);
    free(fits);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(secret_read(path, path, &out, &e), -1);
    assert_non_null(strstr(e.text, "is a FIFO or pipe, expected a regular file"));
    assert_int_equal(secret_read(dir, dir, &out, &e), -1);
    unlink(path);
    rmdir(dir);
    free(path);
}

static const char *const choices[] = {"any", "ping", "data", NULL};
static const struct probe_key k_bool = {.name = "b", .kind = KEY_BOOL, .def = "no"};
static const struct probe_key k_int = {.name = "i", .kind = KEY_INT, .min = 1, .max = 64};
static const struct probe_key k_pct = {.name = "p", .kind = KEY_PERCENT, .def = "0%"};
static const struct probe_key k_dur = {
    .name = "d", .kind = KEY_DURATION, .def = "1s", .min = 1000000};
static const struct probe_key k_off = {.name = "o", .kind = KEY_DURATION};
static const struct probe_key k_size = {.name = "s", .kind = KEY_SIZE, .def = "1M", .min = 1};
static const struct probe_key k_pick = {.name = "c", .kind = KEY_CHOICE, .choices = choices};
static const struct probe_key k_word = {.name = "w", .kind = KEY_WORDS};
static const struct probe_key k_line = {.name = "l", .kind = KEY_LINES};
static const struct probe_key k_text = {.name = "t", .kind = KEY_TEXT};
static const struct probe_key k_pass = {.name = "password", .kind = KEY_INT, .flags = KEY_SECRET};

static void test_numbers(void **state)
{
    (void)state;
    static const struct {
        const struct probe_key *key;
        const char *in;
        int64_t num;
        const char *words; /* NULL: good */
    } cases[] = {
        {&k_bool, "yes", 1, NULL},
        {&k_bool, "OFF", 0, NULL},
        {&k_bool, "1", 1, NULL},
        {&k_bool, "maybe", 0, "\"maybe\" is neither yes nor no"},
        {&k_bool, "", 0, "no value; the default is no"},
        {&k_int, "64", 64, NULL},
        {&k_int, "+7", 7, NULL},
        {&k_int, "65", 0, "\"65\" is out of range, expected 1 to 64"},
        {&k_int, "-1", 0, "\"-1\" is out of range, expected 1 to 64"},
        {&k_int, "1x", 0, "\"1x\" is not a whole number, expected decimal digits"},
        {&k_int, "0x10", 0, "\"0x10\" is not a whole number, expected decimal digits"},
        {&k_int, " 1", 0, "\" 1\" is not a whole number, expected decimal digits"},
        {&k_int, "99999999999999999999", 0,
         "\"99999999999999999999\" is not a whole number, expected decimal digits"},
        {&k_pct, "100%", 100, NULL},
        {&k_pct, "10", 0, "\"10\" is not a percentage, expected e.g. 10%"},
        {&k_pct, "101%", 0, "\"101%\" is out of range, expected 0% to 100%"},
        {&k_dur, "1m30s", 90000000000, NULL},
        {&k_dur, "5", 0, "\"5\": missing unit, expected a duration such as 500ms, 5s or 1m30s"},
        {&k_dur, "0s", 0, "\"0s\" is out of range, expected at least 1ms"},
        {&k_dur, "-1s", 0, "\"-1s\" is out of range, expected at least 1ms"},
        {&k_size, "1MiB", 1048576, NULL},
        {&k_size, "2k", 2048, NULL},
        {&k_size, "7", 7, NULL},
        {&k_size, "8589934592G", 0,
         "\"8589934592G\" is not a size, expected bytes, or a number with k, M or G, e.g. 1MiB"},
        {&k_size, "1 M", 0,
         "\"1 M\" is not a size, expected bytes, or a number with k, M or G, e.g. 1MiB"},
        {&k_size, "0", 0, "\"0\" is out of range, expected at least 1"},
        {&k_pick, "data", 2, NULL},
        {&k_pick, "dta", 0, "\"dta\" is unknown, expected any, ping or data; did you mean data?"},
        {&k_pass, "hunter2", 0, "the value is not a whole number, expected decimal digits"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe_value v;
        struct err e = {.text = ""};
        int rc = value_parse(&v, cases[i].key, cases[i].in, &e);
        if (cases[i].words) {
            assert_int_equal(rc, -1);
            assert_string_equal(e.text, cases[i].words);
        } else {
            if (rc < 0)
                fail_msg("%s: %s", cases[i].in, e.text);
            assert_int_equal(v.num, cases[i].num);
            assert_string_equal(v.text, cases[i].in);
        }
        value_fini(&v);
    }
}

static void expect_items(const struct probe_key *key, const char *in, const char *want)
{
    struct probe_value v, copy;
    struct err e;
    struct buf out;
    assert_int_equal(value_parse(&v, key, in, &e), 0);
    assert_int_equal(value_copy(&copy, &v), 0);
    assert_true(value_equal(key, &copy, &v));
    value_fini(&v);
    buf_init(&out, 1000);
    buf_puts(&out, "");
    for (size_t i = 0; i < copy.n_lines; i++)
        buf_printf(&out, "<%s>", copy.lines[i]);
    assert_string_equal(out.data, want);
    buf_fini(&out);
    value_fini(&copy);
}

static void test_lists(void **state)
{
    (void)state;
    expect_items(&k_word, "a, b  c,,d\n e", "<a><b><c><d><e>");
    expect_items(&k_word, " , ", "");
    expect_items(&k_word, "", "");
    expect_items(&k_line, "\n A: b, c \n\n\tD: e", "<A: b, c><D: e>");
}

static void test_unset(void **state)
{
    (void)state;
    static const struct {
        const struct probe_key *key;
        const char *in;
    } cases[] = {{&k_text, ""},   {&k_word, ""},    {&k_line, ""},  {&k_off, ""},
                 {&k_off, "off"}, {&k_off, "none"}, {&k_int, "any"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe_value v;
        struct err e;
        assert_int_equal(value_parse(&v, cases[i].key, cases[i].in, &e), 0);
        assert_null(v.text);
        assert_int_equal(v.n_lines, 0);
        value_fini(&v);
    }
}

static void test_redact(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } urls[] = {
        {"tcp://a:1", "tcp://a:1"},
        {"http://u:p@h/x", "http://***@h/x"},
        {"mongodb://u:p@a,b:2/db?replicaSet=r", "mongodb://***@a,b:2/db?replicaSet=r"},
        {"mongodb://u:p/w@h:1/", "mongodb://***@h:1/"},
        {"mongodb://u:p@w@h:1/", "mongodb://***@h:1/"},
        {"http://u:p/w@h/", "http://***@h/"},
        {"http://u:p@w@h/", "http://***@h/"},
        {"http://h:80/@x", "http://h:80/@x"},
        {"http://[::1]:80/@x", "http://[::1]:80/@x"},
        {"http://h/?a=b&token=s3&c=d#f", "http://h/?a=b&token=***&c=d#f"},
        {"mongodb://h/?authSource=admin&tlsCertificateKeyFilePassword=x",
         "mongodb://h/?authSource=admin&tlsCertificateKeyFilePassword=***"},
        {"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:t",
         "mongodb://h/?authMechanismProperties=***"},
        {"pid:1", "pid:1"},
        {"http://u@", "http://***@"},
        {"web=redis:/u:p@h", "web=redis:/***@h"},
        {"mongodb//u:p@h", "mongodb//***@h"},
        {"://@?=&", "://***@?=&"},
    };
    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        char *out = redact_url(urls[i].in);
        assert_string_equal(out, urls[i].out);
        free(out);
    }
    const struct probe_key header = {.name = "header", .kind = KEY_LINES, .flags = KEY_SECRET};
    const struct probe_key uri = {.kind = KEY_TEXT, .flags = KEY_MAY_HIDE};
    static const struct {
        const struct probe_key *key;
        const char *in, *out;
        bool secret;
    } items[] = {
        {&k_pass, "hunter2", "***", true},
        {&k_text, "http://u:p@h", "http://u:p@h", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(items); i++) {
        char *out = redact_item(items[i].key, items[i].in);
        assert_string_equal(out, items[i].out);
        assert_int_equal(redact_holds_secret(items[i].key, items[i].in), items[i].secret);
        free(out);
    }
    char *out = redact_item(&header, "Authorization: Bearer x");
    assert_string_equal(out, "Authorization: ***");
    free(out);
    out = redact_item(&header, "no colon");
    assert_string_equal(out, "***");
    free(out);
    assert_true(redact_holds_secret(&header, "X-Api-Key: 1"));
    assert_false(redact_holds_secret(&header, "Accept: json"));
    const struct probe_key send = {.name = "send", .kind = KEY_TEXT, .flags = KEY_SECRET};
    assert_false(redact_holds_secret(&send, "PING: 1"));
    assert_true(redact_holds_secret(&uri, "mongodb://u:p@h"));
    assert_false(redact_holds_secret(&uri, "mongodb://h"));
}

static void test_telling_commands(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool telling;
    } rows[] = {
        {"/bin/check --password hunter2", true},
        {"/bin/check -H h --api-token=hunter2", true},
        {"/bin/env PGPASSWORD=hunter2 /bin/check", true},
        {"/bin/sh -c 'check --password x'", false}, /* a text of a shell's is not looked into */
        {"/bin/check --password-file /run/secrets/x", false},
        {"/bin/check --code 200 --auth -x", false},
        {"/bin/check --password", false},
        {"/bin/check -k https://h/", false},
        {"/bin/password x", false},
        {"/bin/check 'unclosed", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (redact_is_telling_command(rows[i].text) != rows[i].telling)
            fail_msg("%s", rows[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_expand_errors),
        cmocka_unit_test(test_expand_files),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_unset),
        cmocka_unit_test(test_redact),
        cmocka_unit_test(test_telling_commands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
