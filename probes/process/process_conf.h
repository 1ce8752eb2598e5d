/* process_conf: the keys of the process type and their compiled form. */
#ifndef PROBE_PROCESS_PROCESS_CONF_H
#define PROBE_PROCESS_PROCESS_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/pattern.h"
#include "probe.h"

enum process_by { BY_PID, BY_PIDFILE, BY_NAME, BY_CMDLINE };

struct process_conf {
    enum process_by by;
    pid_t pid;
    char *pidfile, *name;
    struct pattern *cmdline;
    int64_t min_count, max_count; /* max_count < 0: any */
    char *user;                   /* as written; NULL: any */
    uid_t uid;
    char *root; /* absolute, without a slash at its end */
};

#define N_PROCESS_KEYS 8
extern const struct probe_key process_keys[N_PROCESS_KEYS];
extern const struct probe_scheme process_schemes[];

void *process_prepare(const struct probe_value *values, struct probe_report *report, char **target);
void process_dispose(void *conf);

#endif
