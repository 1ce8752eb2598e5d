/* grid: rows of cells as lines for a person. Pure: cells in, text out. The last column is running
 * text: it is wrapped or cut to what is left of the width, and where that is too little it stands
 * on lines of its own below its row. Without a width nothing is cut and nothing is dropped. */
#ifndef PROBE_TERM_GRID_H
#define PROBE_TERM_GRID_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

#define GRID_COLUMNS 6

enum tone { TONE_PLAIN, TONE_GOOD, TONE_BAD, TONE_WAIT, TONE_HELD, TONE_COUNT };

struct grid_column {
    const char *title;
    int drop; /* where the width is too small, columns go in this order; 0: it never goes */
};

struct grid_row {
    char *cells[GRID_COLUMNS]; /* escaped; NULL: empty */
    enum tone tone;            /* of the second column */
};

struct grid {
    const struct grid_column *columns;
    size_t n_columns;
    struct grid_row *rows;
    size_t n_rows, size;
    size_t least[GRID_COLUMNS]; /* columns at least this wide, for rows that are yet to come */
    bool failed;                /* out of memory: some rows are missing */
    /* by grid_layout */
    size_t widths[GRID_COLUMNS]; /* 0: not shown */
    size_t width, text_at;       /* of the whole (0: no limit); where the text begins */
    bool below;                  /* the text stands below */
};

/* `columns` stays the caller's; at most GRID_COLUMNS. */
void grid_init(struct grid *t, const struct grid_column *columns, size_t n);
void grid_fini(struct grid *t);

/* Takes copies of the n_columns cells, escaped; NULL is empty. */
void grid_add(struct grid *t, enum tone tone, const char *const *cells);

/* Chooses the columns for `width`, 0 for no limit. After the last row, before the functions below.
 */
void grid_layout(struct grid *t, size_t width);

enum grid_text {
    GRID_WRAP, /* the whole text, on as many lines as it takes */
    GRID_CUT,  /* what fits in one line; below, where that is where it stands */
    GRID_NONE, /* none where it would stand below, else as GRID_CUT */
};

const char *grid_cell(const struct grid *t, size_t row, size_t column); /* "": empty */

/* Append whole lines with their newlines. grid_put returns how many. */
void grid_header(const struct grid *t, struct buf *out, bool colour);
size_t grid_put(const struct grid *t, size_t row, enum grid_text text, bool colour,
                struct buf *out);

/* The codes for a tone, "" without colour; grid_tone_end ends it. */
const char *grid_tone(enum tone tone, bool colour);
const char *grid_tone_end(enum tone tone, bool colour);

#endif
