/* grid: see grid.h. */
#include "term/grid.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define GAP         2
#define TEXT_LEAST  24 /* a narrower column of text is hard to read */
#define NAME_LEAST  16 /* the first column is cut to two fifths of the width, but not below this */
#define NAME_BARE   4
#define NAME_PADDED 40 /* without a limit: longer names move only their own line's cells */
#define INDENT      2

void grid_init(struct grid *t, const struct grid_column *columns, size_t n)
{
    *t = (struct grid){.columns = columns, .n_columns = n};
}

void grid_fini(struct grid *t)
{
    for (size_t r = 0; r < t->n_rows; r++)
        for (size_t c = 0; c < t->n_columns; c++)
            free(t->rows[r].cells[c]);
    free(t->rows);
    *t = (struct grid){0};
}

static char *escaped(const char *text)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    text_escape(&b, text);
    return buf_take(&b);
}

void grid_add(struct grid *t, enum tone tone, const char *const *cells)
{
    if (t->n_rows == t->size) {
        size_t size = t->size ? 2 * t->size : 16;
        struct grid_row *rows = realloc(t->rows, size * sizeof *rows);
        if (!rows) {
            t->failed = true;
            return;
        }
        t->rows = rows;
        t->size = size;
    }
    struct grid_row *row = &t->rows[t->n_rows++];
    *row = (struct grid_row){.tone = tone};
    for (size_t c = 0; c < t->n_columns; c++)
        if (cells[c] && *cells[c] && !(row->cells[c] = escaped(cells[c])))
            t->failed = true;
}

const char *grid_cell(const struct grid *t, size_t row, size_t column)
{
    const char *text = t->rows[row].cells[column];
    return text ? text : "";
}

/* The widest cell of a column; only that of the title when there is none. */
static size_t natural(const struct grid *t, size_t column)
{
    size_t widest = strlen(t->columns[column].title);
    if (t->least[column] > widest)
        widest = t->least[column];
    for (size_t r = 0; r < t->n_rows; r++) {
        size_t n = text_columns(grid_cell(t, r, column));
        if (n > widest)
            widest = n;
    }
    return widest;
}

/* All columns before the text, with the gaps between them. */
static size_t sum(const struct grid *t)
{
    size_t all = 0;
    for (size_t c = 0; c + 1 < t->n_columns; c++)
        if (t->widths[c])
            all += t->widths[c] + (all ? GAP : 0);
    return all;
}

static void drop_one(struct grid *t, int order)
{
    for (size_t c = 0; c + 1 < t->n_columns; c++)
        if (t->columns[c].drop == order)
            t->widths[c] = 0;
}

static void squeeze(struct grid *t)
{
    for (int order = 1; order < GRID_COLUMNS && sum(t) > t->width; order++)
        drop_one(t, order);
    size_t over = sum(t) > t->width ? sum(t) - t->width : 0;
    size_t give = t->widths[0] > NAME_BARE ? t->widths[0] - NAME_BARE : 0;
    t->widths[0] -= over < give ? over : give;
    if (sum(t) > t->width && t->n_columns > 2) /* hardly a width at all */
        t->widths[1] = t->width > t->widths[0] + GAP ? t->width - t->widths[0] - GAP : 1;
}

void grid_layout(struct grid *t, size_t width)
{
    size_t text = t->n_columns - 1;
    for (size_t c = 0; c < t->n_columns; c++)
        t->widths[c] = natural(t, c);
    t->width = width;
    t->below = false;
    if (!width) {
        if (t->widths[0] > NAME_PADDED)
            t->widths[0] = NAME_PADDED;
        t->text_at = sum(t) + GAP;
        return;
    }
    size_t most = width * 2 / 5 > NAME_LEAST ? width * 2 / 5 : NAME_LEAST;
    if (t->widths[0] > most)
        t->widths[0] = most;
    size_t least = t->widths[text] < TEXT_LEAST ? t->widths[text] : TEXT_LEAST;
    t->text_at = sum(t) + GAP;
    if (t->text_at + least <= width)
        return;
    t->below = true;
    t->text_at = width > 4 * INDENT ? INDENT : 0;
    squeeze(t);
}

const char *grid_tone(enum tone tone, bool colour)
{
    static const char *const codes[TONE_COUNT] = {
        [TONE_PLAIN] = "",        [TONE_GOOD] = "\x1b[32m", [TONE_BAD] = "\x1b[1;31m",
        [TONE_WAIT] = "\x1b[33m", [TONE_HELD] = "\x1b[36m",
    };
    return colour ? codes[tone] : "";
}

const char *grid_tone_end(enum tone tone, bool colour)
{
    return colour && tone != TONE_PLAIN ? "\x1b[0m" : "";
}

/* The cells before the text; `last` gets the blanks that are due before whatever follows. */
static size_t put_cells(const struct grid *t, const char *const *cells, enum tone tone, bool colour,
                        struct buf *out)
{
    size_t blanks = 0;
    for (size_t c = 0; c + 1 < t->n_columns; c++) {
        if (!t->widths[c])
            continue;
        enum tone its = c == 1 ? tone : TONE_PLAIN;
        size_t used;
        text_pad(out, blanks);
        buf_puts(out, grid_tone(its, colour));
        used = text_add(out, cells[c], t->width ? t->widths[c] : SIZE_MAX);
        buf_puts(out, grid_tone_end(its, colour));
        blanks = (used < t->widths[c] ? t->widths[c] - used : 0) + GAP;
    }
    return blanks;
}

void grid_header(const struct grid *t, struct buf *out, bool colour)
{
    const char *titles[GRID_COLUMNS];
    for (size_t c = 0; c < t->n_columns; c++)
        titles[c] = t->columns[c].title;
    buf_puts(out, colour ? "\x1b[1m" : "");
    size_t blanks = put_cells(t, titles, TONE_PLAIN, false, out);
    if (!t->below) {
        text_pad(out, blanks);
        buf_puts(out, titles[t->n_columns - 1]);
    }
    buf_puts(out, colour ? "\x1b[0m\n" : "\n");
}

/* The text's lines, the first of which goes on where the row stands; returns their number. */
static size_t put_text(const struct grid *t, const char *text, bool wrap, struct buf *out)
{
    size_t room = t->width ? t->width - t->text_at : SIZE_MAX;
    if (wrap)
        return text_wrap(out, text, room, t->text_at);
    text_add(out, text, room);
    buf_putc(out, '\n');
    return 1;
}

size_t grid_put(const struct grid *t, size_t row, enum grid_text text, bool colour, struct buf *out)
{
    const char *cells[GRID_COLUMNS];
    for (size_t c = 0; c < t->n_columns; c++)
        cells[c] = grid_cell(t, row, c);
    const char *words = cells[t->n_columns - 1];
    size_t blanks = put_cells(t, cells, t->rows[row].tone, colour, out);
    if (!*words || (t->below && text == GRID_NONE)) {
        buf_putc(out, '\n');
        return 1;
    }
    size_t above = 0;
    if (t->below) {
        buf_putc(out, '\n');
        blanks = t->text_at;
        above = 1;
    }
    text_pad(out, blanks);
    return above + put_text(t, words, text == GRID_WRAP, out);
}
