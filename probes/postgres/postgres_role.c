/* postgres_role: see postgres_role.h. */
#include "postgres/postgres_role.h"

#include <string.h>

#include "base/str.h"
#include "postgres/postgres_hosts.h"

#define DEFAULT_USER "postgres"

enum { COL_RECOVERY, COL_READ_ONLY, COL_LISTEN, COL_SOURCE };

const char *postgres_user(const struct postgres_run *r)
{
    const struct server_conf *s = &postgres_conf_of(r)->server;
    return s->user ? s->user : DEFAULT_USER;
}

enum talk_next postgres_not_it(struct postgres_run *r, const char *data, size_t len)
{
    return talk_said(&r->talk, REASON_PROTOCOL, "not the answer of a PostgreSQL server", data, len);
}

bool postgres_role_is_asked(const struct postgres_run *r)
{
    return postgres_conf_of(r)->require >= POSTGRES_REQUIRE_PRIMARY ||
           postgres_conf_of(r)->session != POSTGRES_SESSION_ANY ||
           r->look.found == INIT_GUARD_UNSEEN;
}

enum talk_next postgres_role_take(struct postgres_run *r, const char *body, size_t len)
{
    size_t at = 2;
    if (r->row || len < 2 || body[0] || body[1] != POSTGRES_COLUMNS)
        return postgres_not_it(r, body, len);
    for (size_t i = 0; i < POSTGRES_COLUMNS; i++) {
        uint32_t n = len - at < 4 ? UINT32_MAX : postgres_get_int(body + at);
        if (len - at < 4 || n > len - at - 4)
            return postgres_not_it(r, body, len);
        str_excerpt(body + at + 4, n, r->columns[i], sizeof r->columns[i]);
        at += 4 + n;
    }
    r->row = true;
    return at == len ? TALK_WAIT : postgres_not_it(r, body, len);
}

/* Is it the session that target_session_attrs means? */
static bool is_meant(const struct postgres_run *r, bool standby, bool read_only)
{
    switch (postgres_conf_of(r)->session) {
    case POSTGRES_SESSION_READ_WRITE:
        return !standby && !read_only;
    case POSTGRES_SESSION_READ_ONLY:
        return standby || read_only;
    case POSTGRES_SESSION_PRIMARY:
        return !standby;
    case POSTGRES_SESSION_STANDBY:
        return standby;
    case POSTGRES_SESSION_PREFER_STANDBY:
        return standby || r->second_pass;
    default:
        return true;
    }
}

static enum talk_next judge_require(struct postgres_run *r, bool standby, bool read_only)
{
    enum postgres_require require = postgres_conf_of(r)->require;
    if (standby && (require == POSTGRES_REQUIRE_PRIMARY || require == POSTGRES_REQUIRE_WRITABLE))
        return talk_end(&r->talk, REASON_NOT_WRITABLE, "a standby, which takes no writes");
    if (!standby && require == POSTGRES_REQUIRE_STANDBY)
        return talk_end(&r->talk, REASON_MISMATCH, "a primary, not a standby");
    if (read_only && require == POSTGRES_REQUIRE_WRITABLE)
        return talk_end(&r->talk, REASON_NOT_WRITABLE,
                        "a primary whose transactions are read-only");
    return talk_end(&r->talk, REASON_OK, "let in as %s, a %s%s", postgres_user(r),
                    standby ? "standby" : "primary", read_only && !standby ? ", read-only" : "");
}

enum talk_next postgres_role_judge(struct postgres_run *r)
{
    bool standby = strcmp(r->columns[COL_RECOVERY], "t") == 0;
    bool read_only = strcmp(r->columns[COL_READ_ONLY], "off") != 0;
    if (!r->row || (!standby && strcmp(r->columns[COL_RECOVERY], "f") != 0))
        return postgres_not_it(r, r->columns[COL_RECOVERY], strlen(r->columns[COL_RECOVERY]));
    if (r->look.found == INIT_GUARD_UNSEEN && !r->columns[COL_LISTEN][0] &&
        strcmp(r->columns[COL_SOURCE], "command line") == 0)
        return talk_end(&r->talk, REASON_INIT_PHASE, INIT_GUARD_WORDS " (listen_addresses tells)");
    if (!is_meant(r, standby, read_only)) {
        talk_end(&r->talk, standby ? REASON_NOT_WRITABLE : REASON_MISMATCH,
                 "a %s%s, not what target_session_attrs means", standby ? "standby" : "primary",
                 read_only && !standby ? ", read-only" : "");
        return postgres_hosts_next(r, POSTGRES_OTHER);
    }
    return judge_require(r, standby, read_only);
}
