/* closer: closes what one owner has open on the loop and says, once, when all of it is closed. The
 * owner embeds it, adds handles as it opens them, and frees its memory in on_closed.
 *
 *     closer_init -> closer_add, closer_hold ... -> closer_close -> on_closed, from the loop
 *
 * on_closed never comes from inside closer_close, so the owner is still there when that returns. A
 * handle that was added has its `data` taken: find the owner with container_of. */
#ifndef PROBE_LOOP_CLOSER_H
#define PROBE_LOOP_CLOSER_H

#include <stdbool.h>
#include <uv.h>

#define CLOSER_HANDLES 8 /* added at most; a list of more holds each, see closer_hold */

struct closer {
    void (*on_closed)(struct closer *c);
    uv_idle_t self; /* never active: closing it brings the callback where nothing else is open */
    uv_handle_t *handles[CLOSER_HANDLES];
    unsigned n_handles, n_open;
    bool closing;
};

void closer_init(struct closer *c, uv_loop_t *loop, void (*on_closed)(struct closer *c));

/* Closes this handle, which is initialised, with the rest; `handle` is cast from its own type. */
void closer_add(struct closer *c, void *handle);

/* Something else that is open: on_closed waits until it is dropped. Drop from a callback of the
 * loop only: on_closed may come from inside. */
void closer_hold(struct closer *c);
void closer_drop(struct closer *c);

/* Closes all that was added; asserts that it is called once. What is held the owner ends itself. */
void closer_close(struct closer *c);

#endif
