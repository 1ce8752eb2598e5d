/* frame: a grid within the height of a terminal. Pure. */
#ifndef PROBE_TERM_FRAME_H
#define PROBE_TERM_FRAME_H

#include "term/grid.h"
#include "term/term.h"

/* Appends the rows in their order, with all their text where the height allows that; else cut to a
 * line each; else the worst first, as many as fit, and "and N more". `foot` is whole lines that
 * follow; one line of the height is left for the cursor. `header`: the titles, where there is room.
 * `badness` is one number a row. */
void frame(struct buf *out, struct grid *g, const int *badness, bool header, const struct buf *foot,
           const struct term *term);

#endif
