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

/* Checks it now; a run under way will do, its result comes. `planned` stays. */
void check_start_now(struct check *c);

/* Blocked from now on: nothing is planned, and a run that nobody asked for is dropped. */
void check_rest(struct check *c);

/* Its status is another than a moment ago: plans the next start by it, unless a run is under way.
 */
void check_replan(struct check *c);

/* Tells everybody that its status changed. */
void check_announce(struct check *c, enum health_status from);

/* A run ended with `r`; takes r->detail. */
void check_on_result(struct check *c, struct check_result *r);

/* A run's memory went. */
void check_on_release(struct check *c);

/* What its type kept is closed. */
void check_on_kept_closed(struct check *c);

/* The engine's: a removed check is gone for good. */
void engine_on_check_gone(struct engine *e);

uint32_t engine_random(struct engine *e);

#endif
