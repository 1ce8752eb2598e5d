/* warning: what is wrong with a target that works (probe_degraded): `warn`, beside the verdict and
 * never part of it. As with failures, `retries` results in a row begin it; `success_threshold` of
 * those without end it. A failure does neither. Pure. */
#ifndef PROBE_ENGINE_WARNING_H
#define PROBE_ENGINE_WARNING_H

#include <stdbool.h>
#include <stdint.h>

#include "health/health.h"

struct warning {
    bool on;
    uint32_t warned, calm; /* results in a row with and without */
};

/* A check succeeded, `warned` or not. True when that begins or ends the warning. */
bool warning_apply(struct warning *w, const struct health_policy *p, bool warned);

#endif
