/* members: what a run told of the servers that its target consists of (probe_members), kept with
 * the check until the next run tells. */
#ifndef PROBE_ENGINE_MEMBERS_H
#define PROBE_ENGINE_MEMBERS_H

#include <stddef.h>

#include "host.h"

struct members {
    size_t n;
    struct probe_member of[]; /* their texts lie behind them */
};

/* A copy, to be freed with free; NULL: none, or out of memory. */
struct members *members_new(const struct probe_member *of, size_t n);

#endif
