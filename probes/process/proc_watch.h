/* proc_watch: a few processes whose end is seen at once, through a pidfd each. Where the kernel has
 * none (or no descriptor is left) nothing is watched and the interval has to do. */
#ifndef PROBE_PROCESS_PROC_WATCH_H
#define PROBE_PROCESS_PROC_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "loop/closer.h"
#include "process/proc_fs.h"

#define PROC_WATCH_MAX 16

struct proc_watch; /* one process */

struct proc_watches {
    struct proc_watch *list;
    size_t n_alive;  /* watched, and not seen to end yet */
    size_t n_wanted; /* on_ended is called when fewer than this are alive */
    void (*on_ended)(struct proc_watches *w);
    struct closer closer; /* the owner's to begin; it holds each of them */
};

/* Watches exactly these from now on; the ones that already were stay. `root` must have the numbers
 * of our own pid namespace. The number of those that have gone meanwhile, or are others now. */
size_t proc_watch_set(struct proc_watches *w, const char *root, const struct proc_id *ids,
                      size_t n);

/* The processes watched and not seen to end; their number. */
size_t proc_watch_alive(const struct proc_watches *w, struct proc_id ids[PROC_WATCH_MAX]);

/* Ends all of them, and the closer. */
void proc_watch_close(struct proc_watches *w);

#endif
