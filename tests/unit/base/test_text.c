/* Text on a terminal: escapes, columns, cuts and wraps; and the tables made of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/text.h"
#include "term/digest.h"
#include "term/grid.h"

static void expect_escaped(const char *in, const char *out)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_puts(&b, "");
    text_escape(&b, in);
    assert_string_equal(b.data, out);
    buf_fini(&b);
}

static void what_acts_on_a_terminal_is_escaped(void **state)
{
    (void)state;
    expect_escaped("plain", "plain");
    expect_escaped("a\x1b[31m\n\t\r\x7f", "a\\x1b[31m\\n\\t\\r\\x7f");
    expect_escaped("\xc2\x9b"
                   "2J",
                   "\\u009b2J"); /* the control that begins a sequence, in one character */
    expect_escaped("\xe2\x80\xae"
                   "x",
                   "\\u202ex"); /* turns the direction of what follows */
    expect_escaped("\xff\xc0\x80", "\\xff\\xc0\\x80");
    expect_escaped("\xe6\x97\xa5\xc3\xa9", "\xe6\x97\xa5\xc3\xa9");
    expect_escaped("\xf3\xa0\x80\x81", "\\U000e0001");
    expect_escaped("cut \xe6\x97", "cut \\xe6\\x97");
}

static void columns_are_those_of_a_terminal(void **state)
{
    (void)state;
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("abc"), 3);
    assert_int_equal(text_columns("\xe6\x97\xa5\xe6\x9c\xac"), 4); /* two ideographs */
    assert_int_equal(text_columns("e\xcc\x81"), 1);                /* a combining accent */
    assert_int_equal(text_columns("\xf0\x9f\x98\x80"), 2);         /* an emoji */
    assert_int_equal(text_columns("\xea\xb0\x80"), 2);             /* a Hangul syllable */
    assert_int_equal(text_columns("\xef\xbc\xa1"), 2);             /* a fullwidth letter */
}

static void cuts_never_split_a_character(void **state)
{
    (void)state;
    assert_int_equal(text_fit("\xe6\x97\xa5\xe6\x9c\xac", 3), 3);
    assert_int_equal(text_fit("e\xcc\x81x", 1), 3);
    struct buf b;
    buf_init(&b, 4096);
    assert_int_equal(text_add(&b, "\xe6\x97\xa5\xe6\x9c\xac", 3), 3);
    assert_string_equal(b.data, "\xe6\x97\xa5\xe2\x80\xa6");
    buf_reset(&b);
    assert_int_equal(text_add(&b, "abcdef", 4), 4);
    assert_string_equal(b.data, "abc\xe2\x80\xa6");
    buf_reset(&b);
    assert_int_equal(text_add(&b, "abcd", 4), 4);
    assert_string_equal(b.data, "abcd");
    buf_fini(&b);
}

static void expect_wrapped(const char *in, size_t columns, size_t indent, const char *out)
{
    struct buf b;
    buf_init(&b, 4096);
    size_t lines = text_wrap(&b, in, columns, indent), n = 0;
    assert_string_equal(b.data, out);
    for (const char *p = b.data; *p; p++)
        n += *p == '\n';
    assert_int_equal(lines, n);
    buf_fini(&b);
}

static void wraps_at_blanks_else_anywhere(void **state)
{
    (void)state;
    expect_wrapped("one two three", 7, 2, "one two\n  three\n");
    expect_wrapped("one two three", 6, 0, "one\ntwo\nthree\n");
    expect_wrapped("abcdefgh", 3, 1, "abc\n def\n gh\n");
    expect_wrapped("\xe6\x97\xa5\xe6\x9c\xac", 1, 0, "\xe6\x97\xa5\n\xe6\x9c\xac\n");
    expect_wrapped("", 5, 0, "\n");
}

static const struct grid_column columns[] = {
    {"NAME", 0}, {"STATE", 0}, {"SINCE", 1}, {"DETAIL", 0}};

static void fill(struct grid *g)
{
    grid_init(g, columns, ARRAY_LEN(columns));
    const char *first[] = {"web", "healthy", "4s ago", "ok"};
    const char *second[] = {"\xe6\x97\xa5\xe6\x9c\xac", "unhealthy", "12m3s ago",
                            "refused: connect to 127.0.0.1:9: connection refused"};
    grid_add(g, TONE_GOOD, first);
    grid_add(g, TONE_BAD, second);
}

static void expect_grid(size_t width, enum grid_text how, const char *wanted)
{
    struct grid g;
    struct buf b;
    buf_init(&b, 65536);
    fill(&g);
    grid_layout(&g, width);
    grid_header(&g, &b, false);
    size_t lines = 1;
    for (size_t i = 0; i < g.n_rows; i++)
        lines += grid_put(&g, i, how, false, &b);
    assert_string_equal(b.data, wanted);
    for (const char *p = b.data; *p; p++)
        lines -= *p == '\n';
    assert_int_equal(lines, 0);
    buf_fini(&b);
    grid_fini(&g);
}

static void a_grid_fits_its_width(void **state)
{
    (void)state;
    expect_grid(0, GRID_WRAP,
                "NAME  STATE      SINCE      DETAIL\n"
                "web   healthy    4s ago     ok\n"
                "\xe6\x97\xa5\xe6\x9c\xac  unhealthy  12m3s ago  "
                "refused: connect to 127.0.0.1:9: connection refused\n");
    expect_grid(60, GRID_WRAP,
                "NAME  STATE      SINCE      DETAIL\n"
                "web   healthy    4s ago     ok\n"
                "\xe6\x97\xa5\xe6\x9c\xac  unhealthy  12m3s ago  "
                "refused: connect to 127.0.0.1:9:\n"
                "                            connection refused\n");
    expect_grid(56, GRID_CUT,
                "NAME  STATE      SINCE      DETAIL\n"
                "web   healthy    4s ago     ok\n"
                "\xe6\x97\xa5\xe6\x9c\xac  unhealthy  12m3s ago  "
                "refused: connect to 127.0.0\xe2\x80\xa6\n");
    expect_grid(24, GRID_WRAP,
                "NAME  STATE\n"
                "web   healthy\n"
                "  ok\n"
                "\xe6\x97\xa5\xe6\x9c\xac  unhealthy\n"
                "  refused: connect to\n"
                "  127.0.0.1:9:\n"
                "  connection refused\n");
    expect_grid(24, GRID_NONE,
                "NAME  STATE\n"
                "web   healthy\n"
                "\xe6\x97\xa5\xe6\x9c\xac  unhealthy\n");
}

/* No line is ever wider than the terminal, however narrow that is. */
static void no_line_is_over_the_width(void **state)
{
    (void)state;
    for (size_t width = 1; width < 90; width++) {
        struct grid g;
        struct buf b;
        buf_init(&b, 65536);
        fill(&g);
        const char *third[] = {"a-name-that-is-very-long-and-then-some", "starting", "-", "x"};
        grid_add(&g, TONE_WAIT, third);
        grid_layout(&g, width);
        grid_header(&g, &b, false);
        for (size_t i = 0; i < g.n_rows; i++)
            grid_put(&g, i, GRID_WRAP, false, &b);
        for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n"))
            if (width >= 7)
                assert_in_range(text_columns(line), 0, width);
        buf_fini(&b);
        grid_fini(&g);
    }
}

static void expect_digest(size_t n_good, size_t n_bad, size_t limit, bool all_bad_named)
{
    struct grid g;
    struct buf b;
    static int bad[4096];
    memset(bad, 0, sizeof bad);
    buf_init(&b, 1 << 20);
    grid_init(&g, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < n_good + n_bad; i++) {
        char name[32];
        bad[i] = i >= n_good;
        snprintf(name, sizeof name, "%s-%zu", bad[i] ? "bad" : "good", i);
        const char *cells[] = {name, bad[i] ? "unhealthy" : "healthy", "1s ago",
                               "refused: a detail that goes on for quite a while to be long"};
        grid_add(&g, TONE_PLAIN, cells);
    }
    grid_layout(&g, 0);
    digest(&g, bad, limit, &b);
    assert_in_range(b.len, 1, limit);
    size_t shown = 0, more = 0;
    for (char *line = strtok(b.data, "\n"); line; line = strtok(NULL, "\n")) {
        if (sscanf(line, "and %zu more", &more) == 1)
            continue;
        shown++;
        if (strncmp(line, "bad-", 4) == 0)
            n_bad--;
    }
    assert_int_equal(shown + more, g.n_rows);
    if (all_bad_named)
        assert_int_equal(n_bad, 0);
    buf_fini(&b);
    grid_fini(&g);
}

static void a_digest_names_what_is_bad_first(void **state)
{
    (void)state;
    expect_digest(3, 2, DIGEST_DOCKER, true);
    expect_digest(1000, 0, DIGEST_DOCKER, true);
    expect_digest(1000, 20, DIGEST_DOCKER, true);
    expect_digest(0, 40, DIGEST_DOCKER, true);
    expect_digest(10, 100, DIGEST_DOCKER, true);
    expect_digest(0, 3000, DIGEST_DOCKER, false);
    expect_digest(2000, 2000, DIGEST_DOCKER, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_acts_on_a_terminal_is_escaped),
        cmocka_unit_test(columns_are_those_of_a_terminal),
        cmocka_unit_test(cuts_never_split_a_character),
        cmocka_unit_test(wraps_at_blanks_else_anywhere),
        cmocka_unit_test(a_grid_fits_its_width),
        cmocka_unit_test(no_line_is_over_the_width),
        cmocka_unit_test(a_digest_names_what_is_bad_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
