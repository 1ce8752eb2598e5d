/* document: the JSON that the API, `check --json`, `wait --json` and `explain --json` share. */
#ifndef PROBE_SERVE_DOCUMENT_H
#define PROBE_SERVE_DOCUMENT_H

#include "base/json.h"
#include "engine/engine.h"

/* One probe: name, type, target, status, ..., history. `key` as in json.h. */
void document_probe(struct json *j, const char *key, const struct check *c, int64_t now);

/* The whole: agent, live, ready, probes. */
void document_status(struct json *j, const struct engine *e, int64_t now);

/* One line for a person: "web unhealthy 1.2 ms refused: connect to 127.0.0.1:80: ..." Appends it
 * with its newline, control bytes replaced. */
void document_line(struct buf *out, const struct check *c);

#endif
