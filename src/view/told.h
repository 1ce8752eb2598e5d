/* told: what became of the transitions that people and programs were to be told of. */
#ifndef PROBE_VIEW_TOLD_H
#define PROBE_VIEW_TOLD_H

#include <stdint.h>

/* Sums since the start, of events. */
struct told_counts {
    uint64_t told, failed, timed_out, dropped;
};

#endif
