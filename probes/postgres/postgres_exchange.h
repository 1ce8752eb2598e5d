/* postgres_exchange: what is said to a PostgreSQL server (or PgBouncer) for one check,
 * protocol 3.0, and what its messages mean. Bytes in, bytes out.
 *
 *   on a Unix socket the look at who listens (init_guard); SSLRequest where TLS is wanted; the
 *   startup message; the login where one is asked for and given; a query, which is empty where no
 *   role is asked for; Terminate.
 *
 * Where a login is asked for and none is given, the connection is closed at that point, as libpq
 * does: the server logs nothing. Where libpq would try another host, or the same one with or
 * without TLS, so does this (postgres_hosts.h). */
#ifndef PROBE_POSTGRES_POSTGRES_EXCHANGE_H
#define PROBE_POSTGRES_POSTGRES_EXCHANGE_H

#include "postgres/postgres_run.h"

extern const struct talk_rules postgres_rules;

#endif
