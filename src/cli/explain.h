/* explain: the effective configuration in its two forms; secrets are never in either. */
#ifndef PROBE_CLI_EXPLAIN_H
#define PROBE_CLI_EXPLAIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "config/config.h"

/* As INI that can be pasted: [agent], and each probe with all its keys (those at their default as
 * comments), or with `given_only` those that are given. `path` is of the file, for the origins; may
 * be NULL. */
void explain_ini_agent(struct buf *out, const struct agent_conf *agent, const char *path);
void explain_ini_probe(struct buf *out, const struct check_conf *c, const char *path,
                       bool given_only);

/* As members of the JSON object that is open. */
void explain_json_agent(struct jsonw *j, const struct agent_conf *agent);
void explain_json_probe(struct jsonw *j, const struct check_conf *c);

#endif
