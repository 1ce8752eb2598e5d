/* mongo_topology: see mongo_topology.h. */
#include "mongo/mongo_topology.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"

#define WIRE_OF_6_0 17 /* from here on an election's id counts before the set's version */

static void move_to(struct mongo_server *s, enum mongo_server_state to)
{
    static const unsigned allowed[] = {
        [MONGO_SERVER_ASKED] =
            1 << MONGO_SERVER_ANSWERED | 1 << MONGO_SERVER_FAILED | 1 << MONGO_SERVER_DROPPED,
        [MONGO_SERVER_ANSWERED] = 1 << MONGO_SERVER_FAILED | 1 << MONGO_SERVER_DROPPED,
        [MONGO_SERVER_FAILED] = 1 << MONGO_SERVER_DROPPED,
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

/* One that was dropped comes back when a member names it. Memory that is out costs a member. */
static void add(struct mongo_topology *t, const char *address)
{
    for (size_t i = 0; i < t->n; i++)
        if (strcasecmp(t->servers[i].address, address) == 0)
            return;
    if (t->n == MONGO_HOSTS_MAX)
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
    for (size_t i = 0; i < n; i++)
        add(t, seeds[i]);
    t->n_seeds = t->n;
    if (set_name) {
        t->kind = MONGO_KIND_SET;
        snprintf(t->set_name, sizeof t->set_name, "%s", set_name);
    }
    return t->n > 0 ? 0 : -1;
}

void mongo_topology_fini(struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->servers[i].address);
    t->n = 0;
}

static bool names(const struct mongo_members *m, const char *address)
{
    for (size_t i = 0; i < m->n_hosts; i++)
        if (strcasecmp(m->hosts[i], address) == 0)
            return true;
    return false;
}

static bool is_of_set(enum mongo_role role)
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

/* A new primary: who was one before is none any more, and whom it does not name is out. */
static void take_primary(struct mongo_topology *t, struct mongo_server *s,
                         const struct mongo_members *m)
{
    if (!is_newest(t, &m->election, s->hello.max_wire_version >= WIRE_OF_6_0)) {
        s->reason = REASON_MISMATCH;
        snprintf(s->detail, sizeof s->detail, "primary of an older election");
        move_to(s, MONGO_SERVER_FAILED);
        return;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct mongo_server *other = &t->servers[i];
        if (other == s || other->state != MONGO_SERVER_ANSWERED ||
            other->hello.role != MONGO_PRIMARY)
            continue;
        other->reason = REASON_MISMATCH;
        snprintf(other->detail, sizeof other->detail, "primary of an older election");
        move_to(other, MONGO_SERVER_FAILED);
    }
    t->passives = m->n_passives;
    for (size_t i = 0; i < m->n_hosts; i++)
        add(t, m->hosts[i]);
    for (size_t i = 0; i < t->n; i++)
        if (!names(m, t->servers[i].address))
            drop(&t->servers[i], "not named by the primary");
}

static bool has_primary(const struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->servers[i].state == MONGO_SERVER_ANSWERED &&
            t->servers[i].hello.role == MONGO_PRIMARY)
            return true;
    return false;
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
    for (size_t i = 0; i < m->n_hosts && !has_primary(t); i++)
        add(t, m->hosts[i]);
    if (m->me && strcasecmp(m->me, s->address) != 0)
        drop(s, "known to its set by another name");
}

void mongo_topology_answer(struct mongo_topology *t, size_t i, const struct mongo_hello *hello,
                           const struct mongo_members *members)
{
    struct mongo_server *s = &t->servers[i];
    enum mongo_role role = hello->role;
    if (s->state != MONGO_SERVER_ASKED)
        return;
    s->told = true;
    s->hello = *hello;
    move_to(s, MONGO_SERVER_ANSWERED);
    if (role == MONGO_NOT_INITIATED)
        return;
    if (t->kind == MONGO_KIND_UNKNOWN && role == MONGO_MONGOS)
        t->kind = MONGO_KIND_SHARDED;
    else if (t->kind == MONGO_KIND_UNKNOWN && is_of_set(role))
        t->kind = MONGO_KIND_SET;
    else if (t->kind == MONGO_KIND_UNKNOWN && t->n_seeds == 1)
        t->kind = MONGO_KIND_SINGLE;
    if (t->kind == MONGO_KIND_SET && is_of_set(role))
        take_member(t, s, members);
    else if (t->kind == MONGO_KIND_SET)
        drop(s, "no member of a set");
    else if (t->kind == MONGO_KIND_SHARDED && role != MONGO_MONGOS)
        drop(s, "no mongos");
    else if (t->kind == MONGO_KIND_UNKNOWN)
        drop(s, "one of several hosts");
}

void mongo_topology_fail(struct mongo_topology *t, size_t i, enum reason reason, const char *detail)
{
    struct mongo_server *s = &t->servers[i];
    if (s->state != MONGO_SERVER_ASKED)
        return;
    s->reason = reason;
    snprintf(s->detail, sizeof s->detail, "%s", detail);
    move_to(s, MONGO_SERVER_FAILED);
}

bool mongo_topology_end(struct mongo_topology *t)
{
    bool told = false;
    for (size_t i = 0; i < t->n; i++)
        told |= t->servers[i].told;
    for (size_t i = 0; told && i < t->n; i++)
        mongo_topology_fail(t, i, REASON_TIMEOUT, "no answer");
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

static void describe_server(const struct mongo_server *s, struct buf *b)
{
    static const char *const roles[] = {[MONGO_STANDALONE] = "standalone",
                                        [MONGO_PRIMARY] = "primary",
                                        [MONGO_SECONDARY] = "secondary",
                                        [MONGO_HIDDEN] = "hidden secondary",
                                        [MONGO_ARBITER] = "arbiter",
                                        [MONGO_OTHER] = "starting up, recovering or rolling back",
                                        [MONGO_MONGOS] = "mongos",
                                        [MONGO_NOT_INITIATED] = "not initiated"};
    char lag[CLOCK_SHORT_SIZE];
    buf_printf(b, "%s ", s->address);
    if (s->told)
        buf_puts(b, roles[s->hello.role]);
    if (s->told && s->hello.role == MONGO_SECONDARY && s->hello.lag_ms > 0)
        buf_printf(b, " (lag %s)", clock_short(s->hello.lag_ms * NS_PER_MS, lag));
    if (s->state == MONGO_SERVER_DROPPED && s->told)
        buf_printf(b, ", %s", s->detail);
    else if (s->state == MONGO_SERVER_FAILED && s->told)
        buf_printf(b, " (%s)", s->detail);
    else if (s->state == MONGO_SERVER_FAILED)
        buf_puts(b, s->reason == REASON_DNS && strstr(s->detail, "no such name") ? "no such name"
                    : s->reason == REASON_TIMEOUT                                ? "no answer"
                                                  : reason_name(s->reason));
    else if (s->state == MONGO_SERVER_ASKED)
        buf_puts(b, "no answer yet");
}

static void describe(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX])
{
    struct buf b;
    bool first = true;
    buf_init(&b, PROBE_DETAIL_MAX - 1);
    if (t->set_name[0])
        buf_printf(&b, "%s: ", t->set_name);
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (s->state == MONGO_SERVER_DROPPED && !s->told)
            continue;
        buf_puts(&b, first ? "" : ", ");
        describe_server(s, &b);
        first = false;
    }
    snprintf(out, PROBE_DETAIL_MAX, "%s", b.data ? b.data : "");
    buf_fini(&b);
}

/* ---- Whether it is what is wanted ---- */

/* May the deployment's clients be led to it? A hidden member, an arbiter or one that is starting up
 * answers, and serves nobody. */
static bool is_candidate(const struct mongo_server *s, enum mongo_require require)
{
    if (s->state != MONGO_SERVER_ANSWERED || s->hello.role == MONGO_HIDDEN)
        return false;
    return mongo_hello_has_role(&s->hello,
                                require == MONGO_REQUIRE_PING ? MONGO_REQUIRE_DATA : require);
}

struct tally {
    size_t asked, members, ghosts, failed, refused, silent, dropped;
    const struct mongo_server *worst; /* of those that failed */
    const struct mongo_server *seed;  /* answered, but is not what the set's members are called */
};

/* The more it tells, the later in the list. */
static int weight(enum reason reason)
{
    static const enum reason order[] = {REASON_REFUSED, REASON_DNS,      REASON_RESET,
                                        REASON_CLOSED,  REASON_PROTOCOL, REASON_TLS,
                                        REASON_AUTH,    REASON_INTERNAL, REASON_INIT_PHASE};
    for (size_t i = 0; i < ARRAY_LEN(order); i++)
        if (order[i] == reason)
            return (int)i + 2;
    return 1;
}

static struct tally count(const struct mongo_topology *t)
{
    struct tally n = {0};
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        n.asked += s->state == MONGO_SERVER_ASKED;
        n.dropped += s->state == MONGO_SERVER_DROPPED && s->told;
        if (s->state == MONGO_SERVER_ANSWERED && s->hello.role == MONGO_NOT_INITIATED)
            n.ghosts++;
        else if (s->state == MONGO_SERVER_ANSWERED)
            n.members++;
        if (s->state == MONGO_SERVER_DROPPED && s->told && is_of_set(s->hello.role) &&
            strcmp(s->hello.set_name, t->set_name) == 0)
            n.seed = s;
        if (s->state != MONGO_SERVER_FAILED)
            continue;
        n.failed++;
        n.refused += s->reason == REASON_REFUSED;
        n.silent += s->reason == REASON_TIMEOUT;
        if (!n.worst || weight(s->reason) > weight(n.worst->reason))
            n.worst = s;
    }
    return n;
}

/* The commonest mistake with containers: who was asked is known to its set by another name, and no
 * name of the set leads anywhere. */
static bool is_advertised_in_vain(const struct tally *n)
{
    return n->seed && n->members == 0 && n->failed + n->asked > 0;
}

void mongo_topology_describe(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX])
{
    const struct tally n = count(t);
    char seen[PROBE_DETAIL_MAX];
    describe(t, seen);
    if (is_advertised_in_vain(&n))
        snprintf(out, PROBE_DETAIL_MAX,
                 "%s answers, but its set advertises addresses that cannot be reached from here: "
                 "%.200s (directConnection=true asks that one host alone)",
                 n.seed->address, seen);
    else
        memcpy(out, seen, sizeof seen);
}

static size_t count_data(const struct mongo_topology *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->n; i++)
        n += t->servers[i].state == MONGO_SERVER_ANSWERED &&
             mongo_hello_has_role(&t->servers[i].hello, MONGO_REQUIRE_DATA);
    return n;
}

static enum reason too_few(const struct mongo_topology *t, size_t wanted,
                           char detail[PROBE_DETAIL_MAX])
{
    char seen[PROBE_DETAIL_MAX];
    describe(t, seen);
    snprintf(detail, PROBE_DETAIL_MAX,
             "%zu members that hold data answer, at least %zu wanted: %.300s", count_data(t),
             wanted, seen);
    return REASON_MISMATCH;
}

/* Nobody is left who could still meet it. */
static enum reason conclude(const struct mongo_topology *t, const struct mongo_wish *wish,
                            char detail[PROBE_DETAIL_MAX], bool *gone)
{
    bool for_writes =
        wish->require == MONGO_REQUIRE_PRIMARY || wish->require == MONGO_REQUIRE_WRITABLE;
    const struct tally n = count(t);
    if (n.worst && weight(n.worst->reason) >= weight(REASON_AUTH)) {
        snprintf(detail, PROBE_DETAIL_MAX, "%.390s", n.worst->detail);
        return n.worst->reason;
    }
    if (is_advertised_in_vain(&n)) {
        mongo_topology_describe(t, detail);
        return n.worst->reason;
    }
    if (t->n == 1 && n.members == 1) {
        enum reason reason =
            mongo_hello_judge(&t->servers[0].hello, wish, t->servers[0].address, detail);
        if (reason != REASON_OK)
            return reason;
    }
    describe(t, detail);
    if (n.members > 0 && for_writes && t->kind == MONGO_KIND_SET)
        return REASON_NO_PRIMARY;
    if (n.members > 0) /* one that hangs may be what is wanted */
        return n.silent > 0 ? REASON_TIMEOUT : REASON_MISMATCH;
    if (n.ghosts > 0)
        return REASON_NOT_INITIATED;
    if (!n.worst)
        return REASON_MISMATCH; /* all were dropped */
    *gone = n.refused == t->n;
    if (n.failed == 1 && n.dropped == 0)
        snprintf(detail, PROBE_DETAIL_MAX, "%.390s", n.worst->detail);
    return n.worst->reason;
}

bool mongo_topology_judge(const struct mongo_topology *t, const struct mongo_wish *wish,
                          enum reason *reason, char detail[PROBE_DETAIL_MAX], bool *gone)
{
    bool asked = false, judged = false, met = false;
    *gone = false;
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        asked |= s->state == MONGO_SERVER_ASKED;
        if (!is_candidate(s, wish->require))
            continue;
        judged = true;
        *reason = mongo_hello_judge(&s->hello, wish, s->address, detail);
        if (*reason == REASON_OK && count_data(t) >= wish->min_members)
            return true;
        met |= *reason == REASON_OK;
    }
    if (asked)
        return false;
    if (met)
        *reason = too_few(t, wish->min_members, detail);
    else if (!judged) /* else no candidate was good enough: the last one's words */
        *reason = conclude(t, wish, detail, gone);
    return true;
}
