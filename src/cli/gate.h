/* gate: what `wait` shows on a terminal: one line a target, drawn in place, and what is left of the
 * budget. It sees no check: `wait` tells it what happens. */
#ifndef PROBE_CLI_GATE_H
#define PROBE_CLI_GATE_H

#include <stdbool.h>
#include <stdint.h>

#include "term/screen.h"

struct gate_target {
    const char *name;
    bool done;
    int64_t since; /* of what is said of it now; once done, how long that took */
    char *why;     /* NULL: nothing is known yet */
};

struct gate {
    struct screen screen;
    bool draws; /* standard error is a terminal that can be drawn on */
    struct gate_target *targets;
    size_t n, wanted; /* how many there are, how many of them must succeed */
    int64_t began, deadline;
    int64_t drawn; /* when; 0: not yet */
};

/* 0, or -1 when out of memory. Names stay the caller's, in `targets`, as long as it draws. */
int gate_open(struct gate *g, size_t n, size_t wanted, int64_t began, int64_t deadline);

/* What is known of the i-th target; the time it is known for goes on while the words are equal up
 * to their first colon (the reason). Takes `why` over; NULL is fine. */
void gate_tell(struct gate *g, size_t i, bool done, char *why, int64_t now);

/* Draws, and returns when it wants to draw again. */
int64_t gate_draw(struct gate *g, int64_t now);

/* Lets the last state stand (`settled`) or takes it all away; then standard error is as it was.
 * A second call does nothing. */
void gate_close(struct gate *g, bool settled, int64_t now);

/* The block as text. Pure, for its test. */
void gate_text(const struct gate *g, bool settled, int64_t now, struct buf *out);

#endif
