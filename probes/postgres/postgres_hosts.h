/* postgres_hosts: which server libpq would try next, and whether by TLS: several hosts in their
 * order, target_session_attrs, sslmode = allow and prefer.
 * Source: libpq's manual, "Connection Strings", and PQconnectPoll of PostgreSQL 16. */
#ifndef PROBE_POSTGRES_POSTGRES_HOSTS_H
#define PROBE_POSTGRES_POSTGRES_HOSTS_H

#include "postgres/postgres_run.h"

enum postgres_miss {
    POSTGRES_UNREACHED, /* no connection, no answer in time, or it takes nobody now */
    POSTGRES_NO_TLS,    /* the handshake of TLS failed */
    POSTGRES_REFUSED,   /* before the login was taken */
    POSTGRES_OTHER,     /* not the session of target_session_attrs */
    POSTGRES_FAILED,    /* what libpq tries nowhere else */
};

/* Begins at the first. */
void postgres_hosts_start(struct postgres_run *r, const struct talk_rules *rules);

/* Which server this try is at. */
const struct endpoint *postgres_hosts_place(const struct postgres_run *r);

/* Is TLS to be asked for at this try? */
bool postgres_hosts_tls(const struct postgres_run *r);

/* Nothing came of it, as `talk.reason` and `talk.detail` say: TALK_AGAIN, or TALK_DONE with the
 * words of all tries. */
enum talk_next postgres_hosts_next(struct postgres_run *r, enum postgres_miss miss);

#endif
