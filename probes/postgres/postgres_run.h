/* postgres_run: what a check of PostgreSQL is told, and where one run of it stands; for all files
 * of this folder. */
#ifndef PROBE_POSTGRES_POSTGRES_RUN_H
#define PROBE_POSTGRES_POSTGRES_RUN_H

#include <arpa/inet.h>
#include <string.h>

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

/* libpq's target_session_attrs: which of several hosts is meant. */
enum postgres_session {
    POSTGRES_SESSION_ANY,
    POSTGRES_SESSION_READ_WRITE,
    POSTGRES_SESSION_READ_ONLY,
    POSTGRES_SESSION_PRIMARY,
    POSTGRES_SESSION_STANDBY,
    POSTGRES_SESSION_PREFER_STANDBY,
    POSTGRES_SESSION_COUNT
};

struct postgres_conf {
    struct server_conf server; /* first: server_conf_done */
    enum postgres_require require;
    enum postgres_session session;
    bool init_guard;
    char *options;        /* for the startup message; NULL: none */
    char *scram_password; /* by SASLprep, or as it is where that forbids it; NULL: none */
};

/*  step           what is awaited                                next
 *  PG_CONNECT     the connection                                 PG_LOOK, PG_SSL, PG_STARTUP
 *  PG_LOOK        the look at the process that listens           PG_SSL, PG_STARTUP
 *  PG_SSL         one byte, to SSLRequest                        PG_STARTUP
 *  PG_STARTUP     the wish for a login, or its absence           PG_SASL, PG_LOGIN, PG_READY
 *  PG_SASL        the challenge                                  PG_PROOF
 *  PG_PROOF       the server's proof                             PG_LOGIN
 *  PG_LOGIN       that the login is taken                        PG_READY
 *  PG_READY       ReadyForQuery                                  PG_QUERY
 *  PG_QUERY       the answer to the query
 * From each to PG_CONNECT, where another try follows. */
enum postgres_step {
    PG_CONNECT,
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
    size_t host;                    /* which one, 0: server.ep */
    bool is_there;                  /* one of them is, or may be */
    bool other_way;                 /* the second try at it, with TLS where the first had none */
    bool second_pass;               /* prefer-standby, and there is none */
    char earlier[PROBE_DETAIL_MAX]; /* what came of the tries before */
    bool row;                       /* the query was answered */
    char columns[POSTGRES_COLUMNS][24]; /* by this */
};

/* The number at these four bytes. */
static inline uint32_t postgres_get_int(const char *at)
{
    uint32_t n;
    memcpy(&n, at, sizeof n);
    return ntohl(n);
}

static inline const struct postgres_conf *postgres_conf_of(const struct postgres_run *r)
{
    return r->talk.run.conf;
}

#endif
