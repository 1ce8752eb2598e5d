/* mongo_set: one check of a deployment on the loop: all its seeds are asked side by side, and who
 * they name is asked too, until what is wanted is met by a server that answered hello and ping, or
 * cannot be met any more. A server that hangs, refuses or has no name holds up nobody. */
#ifndef PROBE_MONGO_MONGO_SET_H
#define PROBE_MONGO_MONGO_SET_H

#include "mongo/mongo_pool.h"
#include "scram/scram.h"

struct mongo_set;

struct mongo_set_result {
    enum reason reason;
    char detail[PROBE_DETAIL_MAX];
    bool gone;
    struct scram_keys keys; /* of the login, when valid: for the next check */
};

/* `pool`: the connections, which stay the caller's and outlive the set. `keys`: of an earlier
 * login, or NULL. `on_done` comes once, perhaps from inside mongo_set_start. NULL: out of memory.
 */
struct mongo_set *mongo_set_new(struct probe_run *run, const struct mongo_conf *conf,
                                struct mongo_pool *pool, const struct scram_keys *keys,
                                void (*on_done)(struct probe_run *run,
                                                const struct mongo_set_result *result));
void mongo_set_start(struct mongo_set *s);

/* What each server is so far, for probe_note_later. */
void mongo_set_note(const struct mongo_set *s, char out[PROBE_DETAIL_MAX]);

/* Exactly once for each mongo_set_new, in any state; on_done does not come any more. `on_closed`,
 * from the loop: its memory is gone. */
void mongo_set_close(struct mongo_set *s, void (*on_closed)(void *owner), void *owner);

#endif
