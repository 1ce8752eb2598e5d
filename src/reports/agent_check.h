/* agent_check: HAProxy's agent-check protocol. Whoever connects gets one line and the connection is
 * ended. It reads nothing of what a client says, and holds a bounded number of connections. */
#ifndef PROBE_REPORTS_AGENT_CHECK_H
#define PROBE_REPORTS_AGENT_CHECK_H

#include <stdbool.h>

#include "base/err.h"
#include "engine/engine.h"

/* The longest line that is sent, with its newline: fits the buffer of a fresh socket. */
#define AGENT_CHECK_LINE 256

struct agent_check;

/* Listens on `address` (as bind_tcp takes it), beside `old`, which it is to replace (NULL: none).
 * NULL: the reason is in `err`. */
struct agent_check *agent_check_open(struct engine *e, const char *address, bool drain,
                                     const struct agent_check *old, struct err *err);

/* From now on not ready is told as drain, or as down. */
void agent_check_set(struct agent_check *a, bool drain);

/* Ends it with all connections; the memory goes when its handles are closed. NULL is fine. */
void agent_check_close(struct agent_check *a);

/* The line for the verdict `now`. `drained`: a drain was told before, so that up must end it.
 * Returns its length. */
size_t agent_check_line(char line[AGENT_CHECK_LINE], const struct engine *e, int64_t now,
                        bool drain, bool drained);

#endif
