/* bind: makes the API's listening sockets. It never accepts and keeps no state. */
#ifndef PROBE_LOOP_BIND_H
#define PROBE_LOOP_BIND_H

#include <sys/types.h>

#include "base/err.h"

/* "127.0.0.1:9797", "[::1]:9797", "localhost:9797", ":9797" (every address). Names other than
 * localhost are refused: nothing here may wait for a name server. Returns a listening, non-blocking
 * descriptor, or -1. */
int bind_tcp(const char *listen_text, struct err *e);

/* Which file a socket's path was when it was bound, so that only that one is removed. */
struct bind_id {
    dev_t dev;
    ino_t ino;
};

/* A socket at `path` with `mode`. One that answers is refused, a dead one is replaced. */
int bind_unix(const char *path, unsigned mode, struct bind_id *id, struct err *e);

/* Removes `path` if it is still the socket that was bound. */
void bind_unlink(const char *path, const struct bind_id *id);

#endif
