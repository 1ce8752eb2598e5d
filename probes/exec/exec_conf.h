/* exec_conf: the keys of the exec type and their compiled, immutable form. */
#ifndef PROBE_EXEC_EXEC_CONF_H
#define PROBE_EXEC_EXEC_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/pattern.h"
#include "probe.h"

#define EXEC_JOB_MAX (128 << 10) /* of a command with its environment */

struct exec_conf {
    char *path;                /* argv[0] */
    struct buf job;            /* for exec_child: see exec_job.h */
    struct pattern *expect;    /* in the output; NULL: none */
    uint8_t expected[256 / 8]; /* exit codes */
    char *expected_text;
    bool nagios;
};

#define EXEC_N_KEYS 6
extern const struct probe_key exec_keys[EXEC_N_KEYS];

/* As probe_type has them. */
void *exec_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target);
void exec_conf_dispose(void *conf);

#endif
