/* agent_client: one bounded, blocking HTTP request to a running agent, for the commands that end
 * after it. No library is set up for it: it must cost next to nothing. */
#ifndef PROBE_CLI_AGENT_CLIENT_H
#define PROBE_CLI_AGENT_CLIENT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* `agent`: a socket path, "unix:///path" or "http://host:port". `token_file`: of the token that the
 * agent asks for, read at each request; NULL: none. Sends `method` `path` and reads the
 * whole answer (at most 64 MiB) before `deadline`. Returns the HTTP status with the body in `body`
 * (initialised by the call, the caller's to buf_fini), or -1 with the words (no agent). */
int agent_request(const char *agent, const char *token_file, const char *method, const char *path,
                  int64_t deadline, struct buf *body, struct err *e);

/* Asks for `path` and reads only the head of the answer: for one that goes on (GET /events).
 * Returns a descriptor that does not block, the caller's to close, on which the rest comes; what of
 * it came with the head is in `body` (as above). -1 with the words: no agent, or it did not answer
 * 200. */
int agent_follow(const char *agent, const char *token_file, const char *path, int64_t deadline,
                 struct buf *body, struct err *e);

/* In words: what answered with that status is no agent, or wants a token. Returns -1. */
int agent_refused(const char *agent, int status, struct err *e);

/* Is that an address of an agent at all? 0, or -1 with the words. */
int agent_check_address(const char *agent, struct err *e);

#endif
