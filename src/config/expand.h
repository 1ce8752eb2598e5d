/* expand: ${VAR} and its kin in a value, from the environment. */
#ifndef PROBE_CONFIG_EXPAND_H
#define PROBE_CONFIG_EXPAND_H

#include "base/err.h"

#define EXPAND_MAX 1048576 /* bytes of an expanded value */

/* ${VAR}; ${VAR:-default} and ${VAR:?message} where VAR is unset or empty; $$ is a dollar sign, any
 * other $ stands for itself. Defaults are expanded too, 8 deep. *out is malloc'd. A plain ${VAR}
 * that is unset is an error: as nothing it could be an expectation less, or every probe in place of
 * a share. -1 with the words, which never hold a variable's value. `e` may be NULL. */
int expand(const char *text, char **out, struct err *e);

#endif
