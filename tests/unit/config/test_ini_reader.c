/* The INI reader: what it hands out, and that nothing is cut, guessed or lost where the library
 * below it would. */
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
#include "config/ini_reader.h"

/* The whole file as one text: "[name]", "key=value" with the lines, then the problems. */
static char *dump(const char *text, size_t len)
{
    struct ini_file f;
    struct config_report r;
    struct buf out;
    buf_init(&out, 1 << 20);
    config_report_init(&r);
    ini_read_text(&f, "f", text, len, &r);
    for (size_t i = 0; i < f.n_sections; i++) {
        const struct ini_section *s = &f.sections[i];
        buf_printf(&out, "[%s]%d ", s->name, s->line);
        for (size_t k = s->first; k < s->first + s->n; k++)
            buf_printf(&out, "%s=<%s>%d ", f.entries[k].key, f.entries[k].value, f.entries[k].line);
    }
    for (size_t i = 0; i < r.n; i++)
        buf_printf(&out, "%s %s;", r.problems[i].is_error ? "E" : "W", r.problems[i].text);
    config_report_fini(&r);
    ini_file_fini(&f);
    char *all = buf_take(&out);
    assert_non_null(all);
    return all;
}

static void expect(const char *text, const char *want)
{
    char *got = dump(text, strlen(text));
    assert_string_equal(got, want);
    free(got);
}

static void test_plain(void **state)
{
    (void)state;
    expect("", "");
    expect("[a]\nk = v\n", "[a]1 k=<v>2 ");
    expect("[a]\nk = v", "[a]1 k=<v>2 ");
    expect("\n# c\n; d\n[a]\n\nk=v\n", "[a]4 k=<v>6 ");
    expect("[a]\nk =\n", "[a]1 k=<>2 ");
    expect("[ probe   web ]  \nk = v\n", "[probe web]1 k=<v>2 ");
    expect("[a]\n[b]\n", "[a]1 [b]2 ");
    expect("[a]\nk = v\nk = w\n[a]\nk = x\n", "[a]1 k=<v>2 k=<w>3 [a]4 k=<x>5 ");
}

static void test_values_are_whole(void **state)
{
    (void)state;
    expect("[a]\nk = v ; no # comment\n", "[a]1 k=<v ; no # comment>2 ");
    expect("[a]\nk = a=b:c[d]\n", "[a]1 k=<a=b:c[d]>2 ");
    expect("[a]\nk = \"q\"\n", "[a]1 k=<\"q\">2 ");
    expect("[a]\nk\t=\t v\tw \t\n", "[a]1 k=<v\tw>2 ");
}

static void test_continued(void **state)
{
    (void)state;
    expect("[a]\nk = a\n  b\n\tc\n", "[a]1 k=<a\nb\nc>2 ");
    expect("[a]\nk =\n  b\n", "[a]1 k=<\nb>2 ");
    expect("[a]\nk = a\n\n  b\n\n\nj = c\n", "[a]1 k=<a\n\nb>2 j=<c>7 ");
    expect("[a]\nk = a\n# comment\n  b\n", "[a]1 k=<a\nb>2 ");
    expect("[a]\nk = a\n  j = b\n", "[a]1 k=<a\nj = b>2 ");
    expect("[a]\nk = a\n [b]\n", "[a]1 k=<a\n[b]>2 ");
    expect("[a]\nk = a\n  # b\n",
           "[a]1 k=<a\n# b>2 W f:3: this line is part of the value above, not a comment: comments "
           "begin in the first column;");
    expect("[a]\n  k = a\nj = b\n",
           "[a]1 j=<b>3 E f:2: an indented line continues the value above, and there is none; "
           "expected it to begin in the first column;");
}

static void test_bytes(void **state)
{
    (void)state;
    expect("\xef\xbb\xbf[a]\r\nk = v\r\n  w\r\n", "[a]1 k=<v\nw>2 ");
    expect("[a]\nk = \xc3\xa9\xff\n", "[a]1 k=<\xc3\xa9\xff>2 ");
    char *got = dump("[a]\nk = v\0w\nj = x\n", 18);
    assert_string_equal(got, "[a]1 j=<x>3 E f:2: the line holds a NUL byte;");
    free(got);
}

#define NO_KEY "not a key before the =, expected a word of letters, digits and _"
#define NO_ENTRY                                                                                   \
    "expected [SECTION], KEY = VALUE, or # and a comment; a line that continues a value is "       \
    "indented"

static void test_errors(void **state)
{
    (void)state;
    expect("k = v\n[a]\nj = w\n",
           "[a]2 j=<w>3 E f:1: a key before the first section, expected [agent], [defaults] or "
           "[probe NAME] above it;");
    expect("[a\nk = v\n", "E f:1: section without its ], expected [NAME];");
    expect("[a] x\nk = v\n[b]\n",
           "[b]3 E f:1: text behind the section's ], expected a line of its own;");
    expect("[a]\nfoo\n  bar\nuri: x\nk = v\n",
           "[a]1 k=<v>5 E f:2: " NO_ENTRY
           ";E f:4: a colon behind the key, expected 'uri = ...', not 'uri: ...';");
    expect("[a]\nhttp://x\na:b = c\n", "[a]1 E f:2: " NO_ENTRY ";E f:3: " NO_KEY ";");
    expect("[a]\n= v\na b = c\n", "[a]1 E f:2: " NO_KEY ";E f:3: " NO_KEY ";");
}

/* The library's limits are 200 bytes a line and 50 a section; ours are 64 KiB. */
static void test_long(void **state)
{
    (void)state;
    static const size_t lengths[] = {40, 49, 50, 51, 190, 196, 199, 200, 201, 400, 5000, 65500};
    for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
        size_t n = lengths[i];
        char *x = malloc(n + 1);
        assert_non_null(x);
        memset(x, 'x', n);
        x[n] = '\0';
        char *in = str_format("[%s]\nk = %s ; =y\n  %s\nj = w\n", x, x, x);
        char *want = str_format("[%s]1 k=<%s ; =y\n%s>2 j=<w>4 ", x, x, x);
        assert_true(in && want);
        expect(in, want);
        free(in);
        free(want);
        free(x);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_puts(&b, "[a]\nk = ");
    for (int i = 0; i < INI_LINE_MAX - 4; i++)
        buf_putc(&b, 'x');
    size_t fits = b.len;
    char *got = dump(b.data, fits);
    assert_null(strstr(got, "E f"));
    free(got);
    buf_puts(&b, "y\n  more\nj = w\n");
    got = dump(b.data, b.len);
    assert_string_equal(got, "[a]1 j=<w>4 E f:2: the line is longer than 65536 bytes;");
    free(got);
    buf_fini(&b);
    char key[INI_KEY_MAX + 2];
    memset(key, 'k', sizeof key);
    key[INI_KEY_MAX + 1] = '\0';
    char *in = str_format("[a]\n%s = v\n%s = v\n", key, key + 1);
    assert_non_null(in);
    got = dump(in, strlen(in));
    char *want = str_format("[a]1 %s=<v>3 E f:2: " NO_KEY ";", key + 1);
    assert_string_equal(got, want);
    free(got);
    free(in);
    free(want);
}

static void expect_unreadable(const char *path, const char *words)
{
    struct ini_file f;
    struct config_report r;
    config_report_init(&r);
    assert_int_equal(ini_read_file(&f, path, &r), -1);
    assert_int_equal(r.errors, 1);
    char *want = str_format("%s: %s", path, words);
    assert_string_equal(r.problems[0].text, want);
    free(want);
    ini_file_fini(&f);
    config_report_fini(&r);
}

static void test_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/probe-ini-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = str_format("%s/f", dir);
    expect_unreadable(path, "cannot be read: No such file or directory");
    expect_unreadable(dir, "is a directory, expected a regular file");
    expect_unreadable("/dev/zero", "is a device, expected a regular file");
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_unreadable(path, "is a FIFO or pipe, expected a regular file");
    unlink(path);
    struct ini_file f;
    struct config_report r;
    config_report_init(&r);
    assert_int_equal(ini_read_file(&f, "/dev/null", &r), 0); /* how "no configuration" is said */
    assert_int_equal(f.n_sections, 0);
    ini_file_fini(&f);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    for (int i = 0; i < 10000; i++)
        fprintf(out, "[s %d]\nk = %d\n", i, i);
    fclose(out);
    assert_int_equal(ini_read_file(&f, path, &r), 0);
    assert_int_equal(f.n_entries, 10000);
    assert_string_equal(f.entries[9999].value, "9999");
    assert_string_equal(f.sections[9999].name, "s 9999");
    ini_file_fini(&f);
    assert_int_equal(truncate(path, INI_FILE_MAX + 1), 0);
    expect_unreadable(path, "is longer than 16384 KiB");
    config_report_fini(&r);
    unlink(path);
    rmdir(dir);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),     cmocka_unit_test(test_values_are_whole),
        cmocka_unit_test(test_continued), cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_errors),    cmocka_unit_test(test_long),
        cmocka_unit_test(test_too_long),  cmocka_unit_test(test_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
