/* bind: makes the API's listening sockets. It never accepts and keeps no state. */
#ifndef PROBE_LOOP_BIND_H
#define PROBE_LOOP_BIND_H

#include <sys/types.h>

#include "base/err.h"

/* Listens on what endpoint_parse_listen takes. `beside`: a socket of this
 * process that is about to be replaced, and may have the port as well (-1: none). Returns a
 * listening, non-blocking descriptor, or -1. */
int bind_tcp(const char *listen_text, int beside, struct err *e);

/* Which file a socket's path was when it was bound, so that only that one is removed. */
struct bind_id {
    dev_t dev;
    ino_t ino;
};

/* A socket at `path` with `mode`, listening before it has that name. One that answers is refused, a
 * dead one is replaced, and so is `ours` (NULL: none). Waits up to `patience_ms` while another
 * agent starts in the same folder. */
int bind_unix(const char *path, unsigned mode, const struct bind_id *ours, int patience_ms,
              struct bind_id *id, struct err *e);

/* Removes `path` if it is still the socket that was bound. */
void bind_unlink(const char *path, const struct bind_id *id);

#endif
