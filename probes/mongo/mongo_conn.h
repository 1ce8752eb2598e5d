/* mongo_conn: one connection to one server, on which exchanges are held one after the other: by a
 * run while it is in use, by what is kept between the runs while it idles. It gives no verdict. */
#ifndef PROBE_MONGO_MONGO_CONN_H
#define PROBE_MONGO_MONGO_CONN_H

#include "mongo/mongo_exchange.h"
#include "mongo/mongo_work.h"
#include "net/stream.h"

/* What a connection may become; mongo_conn.c has the one function that moves it, and asserts it.
 *
 *   OPENING -> TALKING                  connected: the exchange begins
 *   TALKING <-> WORKING                 a thread works for the exchange
 *   OPENING, TALKING, WORKING -> ENDED  the exchange is over, or failed: on_end
 *   ENDED -> IDLE                       mongo_conn_park
 *   IDLE -> TALKING                     mongo_conn_resume
 *   IDLE -> ENDED                       the server ended it, or spoke unasked: on_end
 *   all -> CLOSING                      mongo_conn_close, once */
enum mongo_conn_state {
    MONGO_CONN_OPENING,
    MONGO_CONN_TALKING,
    MONGO_CONN_WORKING,
    MONGO_CONN_ENDED,
    MONGO_CONN_IDLE,
    MONGO_CONN_CLOSING,
};

/* Who uses it. `on_end` comes once for each exchange, perhaps from inside; `exchange` (zeroed, but
 * for scram.keys of an earlier login) must stay until then, and tells the rest. */
struct mongo_conn;
struct mongo_conn_user {
    struct probe_run *run;
    const struct mongo_conf *conf;
    struct mongo_exchange *exchange;
    struct mongo_members *members; /* filled from hello; NULL: not wanted */
    void (*on_end)(void *owner, struct mongo_conn *c);
    void *owner;
    /* Of the run's progress once the stream is open, which has notes of its own until then; NULL:
     * not wanted. */
    void (*describe)(struct probe_run *run, char out[PROBE_DETAIL_MAX]);
};

struct mongo_conn {
    enum mongo_conn_state state;
    bool reused;    /* it has idled */
    bool anonymous; /* see mongo_exchange.h; of the exchange before it idled */
    bool failed;    /* ENDED by what went wrong on it, not by the server's word */
    int64_t opened;
    int64_t rtt; /* ns from the exchange's begin to its first reply; -1: none yet */
    /* Private. */
    struct stream stream;
    struct mongo_conn_user user; /* while idle: on_end and owner alone */
    void (*on_closed)(void *owner);
    struct mongo_work *work;
    int64_t began;   /* the exchange */
    struct buf in;   /* the start of a reply whose rest is to come */
    int32_t last_id; /* of the requests that it has seen, while idle */
};

/* NULL: out of memory. */
struct mongo_conn *mongo_conn_new(void);

void mongo_conn_open(struct mongo_conn *c, const struct mongo_conn_user *user,
                     const struct endpoint *ep);

/* After a whole exchange: idle; `on_end` comes when the server ends it, or speaks unasked. */
void mongo_conn_park(struct mongo_conn *c, void (*on_end)(void *owner, struct mongo_conn *c),
                     void *owner);

/* May an idle one serve another check? It sees neither a changed address nor a listener that is
 * gone, and something on the way may have forgotten it: for 60 s at most. */
bool mongo_conn_is_fresh(const struct mongo_conn *c);

/* The next exchange on an idle one. */
void mongo_conn_resume(struct mongo_conn *c, const struct mongo_conn_user *user);

/* What is known and awaited, for probe_note_later. */
void mongo_conn_note(const struct mongo_conn *c, char out[PROBE_DETAIL_MAX]);

/* Exactly once, in any state; on_end does not come any more, and the exchange is not touched.
 * `on_closed`, from the loop: its memory is gone. */
void mongo_conn_close(struct mongo_conn *c, void (*on_closed)(void *owner), void *owner);

#endif
