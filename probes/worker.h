/* worker: runs a child process of our own for a driver that blocks or may crash. The child is
 * `probe` executing itself; it gets its job on stdin and answers on stdout, both bounded. It is
 * killed, with its process group, when its run is cancelled, and always reaped. At most
 * env->max_workers run at once; others wait in line inside their own deadline. */
#ifndef PROBE_WORKER_H
#define PROBE_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "probe.h"

#define WORKER_REPLY_MAX 65536

struct worker;

/* `entry` is the hidden command word the child starts with. `job` goes to its stdin (copied, wiped
 * after use). `on_done` comes once, when the child is gone and its output is read; `reply` is what
 * it wrote; `exit_status` and `term_signal` as waitpid has them. */
struct worker *worker_start(struct probe_run *run, const char *entry, const void *job, size_t len,
                            void (*on_done)(struct probe_run *run, const struct buf *reply,
                                            int exit_status, int term_signal));

/* Kills it, or takes it out of the line; on_done does not come. `on_closed` comes when it is reaped
 * and every handle is closed. Also called after on_done, to release. */
void worker_close(struct worker *w, void (*on_closed)(struct probe_run *run));

/* True while it waits for a free place: at the deadline that is reason `internal`. */
bool worker_is_queued(const struct worker *w);

/* In the child: entry words and their functions are registered by the types that use workers. Runs
 * the entry named by argv[1] if it is one; returns its exit status, or -1 when it is not. */
int worker_child_main(int argc, char **argv);

#endif
