/* process_match: which processes of a proc file system are the ones that are wanted, by name,
 * command line and user, and how many they are. */
#ifndef PROBE_PROCESS_PROCESS_MATCH_H
#define PROBE_PROCESS_PROCESS_MATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "process/proc_fs.h"
#include "process/proc_watch.h"
#include "process/process_conf.h"

/* Those found so far. */
struct process_crowd {
    struct pattern_search *search;         /* of the run, for the command lines */
    atomic_int *reading;                   /* set to whose command line is being read */
    pid_t self;                            /* our own number there, which never counts */
    size_t count;                          /* alive and wanted */
    size_t zombies, hidden;                /* wanted but ended; not for us to see */
    pid_t hanging;                         /* the kernel does not answer for it; 0: none */
    struct proc_info first;                /* the oldest of `count` */
    struct proc_info zombie;               /* one of `zombies` */
    struct proc_id oldest[PROC_WATCH_MAX]; /* of `count`, oldest first */
    size_t n_oldest;
    bool failed; /* we could not look (`failure`): the count is worth nothing */
    struct err failure;
};

/* Looks at one process, and counts it where it belongs. */
void process_count(const struct process_conf *c, struct process_crowd *crowd, pid_t pid);

/* "named nginx", "with /java .*kafka/ in the command line, of user www": completes "no process". */
void process_wanted(const struct process_conf *c, char *out, size_t size);

#endif
