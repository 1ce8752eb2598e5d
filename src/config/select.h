/* select: the targets of the command line into the checks that a command runs. */
#ifndef PROBE_CONFIG_SELECT_H
#define PROBE_CONFIG_SELECT_H

#include "config/after.h"
#include "config/build.h"
#include "config/config.h"

/* Fills out->checks with the targets, or with all of `probes` when there are none; `names` maps to
 * indexes of `probes`. What is wrong is reported. -1 out of memory. */
int select_checks(struct config *out, struct builder *b, const struct config_source *src,
                  const struct loaded *probes, size_t n, const struct names *names,
                  struct config_report *report);

#endif
