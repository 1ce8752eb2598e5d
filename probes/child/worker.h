/* worker: runs a child process of our own, for a driver that blocks or may crash, or to become a
 * program of the user's. The child is `probe` executing itself; it gets its job on stdin and
 * answers on stdout, both bounded. It is killed, with its process group, when its run is cancelled,
 * and always reaped; when it ends by itself, what it left in its group is killed. At most
 * env->max_workers run at once; others wait in line inside their own deadline. */
#ifndef PROBE_CHILD_WORKER_H
#define PROBE_CHILD_WORKER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "host.h"

#define WORKER_REPLY_MAX 65536

struct worker;

enum worker_outcome {
    WORKER_ENDED,   /* by itself: exit_status or term_signal, and what it wrote */
    WORKER_FLOODED, /* wrote more than WORKER_REPLY_MAX and was killed */
    WORKER_STARVED, /* got no free place before the deadline, or one too late to be of use */
    WORKER_FAILED,  /* could not be started: `error` */
};

struct worker_result {
    enum worker_outcome outcome;
    const struct buf *reply;
    int exit_status, term_signal; /* as waitpid has them */
    bool late; /* it stood in line for most of its time: that it ran out of it says nothing */
    struct err error;
};

/* `entry` is the hidden word the child starts with; it must stay. `job` goes to its stdin (copied,
 * wiped after use). `on_done` comes once, never from inside; for a starved one shortly before the
 * run's deadline, so that the run can say so. NULL: out of memory. */
struct worker *worker_start(struct probe_run *run, const char *entry, const void *job, size_t len,
                            void (*on_done)(struct probe_run *run,
                                            const struct worker_result *result));

/* Must be called exactly once for each worker_start, also after on_done: kills the child, or takes
 * it out of the line; on_done does not come any more. `on_closed` comes, from the loop, when the
 * child is reaped and every handle is closed. */
void worker_close(struct worker *w, void (*on_closed)(struct probe_run *run));

/* In the child: runs the entry of a type (probe_type.child_entry) that argv[1] names, in a process
 * that is cut off from what it does not need; returns its exit status, or -1 when it names none. To
 * be called before anything else in main. */
int worker_child_main(int argc, char **argv);

#endif
