/* mongo_hello: what a server says about itself in its reply to hello (or the older isMaster), and
 * whether that is what the configuration wants. Pure; the loop and the driver's child share it.
 * Shapes: MongoDB's manual page of `hello`; for a member without a configuration, HelloResponse in
 * the server's source (markAsNoConfig). */
#ifndef PROBE_MONGO_MONGO_HELLO_H
#define PROBE_MONGO_MONGO_HELLO_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/reason.h"
#include "host.h"

#define MONGO_NAME_MAX    128 /* of a set name or host as shown; longer ones are cut */
#define MONGO_MEMBERS_MAX 50  /* of a set: MongoDB's own limit */

enum mongo_role {
    MONGO_STANDALONE,
    MONGO_PRIMARY,
    MONGO_SECONDARY,
    MONGO_HIDDEN, /* a secondary that clients do not see */
    MONGO_ARBITER,
    MONGO_OTHER,         /* a member that is starting up, recovering or rolling back: hello says no
                            more than that it is neither primary nor secondary */
    MONGO_NOT_INITIATED, /* of a set without a configuration, or removed from it: hello is the same
                            for both */
    MONGO_MONGOS,
};

/* What drivers speak: OP_MSG came with MongoDB 3.6; no server has given up what is below the upper
 * one. */
#define MONGO_WIRE_VERSION_MIN 6
#define MONGO_WIRE_VERSION_MAX 29

struct mongo_hello {
    enum mongo_role role;
    bool writable; /* isWritablePrimary and not readOnly */
    bool read_only;
    char set_name[MONGO_NAME_MAX];              /* "": none */
    char primary[MONGO_NAME_MAX];               /* "": none known */
    int32_t min_wire_version, max_wire_version; /* 0 where it tells none, as drivers have it */
    int64_t last_write_ms; /* lastWrite.lastWriteDate, since the epoch; -1: not told */
    int64_t lag_ms;        /* localTime - last_write_ms, never negative; -1: not told */
};

enum mongo_require {
    MONGO_REQUIRE_PING,
    MONGO_REQUIRE_DATA,
    MONGO_REQUIRE_PRIMARY,
    MONGO_REQUIRE_SECONDARY,
    MONGO_REQUIRE_WRITABLE,
    MONGO_REQUIRE_COUNT
};

struct mongo_members;

/* `m`, zeroed at first, is what it says of its set; NULL: not wanted. Reads nothing else than
 * `reply`. */
void mongo_hello_read(struct mongo_hello *h, struct mongo_members *m, const bson_t *reply);

/* Which of two primaries is the newer one. */
struct mongo_election {
    int64_t set_version;     /* -1: none */
    uint8_t election_id[12]; /* all 0: none */
};

/* What a member says of its set. */
struct mongo_members {
    struct mongo_election election;
    char *me;                       /* its own address as the set knows it; NULL: not told */
    char *hosts[MONGO_MEMBERS_MAX]; /* hosts, passives and arbiters, in lower case */
    size_t n_hosts;
    size_t n_passives; /* of these: never primary, perhaps without a vote */
    bson_t *tags;      /* its own; NULL: none */
};

void mongo_members_fini(struct mongo_members *m);

/* The role in words: "primary of rs0", "standalone". */
void mongo_hello_describe(const struct mongo_hello *h, char *out, size_t size);

/* No driver would speak with it. */
bool mongo_hello_is_incompatible(const struct mongo_hello *h);

/* Does its set have this name? `set_name` of a hello is printable ASCII, the name may be any text.
 */
bool mongo_hello_is_of(const struct mongo_hello *h, const char *name);

bool mongo_hello_has_role(const struct mongo_hello *h, enum mongo_require require);

struct mongo_prefer;
struct mongo_wish {
    enum mongo_require require;
    const struct mongo_prefer *prefer; /* where reads go, in a deployment; NULL: anywhere */
    const char *set_name;              /* NULL: any */
    int64_t max_lag;                   /* ns; 0: any */
    int64_t warn_lag;                  /* ns; 0: none warns */
    size_t min_members;                /* of a deployment that hold data and answer; 0: any */
};

/* Is that what is wanted? `address` is the server's; the detail is one line for a person, of a
 * success as well: "ping ok from 127.0.0.1:27017, primary of rs0". */
enum reason mongo_hello_judge(const struct mongo_hello *h, const struct mongo_wish *wish,
                              const char *address, char detail[PROBE_DETAIL_MAX]);

#endif
