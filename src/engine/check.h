/* check: what happens to a check around its runs. Inside engine/ only. */
#ifndef PROBE_ENGINE_CHECK_H
#define PROBE_ENGINE_CHECK_H

#include "engine/engine.h"

/* Entries of the engine's and the agent's own in the schedule, beside the checks'. */
#define ENGINE_OWN_ENTRIES 13

/* A check of `conf` (its reference is taken), not yet scheduled. NULL: out of memory. */
struct check *check_new(struct engine *e, struct check_conf *conf);

/* Its life begins: opens what its type keeps, and schedules the first start. */
void check_arm(struct check *c);

/* No longer wanted: ends its run, closes what it keeps, then frees it and tells the engine. */
void check_remove(struct check *c);

/* The checks before it, or their results, may have changed: blocks or unblocks it, and decides the
 * failures that wait. */
void check_review(struct check *c);

/* What its type kept is closed. */
void check_on_kept_closed(struct check *c);

#endif
