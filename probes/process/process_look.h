/* process_look: one look for the processes of a check, and what it comes to. It may wait for the
 * kernel, and so is made on a thread: it touches nothing but its own memory, and the settings,
 * which do not change. */
#ifndef PROBE_PROCESS_PROCESS_LOOK_H
#define PROBE_PROCESS_PROCESS_LOOK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/reason.h"
#include "host.h"
#include "process/proc_fs.h"
#include "process/proc_pidfile.h"
#include "process/proc_watch.h"
#include "process/process_conf.h"
#include "process/process_match.h"

struct process_verdict {
    enum reason reason;
    bool gone;
    char words[PROBE_DETAIL_MAX + 1];
};

struct process_look {
    const struct process_conf *conf;

    /* Before: what earlier looks found. */
    struct proc_id known;                   /* by pid and pidfile; start 0: nobody yet */
    struct proc_pidfile file;               /* by pidfile: the file that named it */
    struct proc_id watched[PROC_WATCH_MAX]; /* by name and cmdline: alive, as far as is known */
    size_t n_watched;

    /* Meanwhile: whose command line is being read; 0: nobody's. */
    atomic_int reading;

    /* Afterwards. */
    struct process_verdict verdict;
    struct proc_id found[PROC_WATCH_MAX]; /* to be watched: the oldest that count */
    size_t n_found;
    bool whole; /* all processes were looked at, and `found` is what is to be watched now */
    bool ours;  /* their numbers are those of our own pid namespace */
};

/* Fills what stands under "Afterwards", and `known` and `file` for the next look. */
void process_look(struct process_look *l);

#endif
