/* digest: see digest.h. */
#include "term/digest.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "base/text.h"

#define LAST_LINE 80 /* room for "and N more" */

/* Ways to show a row, each shorter than the one before: the text's columns. */
static const size_t text_columns_of[] = {SIZE_MAX, 160, 80, 40, 0};
#define BRIEFEST (ARRAY_LEN(text_columns_of) - 1)

/* The briefest: name, state, and the text's first word, the reason. */
static void put(const struct grid *t, size_t row, size_t way, struct buf *out)
{
    const char *text = grid_cell(t, row, t->n_columns - 1);
    buf_reset(out);
    if (way == BRIEFEST) {
        text_add(out, grid_cell(t, row, 0), 40);
        buf_printf(out, "  %s", grid_cell(t, row, 1));
        size_t word = strcspn(text, " ");
        if (word && text[word] && text[word - 1] == ':') /* a success has no reason */
            buf_printf(out, "  %.*s", (int)word - 1, text);
        buf_putc(out, '\n');
        return;
    }
    grid_put(t, row, GRID_CUT, false, out);
    size_t start = out->len - strlen(text) - 1;
    if (text_columns(text) <= text_columns_of[way])
        return;
    out->len = start;
    text_add(out, text, text_columns_of[way]);
    buf_putc(out, '\n');
}

static size_t size_of_all(const struct grid *t, const int *only, size_t way, struct buf *line)
{
    size_t all = 0;
    for (size_t r = 0; r < t->n_rows; r++)
        if (!only || only[r]) {
            put(t, r, way, line);
            all += line->len;
        }
    return all;
}

/* Takes rows that are `bad` or not while there is room; returns what is left of that. */
static size_t take(const struct grid *t, const int *bad, bool which, size_t way, size_t room,
                   bool *taken, struct buf *line)
{
    for (size_t r = 0; r < t->n_rows; r++) {
        if ((bad[r] != 0) != which)
            continue;
        put(t, r, way, line);
        if (line->len > room)
            return 0;
        room -= line->len;
        taken[r] = true;
    }
    return room;
}

static void say_more(const struct grid *t, const int *bad, const bool *taken, struct buf *out)
{
    size_t more = 0, worse = 0;
    for (size_t r = 0; r < t->n_rows; r++) {
        more += !taken[r];
        worse += !taken[r] && bad[r] != 0;
    }
    if (more && worse)
        buf_printf(out, "and %zu more, %zu of them failing (--json shows all)\n", more, worse);
    else if (more)
        buf_printf(out, "and %zu more (--json shows all)\n", more);
}

void digest(const struct grid *t, const int *bad, size_t limit, struct buf *out)
{
    struct buf line;
    buf_init(&line, SIZE_MAX / 2);
    bool *taken = calloc(t->n_rows + 1, sizeof *taken);
    size_t way_bad = 0, way_good = 0;
    if (taken && size_of_all(t, NULL, 0, &line) > limit) {
        size_t room = limit > LAST_LINE ? limit - LAST_LINE : 0;
        while (way_bad < BRIEFEST && size_of_all(t, bad, way_bad, &line) > room)
            way_bad++;
        way_good = way_bad ? way_bad : 1;
        room = take(t, bad, true, way_bad, room, taken, &line);
        take(t, bad, false, way_good, room, taken, &line);
    } else if (taken) {
        memset(taken, true, t->n_rows);
    }
    for (size_t r = 0; taken && r < t->n_rows; r++)
        if (taken[r]) {
            put(t, r, bad[r] ? way_bad : way_good, &line);
            buf_add(out, line.data, line.len);
        }
    if (taken)
        say_more(t, bad, taken, out);
    out->failed = out->failed || !taken || line.failed;
    free(taken);
    buf_fini(&line);
}
