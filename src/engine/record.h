/* record: what is remembered of a check's results: the last ones whole, more in brief, counts.
 * Inside engine/ only. */
#ifndef PROBE_ENGINE_RECORD_H
#define PROBE_ENGINE_RECORD_H

#include "engine/engine.h"

/* Keeps the result, whose strings become the check's; what held its place goes. Returns it as it is
 * kept, with a detail that is never NULL. */
const struct check_result *record_add(struct check *c, struct check_result *r);

/* The oldest of the whole results that waits (HEALTH_WAITS); NULL: none. */
struct check_result *record_oldest_waiting(struct check *c);

/* What became of a result that waited; of another, or of NULL, nothing changes. */
void record_decide(struct check_result *r, enum health_counted counted);

/* Frees what is remembered. */
void record_fini(struct check *c);

#endif
