/* frame: see frame.h. */
#include "term/frame.h"

#include <stdlib.h>

#include "base/text.h"

struct rank {
    size_t row;
    int badness;
};

static int by_badness(const void *a, const void *b)
{
    const struct rank *x = a, *y = b;
    if (x->badness != y->badness)
        return x->badness < y->badness ? 1 : -1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static size_t count_lines(const struct buf *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->len; i++)
        n += text->data[i] == '\n';
    return n;
}

/* Ways to show all rows, each with fewer lines: the text of the bad ones, and of the others. */
static const struct {
    enum grid_text bad, good;
} ways[] = {
    {GRID_WRAP, GRID_WRAP},
    {GRID_CUT, GRID_CUT},
    {GRID_CUT, GRID_NONE},
    {GRID_NONE, GRID_NONE},
};
#define N_WAYS (sizeof ways / sizeof *ways)

/* The lines of all rows; false, and nothing appended, when there are more than `room`. */
static bool put_all(struct buf *out, const struct grid *g, const int *badness, size_t way,
                    size_t room, bool colour)
{
    size_t start = out->len, used = 0;
    for (size_t r = 0; r < g->n_rows; r++) {
        used += grid_put(g, r, badness[r] ? ways[way].bad : ways[way].good, colour, out);
        if (used > room) {
            out->len = start;
            return false;
        }
    }
    return true;
}

/* As many as fit, worst first; the last of the room says how many do not. */
static void put_worst(struct buf *out, const struct grid *g, const int *badness, size_t room,
                      bool colour)
{
    struct rank *ranks = calloc(g->n_rows + 1, sizeof *ranks);
    if (!ranks || room == 0) {
        free(ranks);
        return;
    }
    for (size_t r = 0; r < g->n_rows; r++)
        ranks[r] = (struct rank){r, badness[r]};
    qsort(ranks, g->n_rows, sizeof *ranks, by_badness);
    size_t shown = room - 1 < g->n_rows ? room - 1 : g->n_rows;
    for (size_t i = 0; i < shown; i++)
        grid_put(g, ranks[i].row, GRID_NONE, colour, out);
    if (g->n_rows > shown)
        buf_printf(out, "and %zu more\n", g->n_rows - shown);
    free(ranks);
}

void frame(struct buf *out, struct grid *g, const int *badness, bool header, const struct buf *foot,
           const struct term *term)
{
    size_t feet = count_lines(foot), room = term->rows > feet + 1 ? term->rows - feet - 1 : 0;
    grid_layout(g, term->columns);
    if (header && room > 3) {
        grid_header(g, out, term->colour);
        room--;
    }
    bool done = false;
    for (size_t i = 0; !done && i < N_WAYS; i++)
        done = put_all(out, g, badness, i, room, term->colour);
    if (!done)
        put_worst(out, g, badness, room, term->colour);
    if (foot->len)
        buf_add(out, foot->data, foot->len);
}
