/* verdict: the agent's verdict in words, for one line. Pure: reads the engine, keeps nothing. */
#ifndef PROBE_VIEW_VERDICT_H
#define PROBE_VIEW_VERDICT_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/engine.h"

/* Ready, and known to be so now. */
bool verdict_is_ready(const struct readiness *r);

/* "mongodb unhealthy: refused: connect to 10.0.0.7:27017: connection refused": why it is not ready.
 * Control bytes are replaced. */
void verdict_why(struct buf *out, const struct engine *e, const struct readiness *r, int64_t now);

/* The first required probe of level `alive` that keeps it from being live; NULL: none. */
const struct check *verdict_first_not_live(const struct engine *e, int64_t now);

/* "ready\n", "not ready: web unhealthy: refused: ...\n"; `c` is the cause, NULL: found by `r`. */
void verdict_line(struct buf *out, const char *word, bool ok, const struct check *c,
                  const struct engine *e, const struct readiness *r, int64_t now);

/* "ready: 10 of 10 probes healthy", "not ready: 9 of 10 probes healthy; " and why. */
void verdict_status(char *out, size_t size, const struct engine *e, const struct readiness *r,
                    int64_t now);

/* The share of the `ready` probes, required or not, that are healthy: 1 to 100 percent. */
unsigned verdict_weight(const struct engine *e, int64_t now);

#endif
