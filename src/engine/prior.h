/* prior: what a check owes to those that it comes `after`: it is blocked while one of them is down,
 * and a failure of its own waits until all of them have answered. The rule itself is health's.
 * Inside engine/ only. */
#ifndef PROBE_ENGINE_PRIOR_H
#define PROBE_ENGINE_PRIOR_H

#include "engine/engine.h"

/* What the checks before it say of a failure that ended at `failed`. */
enum health_prior prior_of(const struct check *c, int64_t failed);

/* A failure waits (HEALTH_WAITS): those that have not answered since are checked now. It is kept
 * until they have, however many more failures follow. */
void prior_wait(struct check *c, const struct check_result *failure);

/* No failure waits any more: `why` is told of each. */
void prior_drop(struct check *c, enum health_counted why);

/* The checks before it, or their results, may have changed: blocks or unblocks it, and decides the
 * failures that wait. */
void prior_review(struct check *c);

/* The same for those that come after it. */
void prior_review_dependents(struct check *c);

#endif
