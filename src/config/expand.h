/* expand: ${VAR} and its kin in a value, from the environment. */
#ifndef PROBE_CONFIG_EXPAND_H
#define PROBE_CONFIG_EXPAND_H

#include <stdbool.h>

#include "base/err.h"

#define EXPAND_MAX 1048576 /* bytes of an expanded value */

/* ${VAR}; ${VAR:-default} and ${VAR:?message} where VAR is unset or empty; $$ is a dollar sign, any
 * other $ stands for itself. Defaults are expanded too, 8 deep. *out is malloc'd. A plain ${VAR}
 * that is unset is an error: as nothing it could be an expectation less, or every probe in place of
 * a share. -1 with the words, which never hold a variable's value. `e` may be NULL. */
int expand(const char *text, char **out, struct err *e);

/* What ${file:/path} may do in a value: the content of the file, a secret, stands in its place. */
struct expand_files {
    bool escapes; /* the value has C's escapes: the content is written with them */
    /* Told of each file that was read; `content` is valid during the call. -1: no memory. */
    int (*on_file)(void *owner, const char *path, const char *content);
    void *owner;
};

/* As expand, with ${file:/path} too. A file whose content has a control byte is an error: it could
 * make a second line of one. */
int expand_with_files(const char *text, const struct expand_files *files, char **out,
                      struct err *e);

#endif
