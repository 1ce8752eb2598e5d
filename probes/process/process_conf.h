/* process_conf: the keys of the process type and their compiled form. */
#ifndef PROBE_PROCESS_PROCESS_CONF_H
#define PROBE_PROCESS_PROCESS_CONF_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/pattern.h"
#include "probe.h"

enum process_by { BY_PID, BY_PIDFILE, BY_NAME, BY_CMDLINE };

/* Counted: a thread that hangs holds on to it. */
struct process_conf {
    atomic_uint refs;
    enum process_by by;
    pid_t pid;
    char *pidfile, *name;
    struct pattern *cmdline;
    int64_t min_count, max_count; /* max_count < 0: any */
    bool nested;                  /* also those of pid namespaces below that of `root` */
    char *user;                   /* as written; NULL: any */
    uid_t uid;
    char *root; /* absolute, without a slash at its end */
};

#define N_PROCESS_KEYS 9
extern const struct probe_key process_keys[N_PROCESS_KEYS];
extern const struct probe_scheme process_schemes[];

void *process_prepare(const struct probe_value *values, struct probe_report *report, char **target);
const struct process_conf *process_conf_ref(const struct process_conf *c);
void process_dispose(void *conf); /* with the last reference it goes */

#endif
