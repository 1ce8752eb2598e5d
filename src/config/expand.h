/* expand: ${VAR} and its kin in a value, from the environment. */
#ifndef PROBE_CONFIG_EXPAND_H
#define PROBE_CONFIG_EXPAND_H

#include "base/err.h"

#define EXPAND_MAX 1048576 /* bytes of an expanded value */

/* ${VAR}; ${VAR:-default} and ${VAR:?message} where VAR is unset or empty; $$ is a dollar sign, any
 * other $ stands for itself. Defaults are expanded too, 8 deep. *out is malloc'd. A
 * plain ${VAR} that is unset becomes nothing, and `unset` (may be NULL) is told its name. -1 with
 * the words, which never hold a variable's value. */
int expand(const char *text, char **out, void (*unset)(void *arg, const char *name), void *arg,
           struct err *e);

#endif
