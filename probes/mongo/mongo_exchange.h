/* mongo_exchange: what is said on one connection for one check, and what its replies mean: hello,
 * the login where there is one, ping, and where asked getCmdLineOpts. Bytes in, bytes out; no I/O.
 *
 *   fresh:  hello + ping | hello, saslStart, saslContinue..., ping    then perhaps getCmdLineOpts
 *   kept:   hello + ping
 * `+`: in one write. A login's costly step and the look at /proc are the caller's to run off the
 * loop.
 */
#ifndef PROBE_MONGO_MONGO_EXCHANGE_H
#define PROBE_MONGO_MONGO_EXCHANGE_H

#include "mongo/mongo_conf.h"
#include "mongo/mongo_guard.h"
#include "mongo/mongo_hello.h"
#include "scram/scram.h"

enum mongo_next {
    MONGO_NEXT_WAIT, /* for more bytes */
    MONGO_NEXT_SEND, /* `out` */
    MONGO_NEXT_SALT, /* scram_salt(&scram.keys, ...), then mongo_exchange_worked */
    MONGO_NEXT_LOOK, /* mongo_guard_look(...), then mongo_exchange_looked */
    MONGO_NEXT_DONE, /* the verdict is in `reason` and `detail`, the server's own; `whole`: the
                        connection can serve further checks */
    MONGO_NEXT_FAIL, /* so is what went wrong with the connection or the bytes on it */
};

/* What is awaited. */
enum mongo_step {
    MONGO_STEP_HELLO,
    MONGO_STEP_LEGACY, /* isMaster, to a server that does not know hello */
    MONGO_STEP_X509,
    MONGO_STEP_PLAIN,
    MONGO_STEP_SASL_START,
    MONGO_STEP_SASL_CONTINUE,
    MONGO_STEP_SASL_EMPTY, /* a server that wants one empty message more */
    MONGO_STEP_PING,
    MONGO_STEP_LOOK, /* at /proc, on a thread */
    MONGO_STEP_GUARD,
};

struct mongo_exchange {
    const struct mongo_conf *conf;
    const char *address; /* of the server, for words; must stay */
    struct buf out;
    enum reason reason;
    bool gone; /* nothing is there at all, see dial.h */
    char detail[PROBE_DETAIL_MAX];
    bool whole;
    struct scram scram; /* `keys` are kept from one login to the next */
    int32_t last_id;    /* of a request; goes on from one exchange to the next */
    bool anonymous; /* the login was left out: the connection's next exchange is as a fresh one */
    struct mongo_hello hello;
    struct mongo_members *members; /* NULL: not wanted */
    /* Private. */
    enum mongo_step step;
    bool fresh, old_server;
    int32_t awaited;
    int32_t conversation;
};

void mongo_exchange_init(struct mongo_exchange *x, const struct mongo_conf *conf,
                         const char *address);
void mongo_exchange_fini(struct mongo_exchange *x); /* safe on a zeroed one */

/* `fresh`: the first on this connection, or after one that was `anonymous`. SEND, or DONE when
 * memory is out. */
enum mongo_next mongo_exchange_begin(struct mongo_exchange *x, bool fresh);

/* Takes what is whole of the bytes that came; `*used` tells how many. */
enum mongo_next mongo_exchange_take(struct mongo_exchange *x, const void *data, size_t len,
                                    size_t *used);

/* `rc`: what scram_salt returned. */
enum mongo_next mongo_exchange_worked(struct mongo_exchange *x, int rc);

/* What mongo_guard_look found. */
enum mongo_next mongo_exchange_looked(struct mongo_exchange *x, enum mongo_guard guard);

/* The connection ended: the detail for it, in `detail`. */
void mongo_exchange_cut(struct mongo_exchange *x, const char *words);

/* What is known and awaited, for probe_note. */
void mongo_exchange_note(const struct mongo_exchange *x, char out[PROBE_DETAIL_MAX]);

#endif
