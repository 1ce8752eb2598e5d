/* mongo_work: what a check does on a thread: a login's costly step, and the look at /proc for an
 * init phase, which a process that is stuck in the kernel can hold up. */
#ifndef PROBE_MONGO_MONGO_WORK_H
#define PROBE_MONGO_MONGO_WORK_H

#include "host.h"
#include "mongo/mongo_guard.h"
#include "scram/scram.h"

/* What it works on, and then made of it. */
struct mongo_work_result {
    struct scram_keys keys;
    int rc; /* of scram_salt */
    enum mongo_guard guard;
};

struct mongo_work;

/* Each takes copies of what it is given. `on_done` comes once, from the loop, never from inside;
 * the work is gone after it. NULL, with the words: no thread could be made, or out of memory. */
struct mongo_work *mongo_work_salt(struct probe_env *env, const struct scram_keys *keys,
                                   const char *user, const char *password,
                                   void (*on_done)(void *owner,
                                                   const struct mongo_work_result *result),
                                   void *owner, struct err *e);
struct mongo_work *mongo_work_look(struct probe_env *env, const char *address, int listener,
                                   void (*on_done)(void *owner,
                                                   const struct mongo_work_result *result),
                                   void *owner, struct err *e);

/* Instead of on_done. */
void mongo_work_abandon(struct mongo_work *w);

#endif
