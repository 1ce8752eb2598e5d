/* postgres_hosts: see postgres_hosts.h. */
#include "postgres/postgres_hosts.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"

const struct endpoint *postgres_hosts_place(const struct postgres_run *r)
{
    const struct server_conf *s = &postgres_conf_of(r)->server;
    return r->host ? &s->others[r->host - 1] : &s->ep;
}

/* A black hole must not take the time of those behind it: each has its share of what is left. */
static int64_t share(const struct postgres_run *r)
{
    const struct postgres_conf *c = postgres_conf_of(r);
    size_t n = c->server.n_others + 1, left = n - r->host;
    if (c->session == POSTGRES_SESSION_PREFER_STANDBY && !r->second_pass)
        left += n;
    int64_t time = r->talk.run.deadline - clock_now();
    return left > 1 && time > 0 ? time / (int64_t)left : 0;
}

void postgres_hosts_start(struct postgres_run *r, const struct talk_rules *rules)
{
    const struct server_conf *s = &postgres_conf_of(r)->server;
    r->talk.limit = share(r);
    talk_start(&r->talk, rules, &s->ep, NULL, &s->tls);
}

bool postgres_hosts_tls(const struct postgres_run *r)
{
    enum server_tls use = postgres_conf_of(r)->server.tls_use;
    if (postgres_hosts_place(r)->path) /* as libpq: never by a Unix socket */
        return false;
    return use == SERVER_TLS_YES || (use == SERVER_TLS_MAYBE && !r->other_way) ||
           (use == SERVER_TLS_ELSE && r->other_way);
}

static void remember(struct postgres_run *r)
{
    size_t len = strlen(r->earlier);
    snprintf(r->earlier + len, sizeof r->earlier - len, "%s; ", r->talk.detail);
}

static enum talk_next again(struct postgres_run *r)
{
    remember(r);
    scram_fini(&r->scram); /* zeroes it */
    explicit_bzero(&r->salting, sizeof r->salting);
    r->look = (struct init_guard_look){.found = INIT_GUARD_CLEAR};
    r->step = PG_CONNECT;
    r->row = false;
    r->talk.awaited = "the connection";
    r->talk.next_ep = postgres_hosts_place(r);
    return TALK_AGAIN;
}

/* The same server with TLS where it was without, or the other way round? */
static bool is_other_way_open(const struct postgres_run *r, enum postgres_miss miss)
{
    enum server_tls use = postgres_conf_of(r)->server.tls_use;
    if (r->other_way || postgres_hosts_place(r)->path)
        return false;
    return (use == SERVER_TLS_ELSE && miss == POSTGRES_REFUSED) ||
           (use == SERVER_TLS_MAYBE && r->talk.is_tls &&
            (miss == POSTGRES_REFUSED || miss == POSTGRES_NO_TLS));
}

static bool is_host_left(struct postgres_run *r)
{
    const struct postgres_conf *c = postgres_conf_of(r);
    if (r->host < c->server.n_others) {
        r->host++;
        return true;
    }
    if (c->session != POSTGRES_SESSION_PREFER_STANDBY || r->second_pass)
        return false;
    r->second_pass = true;
    r->host = 0;
    return true;
}

enum talk_next postgres_hosts_next(struct postgres_run *r, enum postgres_miss miss)
{
    if (is_other_way_open(r, miss)) {
        r->other_way = true;
        return again(r);
    }
    if ((miss == POSTGRES_UNREACHED || miss == POSTGRES_OTHER) && is_host_left(r)) {
        r->other_way = false;
        r->talk.limit = share(r);
        return again(r);
    }
    if (!r->is_there)
        probe_gone(&r->talk.run);
    if (*r->earlier) {
        remember(r);
        size_t len = strlen(r->earlier);
        len -= len > 2 && strcmp(r->earlier + len - 2, "; ") == 0 ? 2 : 0;
        snprintf(r->talk.detail, sizeof r->talk.detail, "%.*s", (int)len, r->earlier);
    }
    return TALK_DONE;
}
