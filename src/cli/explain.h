/* explain: the effective configuration in its two forms; secrets are never in either. */
#ifndef PROBE_CLI_EXPLAIN_H
#define PROBE_CLI_EXPLAIN_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "config/config.h"
#include "config/names.h"

/* Names of sections printed so far: those made from URLs must not be the same. */
struct explain_names {
    size_t most, n; /* set `most` to how many there may be; the rest is zero at first */
    char **list;
    struct names set;
};

/* As INI that can be pasted: [agent], and each probe with all its keys (those at their default as
 * comments), or with `given_only` those that are given. `path` is of the file, for the origins; may
 * be NULL. */
void explain_ini_agent(struct buf *out, const struct agent_conf *agent, const char *path);
void explain_ini_probe(struct buf *out, const struct check_conf *c, struct explain_names *used,
                       const char *path, bool given_only);
void explain_names_fini(struct explain_names *used);

/* As members of the JSON object that is open. */
void explain_json_agent(struct jsonw *j, const struct agent_conf *agent);
void explain_json_probe(struct jsonw *j, const struct check_conf *c);

#endif
