/* term: what the other end of a stream can show. */
#ifndef PROBE_TERM_TERM_H
#define PROBE_TERM_TERM_H

#include <stdbool.h>
#include <stddef.h>

struct term {
    bool tty;             /* a terminal */
    bool moves;           /* its cursor can be moved: TERM is set, and is not "dumb" */
    bool colour;          /* the same, and NO_COLOR (no-color.org) is not set */
    size_t columns, rows; /* 0: no limit, since it is no terminal */
};

/* Looks at the descriptor, TERM, NO_COLOR; the size is the terminal's own, where it has none
 * $COLUMNS and $LINES, else 80 by 24. To be called again after SIGWINCH. */
void term_look(struct term *t, int fd);

/* Is this process in the background of its terminal? Then drawing would spoil another's screen. */
bool term_in_background(int fd);

#endif
