/* screen: a block of lines on a terminal that is drawn over in place. It uses no other state of the
 * terminal than the cursor, which is hidden between the first drawing and the end. */
#ifndef PROBE_TERM_SCREEN_H
#define PROBE_TERM_SCREEN_H

#include "base/buf.h"
#include "term/term.h"

struct screen {
    int fd;
    struct term term;
    size_t lines;     /* of the block as it stands; the cursor is on the line below */
    bool hidden;      /* the cursor is */
    bool failed;      /* nobody is there any more */
    struct buf shown; /* the text of the block */
};

void screen_open(struct screen *s, int fd);

/* The size changed, or another program drew: what stands there cannot be known any more, so the
 * next drawing begins on an empty screen. */
void screen_resized(struct screen *s);

/* Draws `text`, whole lines none of which is wider than the terminal, over what stands there; the
 * same again is not drawn again, nor anything on a terminal that is not read. */
void screen_draw(struct screen *s, const struct buf *text);

/* The cursor is given back until the next drawing. */
void screen_rest(struct screen *s);

/* Takes the block away; screen_close lets it stand and gives the cursor back. */
void screen_clear(struct screen *s);
void screen_close(struct screen *s);

#define SCREEN_SHOW_CURSOR "\x1b[?25h"

#endif
