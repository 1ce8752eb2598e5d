/* secret: the content of a file that holds one value (a Docker or Kubernetes secret). */
#ifndef PROBE_CONFIG_SECRET_H
#define PROBE_CONFIG_SECRET_H

#include "base/err.h"

#define SECRET_MAX 65536

/* Reads the file, at most SECRET_MAX bytes, without one newline at its end; *out is malloc'd. It
 * must be a regular file, not be empty and hold no NUL byte. Words about it call it `shown`. */
int secret_read(const char *path, const char *shown, char **out, struct err *e);

#endif
