/* mongo_topology: what a deployment is, from what each of its servers said once: the rules of
 * MongoDB's specification "Server Discovery and Monitoring". Pure: no I/O, no clock; whether it is
 * what is wanted is told by mongo_verdict. */
#ifndef PROBE_MONGO_MONGO_TOPOLOGY_H
#define PROBE_MONGO_MONGO_TOPOLOGY_H

#include "mongo/mongo_hello.h"
#include "mongo/mongo_uri.h"

/* What a server may become; mongo_topology.c has the one function that moves it, and asserts it.
 *
 *   ASKED -> ANSWERED   hello and ping
 *   ASKED -> FAILED     or what it said does not count (a primary of an older election)
 *   ANSWERED -> FAILED  a newer primary has been found, or asked again it did not answer
 *   FAILED -> ANSWERED  asked again
 *   all -> DROPPED      it is no part of the deployment */
enum mongo_server_state {
    MONGO_SERVER_ASKED,
    MONGO_SERVER_ANSWERED,
    MONGO_SERVER_FAILED,
    MONGO_SERVER_DROPPED,
};

struct mongo_server {
    enum mongo_server_state state;
    char *address;               /* "name:port", as the string or a member names it */
    bool told;                   /* `hello` holds */
    struct mongo_hello hello;    /* also of one that was dropped */
    bson_t *tags;                /* its own; NULL: none */
    enum reason reason;          /* FAILED: why */
    bool gone;                   /* FAILED: nothing is there at all; set by the owner */
    int64_t rtt;                 /* ns until hello was answered; -1: it was not. The owner's */
    int64_t answered;            /* clock_now() when it was. The owner's */
    int64_t not_after, earliest; /* of its certificate, see stream_cert. The owner's */
    char detail[256];
};

enum mongo_topology_kind {
    MONGO_KIND_UNKNOWN,
    MONGO_KIND_SINGLE,
    MONGO_KIND_SHARDED,
    MONGO_KIND_SET
};

struct mongo_topology {
    enum mongo_topology_kind kind;
    struct mongo_server *servers; /* n of them; they move when one answers */
    size_t n, n_seeds;
    size_t passives;               /* how many the primary named that may have no vote */
    char set_name[MONGO_NAME_MAX]; /* "": none is known */
    /* Private. */
    size_t room;                  /* MONGO_HOSTS_MAX at most */
    struct mongo_election newest; /* of the primaries seen */
};

/* `set_name` NULL: whatever it is. -1: out of memory. mongo_topology_fini in both cases. */
int mongo_topology_init(struct mongo_topology *t, char *const *seeds, size_t n,
                        const char *set_name);
void mongo_topology_fini(struct mongo_topology *t);

/* What server `i` said, or says now that it was asked again. Servers may be added at the end and
 * dropped anywhere. */
void mongo_topology_answer(struct mongo_topology *t, size_t i, const struct mongo_hello *hello,
                           const struct mongo_members *members);
void mongo_topology_fail(struct mongo_topology *t, size_t i, enum reason reason,
                         const char *detail);

/* Might server `i` say something else if it were asked again, while others hang? One that refuses a
 * login would not, and must not be tried over and over. */
bool mongo_topology_may_change(const struct mongo_topology *t, size_t i);

/* Is it a member of a set that has a configuration? */
bool mongo_topology_is_member(enum mongo_role role);

/* The primary that has answered; NULL: none. */
const struct mongo_server *mongo_topology_primary(const struct mongo_topology *t);

/* Has everybody answered who will? */
bool mongo_topology_is_complete(const struct mongo_topology *t);

/* The deadline is near: who has not answered has failed (timeout). False, and nothing is changed,
 * where no server has answered at all. */
bool mongo_topology_end(struct mongo_topology *t);

/* What each server is, for probe_members; the texts are the topology's. Returns how many. */
size_t mongo_topology_members(const struct mongo_topology *t,
                              struct probe_member out[MONGO_HOSTS_MAX]);

#endif
