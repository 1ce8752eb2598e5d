/* recall: what the helpers remember between the runs of a check (struct probe_memory). Inside
 * engine/ only. */
#ifndef PROBE_ENGINE_RECALL_H
#define PROBE_ENGINE_RECALL_H

#include "engine/engine.h"

/* Is anything remembered of the check now? */
bool recall_is_on(const struct check *c);

/* The check owns `memory` from now on, in place of what it had. NULL: nothing. */
void recall_keep(struct check *c, struct probe_memory *memory);

/* A failure: nothing of before helps the next run. `distrust`: it may have been the memory's fault,
 * and for a while nothing is remembered. */
void recall_forget(struct check *c, bool distrust);

#endif
