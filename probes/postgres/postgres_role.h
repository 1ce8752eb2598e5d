/* postgres_role: the one row that tells what a server is: its query, and what follows from it. */
#ifndef PROBE_POSTGRES_POSTGRES_ROLE_H
#define PROBE_POSTGRES_POSTGRES_ROLE_H

#include "postgres/postgres_run.h"

#define POSTGRES_QUERY                                                                             \
    "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only'), " \
    "setting, source FROM pg_catalog.pg_settings WHERE name = 'listen_addresses'"

/* Who logs in, and the verdict for what no PostgreSQL server says. */
const char *postgres_user(const struct postgres_run *r);
enum talk_next postgres_not_it(struct postgres_run *r, const char *data, size_t len);

/* Does anything hang on it? */
bool postgres_role_is_asked(const struct postgres_run *r);

/* Takes the row. TALK_WAIT, or TALK_DONE where it is none. */
enum talk_next postgres_role_take(struct postgres_run *r, const char *body, size_t len);

/* The verdict; or TALK_AGAIN, where target_session_attrs wants another host. */
enum talk_next postgres_role_judge(struct postgres_run *r);

#endif
