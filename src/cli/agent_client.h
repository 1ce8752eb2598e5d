/* agent_client: one bounded, blocking HTTP request to a running agent, for the commands that end
 * after it. No library is set up for it: it must cost next to nothing. */
#ifndef PROBE_CLI_AGENT_CLIENT_H
#define PROBE_CLI_AGENT_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* `agent`: a socket path, "unix:///path" or "http://host:port". Sends `method` `path` and reads the
 * whole answer (at most 64 MiB) before `deadline`. Returns the HTTP status with the body in `body`
 * (initialised by the call, the caller's to buf_fini), or -1 with the words (no agent). */
int agent_request(const char *agent, const char *method, const char *path, int64_t deadline,
                  struct buf *body, struct err *e);

#endif
