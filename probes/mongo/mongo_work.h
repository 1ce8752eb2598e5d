/* mongo_work: a login's costly step, on libuv's threads. At SCRAM_ITERATIONS_MAX it takes tens of
 * milliseconds, so not being able to cancel it does no harm. It touches nothing but itself. */
#ifndef PROBE_MONGO_MONGO_WORK_H
#define PROBE_MONGO_MONGO_WORK_H

#include <uv.h>

#include "mongo/mongo_scram.h"

/* `user` and `password` must stay until on_done, which comes once, from the loop, with what
 * scram_salt made of the keys and returned. -1: out of memory. */
int mongo_work_start(uv_loop_t *loop, const struct scram_keys *keys, const char *user,
                     const char *password,
                     void (*on_done)(void *owner, const struct scram_keys *keys, int rc),
                     void *owner);

#endif
