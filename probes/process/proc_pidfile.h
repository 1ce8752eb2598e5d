/* proc_pidfile: reads a pid file, and says what is wrong with it. */
#ifndef PROBE_PROCESS_PROC_PIDFILE_H
#define PROBE_PROCESS_PROC_PIDFILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/reason.h"
#include "process/proc_fs.h"

/* A pid file as it was once: one that is equal has not been written since. */
struct proc_pidfile {
    dev_t dev;
    ino_t ino;
    int64_t written; /* wall clock, ns */
    pid_t pid;
};

/* REASON_OK, or why not with the words, which name the file. `*missing`: there is no such file. */
enum reason proc_pidfile_read(const char *path, struct proc_pidfile *file, bool *missing,
                              struct err *e);

bool proc_pidfile_same(const struct proc_pidfile *a, const struct proc_pidfile *b);

/* A process is started before its file is written: by itself, or by who started it. */
enum proc_order {
    PROC_BEFORE, /* so it is, as far as the clocks can tell */
    PROC_AFTER,  /* it was not: the file was another's */
    PROC_UNSURE, /* by less than a clock may have been set since */
};

/* When was the process started, seen from the writing of the file? `*lag`: by how much later, ns,
 * unless PROC_BEFORE. `root` is the proc file system. */
enum proc_order proc_pidfile_order(const char *root, const struct proc_pidfile *file,
                                   const struct proc_id *id, int64_t *lag);

#endif
