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

/* Was the process that the file names started so long after the file was written that it cannot be
 * the one that was meant? By how much, ns; 0: no sign of it. `root` is the proc file system. */
int64_t proc_pidfile_lag(const char *root, const struct proc_pidfile *file,
                         const struct proc_id *id);

#endif
