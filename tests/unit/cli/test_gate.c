/* What `wait` draws, and how a picture fits the height of a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/gate.h"
#include "term/frame.h"

#define S NS_PER_S

static const struct term wide = {.tty = true, .moves = true, .columns = 80, .rows = 24};

static void expect_text(const struct gate *g, bool settled, int64_t now, const char *wanted)
{
    struct buf out;
    buf_init(&out, 65536);
    gate_text(g, settled, now, &out);
    assert_string_equal(out.data, wanted);
    buf_fini(&out);
}

static void a_line_a_target_and_the_budget(void **state)
{
    (void)state;
    struct gate g;
    assert_int_equal(gate_open(&g, 2, 2, 100 * S, 400 * S), 0);
    g.screen.term = wide;
    g.targets[0].name = "db";
    g.targets[1].name = "cache";
    expect_text(&g, false, 101 * S,
                "db     missing  for 1s  no answer yet\n"
                "cache  missing  for 1s  no answer yet\n"
                "waiting for 2 of 2, 1s so far, 4m59s left\n");
    gate_tell(&g, 0, false, strdup("refused: connect to h:1"), 102 * S);
    gate_tell(&g, 1, true, strdup("connected to h:2"), 103 * S);
    /* The same reason in other words has lasted all the while, another begins anew. */
    gate_tell(&g, 0, false, strdup("refused: connect to h:9"), 110 * S);
    expect_text(&g, false, 112 * S,
                "db     missing  for 12s    refused: connect to h:9\n"
                "cache  ok       after 3 s  connected to h:2\n"
                "waiting for 1 of 2, 12s so far, 4m48s left\n");
    gate_tell(&g, 0, false, strdup("auth: login refused"), 112 * S);
    expect_text(&g, false, 115 * S,
                "db     missing  for 3s     auth: login refused\n"
                "cache  ok       after 3 s  connected to h:2\n"
                "waiting for 1 of 2, 15s so far, 4m45s left\n");
    gate_tell(&g, 0, true, strdup("ping ok"), 120 * S);
    expect_text(&g, true, 120 * S,
                "db     ok  after 20 s  ping ok\n"
                "cache  ok  after 3 s   connected to h:2\n");
    gate_close(&g, true, 120 * S);
    gate_tell(&g, 0, true, strdup("late"), 121 * S); /* after the end: no harm */
    gate_close(&g, true, 121 * S);
}

static const struct grid_column columns[] = {{"NAME", 0}, {"STATE", 0}, {"DETAIL", 0}};

/* `n` rows, the last of them bad, in a terminal of that height. */
static void expect_frame(size_t n, size_t rows, const char *wanted)
{
    struct grid g;
    struct buf out, foot;
    struct term term = wide;
    int badness[64] = {0};
    term.columns = 40;
    term.rows = rows;
    buf_init(&out, 65536);
    buf_init(&foot, 65536);
    buf_puts(&foot, "the foot\n");
    grid_init(&g, columns, 3);
    for (size_t i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "p%zu", i);
        badness[i] = i + 1 == n;
        const char *cells[] = {name, badness[i] ? "bad" : "good",
                               badness[i] ? "a reason that does not fit into one line" : "fine"};
        grid_add(&g, TONE_PLAIN, cells);
    }
    frame(&out, &g, badness, true, &foot, &term);
    assert_string_equal(out.data, wanted);
    size_t lines = 0;
    for (size_t i = 0; i < out.len; i++)
        lines += out.data[i] == '\n';
    assert_true(lines < rows || rows < 2);
    buf_fini(&out);
    buf_fini(&foot);
    grid_fini(&g);
}

static void a_picture_fits_the_height(void **state)
{
    (void)state;
    expect_frame(3, 24,
                 "NAME  STATE  DETAIL\n"
                 "p0    good   fine\n"
                 "p1    good   fine\n"
                 "p2    bad    a reason that does not fit\n"
                 "             into one line\n"
                 "the foot\n");
    expect_frame(3, 6,
                 "NAME  STATE  DETAIL\n"
                 "p0    good   fine\n"
                 "p1    good   fine\n"
                 "p2    bad    a reason that does not fit\xe2\x80\xa6\n"
                 "the foot\n");
    expect_frame(9, 6,
                 "NAME  STATE  DETAIL\n"
                 "p8    bad    a reason that does not fit\xe2\x80\xa6\n"
                 "p0    good   fine\n"
                 "and 7 more\n"
                 "the foot\n");
    expect_frame(9, 3, "and 9 more\nthe foot\n");
    expect_frame(9, 1, "the foot\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_a_target_and_the_budget),
        cmocka_unit_test(a_picture_fits_the_height),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
