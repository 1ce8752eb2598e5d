/* mongo_topology: see mongo_topology.h. */
#include "mongo/mongo_topology.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/str.h"

#define WIRE_OF_6_0 17 /* from here on an election's id counts before the set's version */

static void move_to(struct mongo_server *s, enum mongo_server_state to)
{
    static const unsigned allowed[] = {
        [MONGO_SERVER_ASKED] =
            1 << MONGO_SERVER_ANSWERED | 1 << MONGO_SERVER_FAILED | 1 << MONGO_SERVER_DROPPED,
        [MONGO_SERVER_ANSWERED] = 1 << MONGO_SERVER_FAILED | 1 << MONGO_SERVER_DROPPED,
        [MONGO_SERVER_FAILED] = 1 << MONGO_SERVER_ANSWERED | 1 << MONGO_SERVER_DROPPED,
        [MONGO_SERVER_DROPPED] = 0,
    };
    assert(allowed[s->state] & 1u << to);
    s->state = to;
}

/* ---- Who is in it ---- */

static void drop(struct mongo_server *s, const char *why)
{
    if (s->state == MONGO_SERVER_DROPPED)
        return;
    snprintf(s->detail, sizeof s->detail, "%s", why);
    move_to(s, MONGO_SERVER_DROPPED);
}

/* Room for so many, before any of them is pointed at. Memory that is out costs members. */
static void reserve(struct mongo_topology *t, size_t n)
{
    if (n > MONGO_HOSTS_MAX)
        n = MONGO_HOSTS_MAX;
    struct mongo_server *servers = n > t->room ? realloc(t->servers, n * sizeof *servers) : NULL;
    if (!servers)
        return;
    t->servers = servers;
    t->room = n;
}

static bool is_known(const struct mongo_topology *t, const char *address)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcasecmp(t->servers[i].address, address) == 0)
            return true;
    return false;
}

static size_t count_unknown(const struct mongo_topology *t, const struct mongo_members *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_hosts; i++)
        n += !is_known(t, m->hosts[i]);
    return n;
}

/* One that was dropped stays so for this check. */
static void add(struct mongo_topology *t, const char *address)
{
    if (is_known(t, address) || t->n == t->room)
        return;
    struct mongo_server *s = &t->servers[t->n];
    *s = (struct mongo_server){.state = MONGO_SERVER_ASKED, .rtt = -1, .address = strdup(address)};
    if (s->address)
        t->n++;
}

int mongo_topology_init(struct mongo_topology *t, char *const *seeds, size_t n,
                        const char *set_name)
{
    *t = (struct mongo_topology){.newest.set_version = -1};
    reserve(t, n);
    for (size_t i = 0; i < n; i++)
        add(t, seeds[i]);
    t->n_seeds = t->n;
    if (set_name) {
        t->kind = MONGO_KIND_SET;
        str_excerpt(set_name, strlen(set_name), t->set_name, sizeof t->set_name); /* as in hello */
    }
    return t->n > 0 ? 0 : -1;
}

void mongo_topology_fini(struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++) {
        free(t->servers[i].address);
        if (t->servers[i].tags)
            bson_destroy(t->servers[i].tags);
    }
    free(t->servers);
    t->servers = NULL;
    t->n = t->room = 0;
}

static bool names(const struct mongo_members *m, const char *address)
{
    for (size_t i = 0; i < m->n_hosts; i++)
        if (strcasecmp(m->hosts[i], address) == 0)
            return true;
    return false;
}

bool mongo_topology_is_member(enum mongo_role role)
{
    return role == MONGO_PRIMARY || role == MONGO_SECONDARY || role == MONGO_HIDDEN ||
           role == MONGO_ARBITER || role == MONGO_OTHER;
}

static int compare(int64_t a, int64_t b)
{
    return a < b ? -1 : a > b;
}

/* Is `e` not older than what was seen? Then it is the newest. */
static bool is_newest(struct mongo_topology *t, const struct mongo_election *e, bool id_first)
{
    static const uint8_t none[sizeof e->election_id];
    bool has_id = memcmp(e->election_id, none, sizeof none) != 0;
    int id = memcmp(e->election_id, t->newest.election_id, sizeof none);
    int version = compare(e->set_version, t->newest.set_version);
    if (id_first) {
        if (id < 0 || (id == 0 && version < 0))
            return false;
        t->newest = *e;
        return true;
    }
    if (has_id && e->set_version >= 0) {
        if (version < 0 || (version == 0 && id < 0))
            return false;
        memcpy(t->newest.election_id, e->election_id, sizeof none);
    }
    if (version > 0)
        t->newest.set_version = e->set_version;
    return true;
}

static bool is_primary(const struct mongo_server *s)
{
    return s->state == MONGO_SERVER_ANSWERED && s->hello.role == MONGO_PRIMARY;
}

static void outvote(struct mongo_server *s)
{
    s->reason = REASON_MISMATCH;
    snprintf(s->detail, sizeof s->detail, "primary of an older election");
    move_to(s, MONGO_SERVER_FAILED);
}

/* A new primary: who was one before is none any more, and whom it does not name is out. */
static void take_primary(struct mongo_topology *t, struct mongo_server *s,
                         const struct mongo_members *m)
{
    if (!is_newest(t, &m->election, s->hello.max_wire_version >= WIRE_OF_6_0)) {
        outvote(s);
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct mongo_server *other = &t->servers[i];
        if (other != s && is_primary(other))
            outvote(other);
    }
    t->passives = m->n_passives;
    for (size_t i = 0; i < m->n_hosts; i++)
        add(t, m->hosts[i]);
    for (size_t i = 0; i < t->n; i++)
        if (!names(m, t->servers[i].address))
            drop(&t->servers[i], "not named by the primary");
}

const struct mongo_server *mongo_topology_primary(const struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (is_primary(&t->servers[i]))
            return &t->servers[i];
    return NULL;
}

bool mongo_topology_is_complete(const struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->servers[i].state == MONGO_SERVER_ASKED)
            return false;
    return true;
}

static void take_member(struct mongo_topology *t, struct mongo_server *s,
                        const struct mongo_members *m)
{
    if (!t->set_name[0])
        snprintf(t->set_name, sizeof t->set_name, "%s", s->hello.set_name);
    if (strcmp(t->set_name, s->hello.set_name) != 0) {
        drop(s, "of another set");
        return;
    }
    if (s->hello.role == MONGO_PRIMARY) {
        take_primary(t, s, m);
        return;
    }
    for (size_t i = 0; i < m->n_hosts && !mongo_topology_primary(t); i++)
        add(t, m->hosts[i]);
    if (m->me && strcasecmp(m->me, s->address) != 0)
        drop(s, "known to its set by another name");
}

void mongo_topology_answer(struct mongo_topology *t, size_t i, const struct mongo_hello *hello,
                           const struct mongo_members *members)
{
    reserve(t, t->n + count_unknown(t, members));
    struct mongo_server *s = &t->servers[i];
    enum mongo_role role = hello->role;
    if (s->state == MONGO_SERVER_DROPPED)
        return;
    s->told = true;
    s->hello = *hello;
    if (s->tags)
        bson_destroy(s->tags);
    s->tags = members->tags ? bson_copy(members->tags) : NULL;
    if (s->state != MONGO_SERVER_ANSWERED)
        move_to(s, MONGO_SERVER_ANSWERED);
    if (role == MONGO_NOT_INITIATED)
        return;
    if (t->kind == MONGO_KIND_UNKNOWN && role == MONGO_MONGOS)
        t->kind = MONGO_KIND_SHARDED;
    else if (t->kind == MONGO_KIND_UNKNOWN && mongo_topology_is_member(role))
        t->kind = MONGO_KIND_SET;
    else if (t->kind == MONGO_KIND_UNKNOWN && t->n_seeds == 1)
        t->kind = MONGO_KIND_SINGLE;
    if (t->kind == MONGO_KIND_SET && mongo_topology_is_member(role))
        take_member(t, s, members);
    else if (t->kind == MONGO_KIND_SET)
        drop(s, "no member of a set");
    else if (t->kind == MONGO_KIND_SHARDED && role != MONGO_MONGOS)
        drop(s, "no mongos");
    else if (t->kind == MONGO_KIND_UNKNOWN)
        drop(s, "one of several hosts");
}

static void fail(struct mongo_server *s, enum reason reason, const char *detail)
{
    s->told = false;
    s->gone = false;
    s->reason = reason;
    snprintf(s->detail, sizeof s->detail, "%s", detail);
    if (s->state != MONGO_SERVER_FAILED)
        move_to(s, MONGO_SERVER_FAILED);
}

void mongo_topology_fail(struct mongo_topology *t, size_t i, enum reason reason, const char *detail)
{
    if (t->servers[i].state != MONGO_SERVER_DROPPED)
        fail(&t->servers[i], reason, detail);
}

bool mongo_topology_may_change(const struct mongo_topology *t, size_t i)
{
    const struct mongo_server *s = &t->servers[i];
    bool starts = s->reason == REASON_REFUSED || s->reason == REASON_RESET ||
                  s->reason == REASON_CLOSED || s->reason == REASON_UNREACHABLE;
    return s->state == MONGO_SERVER_ANSWERED ||
           (s->state == MONGO_SERVER_FAILED && !s->told && starts);
}

bool mongo_topology_end(struct mongo_topology *t)
{
    bool told = false;
    for (size_t i = 0; i < t->n; i++)
        told |= t->servers[i].told;
    for (size_t i = 0; told && i < t->n; i++)
        if (t->servers[i].state == MONGO_SERVER_ASKED)
            fail(&t->servers[i], REASON_TIMEOUT, "no answer");
    return told;
}

/* ---- What it is ---- */

static void take_state(const struct mongo_server *s, struct probe_member *m)
{
    static const char *const words[] = {
        [MONGO_STANDALONE] = "standalone", [MONGO_PRIMARY] = "primary",
        [MONGO_SECONDARY] = "secondary",   [MONGO_HIDDEN] = "hidden",
        [MONGO_ARBITER] = "arbiter",       [MONGO_OTHER] = "other",
        [MONGO_MONGOS] = "mongos",         [MONGO_NOT_INITIATED] = "not-initiated"};
    m->up = s->state == MONGO_SERVER_ANSWERED;
    if (m->up)
        m->state = words[s->hello.role];
    else if (s->state == MONGO_SERVER_ASKED)
        m->state = "unknown";
    else if (s->state == MONGO_SERVER_DROPPED)
        m->state = "dropped";
    else
        m->state = s->told ? "stale" : "unreachable";
    if (m->up && (s->hello.role == MONGO_SECONDARY || s->hello.role == MONGO_HIDDEN) &&
        s->hello.lag_ms >= 0)
        m->lag = s->hello.lag_ms * NS_PER_MS;
    m->error = m->up || s->state == MONGO_SERVER_ASKED ? NULL : s->detail;
}

size_t mongo_topology_members(const struct mongo_topology *t,
                              struct probe_member out[MONGO_HOSTS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (s->state == MONGO_SERVER_DROPPED && !s->told)
            continue;
        out[n] = (struct probe_member){.name = s->address, .lag = -1, .rtt = s->rtt};
        take_state(s, &out[n++]);
    }
    return n;
}
