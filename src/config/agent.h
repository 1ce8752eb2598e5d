/* agent: the section [agent] into its struct. */
#ifndef PROBE_CONFIG_AGENT_H
#define PROBE_CONFIG_AGENT_H

#include <stdbool.h>

#include "config/build.h"
#include "config/config.h"

/* Reads the entries (n 0: all defaults). What is wrong is reported; -1 out of memory. */
int agent_conf_read(struct agent_conf *a, struct builder *b, const struct ini_entry *entries,
                    size_t n, struct source *s);
void agent_conf_fini(struct agent_conf *a);

#endif
