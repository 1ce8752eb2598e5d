/* postgres_exchange: what is said to a PostgreSQL server (or PgBouncer) for one check,
 * protocol 3.0, and what its messages mean. Bytes in, bytes out.
 *
 *   on a Unix socket the look at who listens (init_guard); SSLRequest where TLS is wanted; the
 *   startup message; the login where one is asked for and given; a query, which is empty where no
 *   role is asked for; Terminate.
 *
 * Where a login is asked for and none is given, the connection is closed at that point, as libpq
 * does: the server logs nothing. */
#ifndef PROBE_POSTGRES_POSTGRES_EXCHANGE_H
#define PROBE_POSTGRES_POSTGRES_EXCHANGE_H

#include "net/init_guard.h"
#include "net/server_conf.h"
#include "net/talk.h"
#include "scram/scram.h"

enum postgres_require {
    POSTGRES_REQUIRE_PING,
    POSTGRES_REQUIRE_LOGIN,
    POSTGRES_REQUIRE_PRIMARY,
    POSTGRES_REQUIRE_STANDBY,
    POSTGRES_REQUIRE_WRITABLE,
    POSTGRES_REQUIRE_COUNT
};

struct postgres_conf {
    struct server_conf server; /* first: server_conf_dispose */
    enum postgres_require require;
    bool init_guard;
};

/*  step           what is awaited                                next
 *  PG_LOOK        the look at the process that listens           PG_SSL, PG_STARTUP
 *  PG_SSL         one byte, to SSLRequest                        PG_STARTUP
 *  PG_STARTUP     the wish for a login, or its absence           PG_SASL, PG_LOGIN, PG_READY
 *  PG_SASL        the challenge                                  PG_PROOF
 *  PG_PROOF       the server's proof                             PG_LOGIN
 *  PG_LOGIN       that the login is taken                        PG_READY
 *  PG_READY       ReadyForQuery                                  PG_QUERY
 *  PG_QUERY       the answer to the query */
enum postgres_step {
    PG_LOOK,
    PG_SSL,
    PG_STARTUP,
    PG_SASL,
    PG_PROOF,
    PG_LOGIN,
    PG_READY,
    PG_QUERY,
};

#define POSTGRES_PASSWORD_MAX 1000 /* bytes; libpq's own limit is near */
#define POSTGRES_COLUMNS      4

struct postgres_salting { /* the login's costly step, as a job */
    struct scram_keys keys;
    char password[POSTGRES_PASSWORD_MAX + 1];
    int rc;
};

/* A run: `talk.run.conf` is a struct postgres_conf. */
struct postgres_run {
    struct talk talk;
    enum postgres_step step;
    struct scram scram;
    struct postgres_salting salting;
    struct init_guard_look look;
    bool row;                           /* the query was answered */
    char columns[POSTGRES_COLUMNS][24]; /* by this */
};

extern const struct talk_rules postgres_rules;

#endif
