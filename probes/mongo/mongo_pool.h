/* mongo_pool: the connections to the members of one deployment, an exchange on each at a time. In
 * an agent they idle between the checks; who has not answered when a check is over may still do so,
 * and is then kept like the others. It gives no verdict. */
#ifndef PROBE_MONGO_MONGO_POOL_H
#define PROBE_MONGO_MONGO_POOL_H

#include "mongo/mongo_conn.h"

/* What a member may become; mongo_pool.c has the one function that moves it, and asserts it.
 *
 *   RESTING -> ASKED                 dialled
 *   IDLE -> ASKED                    its connection serves the next check
 *   ASKED -> LEFT                    mongo_pool_leave: the check is over without it
 *   LEFT -> ASKED                    the next check waits for it first, then asks on it
 *   ASKED, LEFT -> IDLE              a whole exchange
 *   ASKED, LEFT, IDLE -> RESTING     the connection ended, or was closed
 *   all but CLOSED -> CLOSED         mongo_pool_drop, mongo_pool_close: its memory goes */
enum mongo_member_state {
    MONGO_MEMBER_RESTING,
    MONGO_MEMBER_ASKED,
    MONGO_MEMBER_LEFT,
    MONGO_MEMBER_IDLE,
    MONGO_MEMBER_CLOSED,
};

struct mongo_pool;

/* Valid during the call. */
struct mongo_pool_answer {
    const struct mongo_exchange *exchange; /* `whole`, or what went wrong */
    const struct mongo_members *members;
    int64_t rtt;                 /* ns, see mongo_conn.h */
    int64_t not_after, earliest; /* of its certificate, see stream_cert */
};

/* Who asks: one check of a deployment. */
struct mongo_pool_user {
    struct probe_run *run; /* its deadline; the members' own runs are nobody's */
    const struct mongo_conf *conf;
    /* Once for each member that was asked, perhaps from inside mongo_pool_ask. */
    void (*on_answer)(void *owner, size_t index, const struct mongo_pool_answer *answer);
    void *owner;
};

/* NULL: out of memory. */
struct mongo_pool *mongo_pool_new(struct probe_env *env);

/* Asks the member at `address` ("name:port"), that is number `index` to the user, which must stay
 * until the answer or mongo_pool_leave. `keys`: of an earlier login. An idle connection serves it
 * where it is at most a minute old and good (stream_may_go_on); where that one fails, a fresh one
 * is dialled before anything is said. One that was dialled at most 5 s ago and has not answered its
 * first question is not dialled once more: it is asked again when it answers. REASON_OK, or why
 * it cannot be asked, with the words: DNS, it has no address; INTERNAL. */
enum reason mongo_pool_ask(struct mongo_pool *p, const struct mongo_pool_user *user,
                           const char *address, size_t index, const struct scram_keys *keys,
                           struct err *e);

/* The user is over: no answer comes to it any more. */
void mongo_pool_leave(struct mongo_pool *p, const struct mongo_pool_user *user);

/* It is no member, or all of them are not to be used again: closed. Unknown ones are ignored. */
void mongo_pool_drop(struct mongo_pool *p, const char *address);
void mongo_pool_drop_all(struct mongo_pool *p);

/* Drops those that `is_named` says no of. */
void mongo_pool_sweep(struct mongo_pool *p, bool (*is_named)(const void *arg, const char *address),
                      const void *arg);

/* Exactly once; on_answer does not come any more. `on_closed`, from the loop: its memory is gone.
 */
void mongo_pool_close(struct mongo_pool *p, void (*on_closed)(void *owner), void *owner);

#endif
