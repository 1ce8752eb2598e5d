/* repeat: when to say again that a failure persists: at 1, 5, 15 and 60 minutes after it began to
 * count, then every hour. Pure. */
#ifndef PROBE_HEALTH_REPEAT_H
#define PROBE_HEALTH_REPEAT_H

#include <stdbool.h>
#include <stdint.h>

/* A probe is unhealthy since `since`; its last result but one ended at `before` and its last at
 * `now`. True when a moment of repetition lies in between. No state is kept, so nothing can go
 * stale. */
bool repeat_is_due(int64_t since, int64_t before, int64_t now);

#endif
