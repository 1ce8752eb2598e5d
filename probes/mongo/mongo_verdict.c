/* mongo_verdict: see mongo_verdict.h. */
#include "mongo/mongo_verdict.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_select.h"

/* ---- What each member is ---- */

static void describe_server(const struct mongo_server *s, bool tags, struct buf *b)
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
    if (tags && s->tags) {
        buf_puts(b, " (tags ");
        mongo_prefer_put_tags(b, s->tags);
        buf_puts(b, ")");
    }
    if (s->state == MONGO_SERVER_DROPPED && s->told)
        buf_printf(b, ", %s", s->detail);
    else if (s->state == MONGO_SERVER_FAILED && s->told)
        buf_printf(b, " (%s)", s->detail);
    else if (s->state == MONGO_SERVER_FAILED)
        buf_puts(b, s->reason == REASON_DNS && s->gone ? "no such name"
                    : s->reason == REASON_TIMEOUT      ? "no answer"
                                                       : reason_name(s->reason));
    else if (s->state == MONGO_SERVER_ASKED)
        buf_puts(b, "no answer yet");
}

static void describe(const struct mongo_topology *t, bool tags, char out[PROBE_DETAIL_MAX])
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
        describe_server(s, tags, &b);
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
    size_t asked, members, ghosts, failed, gone, silent, dropped;
    const struct mongo_server *worst; /* of those that failed */
    const struct mongo_server *seed;  /* answered, but is not what the set's members are called */
};

/* The more it tells, the later in the list. */
static int weight(enum reason reason)
{
    static const enum reason order[] = {REASON_REFUSED, REASON_DNS,       REASON_RESET,
                                        REASON_CLOSED,  REASON_PROTOCOL,  REASON_TLS,
                                        REASON_AUTH,    REASON_INIT_PHASE};
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
        if (s->state == MONGO_SERVER_DROPPED && s->told &&
            mongo_topology_is_member(s->hello.role) && strcmp(s->hello.set_name, t->set_name) == 0)
            n.seed = s;
        if (s->state != MONGO_SERVER_FAILED)
            continue;
        n.failed++;
        n.gone += s->gone;
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

void mongo_verdict_describe(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX])
{
    const struct tally n = count(t);
    char seen[PROBE_DETAIL_MAX];
    describe(t, false, seen);
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
    size_t n = count_data(t);
    describe(t, false, seen);
    snprintf(detail, PROBE_DETAIL_MAX, "%zu %s, at least %zu wanted: %.300s", n,
             n == 1 ? "member that holds data answers" : "members that hold data answer", wanted,
             seen);
    return REASON_MISMATCH;
}

/* Some answer, and none of them is what is required; one that hangs may be. */
static enum reason lacks(const struct mongo_topology *t, enum mongo_require require,
                         const struct tally *n, char detail[PROBE_DETAIL_MAX])
{
    static const char *const wanted[] = {"member with data", "member with data", "primary of a set",
                                         "secondary", "writable server"};
    char seen[PROBE_DETAIL_MAX];
    describe(t, false, seen);
    snprintf(detail, PROBE_DETAIL_MAX, "no %s: %.350s", wanted[require], seen);
    return n->silent > 0 ? REASON_TIMEOUT : REASON_MISMATCH;
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
        mongo_verdict_describe(t, detail);
        return n.worst->reason;
    }
    if (t->n == 1 && n.members == 1) {
        enum reason reason =
            mongo_hello_judge(&t->servers[0].hello, wish, t->servers[0].address, detail);
        if (reason != REASON_OK)
            return reason;
    }
    describe(t, false, detail);
    if (n.members > 0 && for_writes && t->kind == MONGO_KIND_SET)
        return REASON_NO_PRIMARY;
    if (n.members > 0)
        return lacks(t, wish->require, &n, detail);
    if (n.ghosts > 0)
        return REASON_NOT_INITIATED;
    if (!n.worst)
        return REASON_MISMATCH; /* all were dropped */
    *gone = n.gone == t->n;
    if (n.failed == 1 && n.dropped == 0)
        snprintf(detail, PROBE_DETAIL_MAX, "%.390s", n.worst->detail);
    return n.worst->reason;
}

/* Somebody meets what is required, but nobody may be read from. */
static enum reason no_reader(const struct mongo_topology *t, const struct mongo_prefer *p,
                             char detail[PROBE_DETAIL_MAX])
{
    const struct tally n = count(t);
    char seen[PROBE_DETAIL_MAX];
    struct buf b;
    describe(t, p->tag_sets != NULL, seen);
    buf_init(&b, PROBE_DETAIL_MAX / 2);
    mongo_prefer_describe(p, &b);
    snprintf(detail, PROBE_DETAIL_MAX, "no member for %.*s: %.300s", (int)b.len,
             b.data ? b.data : "", seen);
    buf_fini(&b);
    if (p->mode == MONGOC_READ_PRIMARY)
        return REASON_NO_PRIMARY;
    return n.silent > 0 ? REASON_TIMEOUT : REASON_MISMATCH;
}

/* Who is what the wish asks for. */
struct finding {
    const struct mongo_server *server; /* NULL: none */
    bool judged;                       /* one was, and not good enough if it is not `server` */
    enum reason reason;                /* of the last that was judged */
    char detail[PROBE_DETAIL_MAX];
};

/* `reads`: only one that wish->prefer reads from. */
static void find(const struct mongo_topology *t, const struct mongo_wish *wish, bool reads,
                 struct finding *f)
{
    f->server = NULL;
    f->judged = false;
    for (size_t i = 0; i < t->n && !f->server; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (!is_candidate(s, wish->require) || (reads && !mongo_select_fits(t, wish->prefer, i)))
            continue;
        f->judged = true;
        f->reason = mongo_hello_judge(&s->hello, wish, s->address, f->detail);
        if (f->reason == REASON_OK)
            f->server = s;
    }
}

/* One who is both comes first; else there may be one for each. */
static void find_both(const struct mongo_topology *t, const struct mongo_wish *wish,
                      struct finding *required, struct finding *reader)
{
    struct mongo_wish data = *wish;
    find(t, wish, wish->prefer != NULL, required);
    *reader = *required;
    if (required->server || !wish->prefer)
        return;
    data.require = MONGO_REQUIRE_DATA;
    find(t, wish, false, required);
    find(t, &data, true, reader);
}

static void tell_found(const struct finding *required, const struct finding *reader,
                       char detail[PROBE_DETAIL_MAX])
{
    char what[MONGO_NAME_MAX + 64];
    memcpy(detail, required->detail, PROBE_DETAIL_MAX);
    if (reader->server == required->server)
        return;
    mongo_hello_describe(&reader->server->hello, what, sizeof what);
    snprintf(detail, PROBE_DETAIL_MAX, "%.200s; reads go to %.80s, %.80s", required->detail,
             reader->server->address, what);
}

static enum reason refuse_reads(const struct mongo_prefer *p, char detail[PROBE_DETAIL_MAX])
{
    snprintf(detail, PROBE_DETAIL_MAX,
             "drivers refuse maxStalenessSeconds=%lld with a replica set: at least 90, and 10 "
             "above heartbeatFrequencyMS",
             (long long)(p->max_staleness / NS_PER_S));
    return REASON_MISMATCH;
}

/* One that could not be asked, for want of memory or descriptors here, may be the one. */
static const struct mongo_server *find_unasked(const struct mongo_topology *t)
{
    for (size_t i = 0; i < t->n; i++)
        if (t->servers[i].state == MONGO_SERVER_FAILED && t->servers[i].reason == REASON_INTERNAL)
            return &t->servers[i];
    return NULL;
}

bool mongo_verdict(const struct mongo_topology *t, const struct mongo_wish *wish,
                   enum reason *reason, char detail[PROBE_DETAIL_MAX], bool *gone)
{
    struct finding required, reader;
    *gone = false;
    if (wish->prefer && mongo_select_is_vain(t, wish->prefer)) {
        *reason = refuse_reads(wish->prefer, detail);
        return true;
    }
    find_both(t, wish, &required, &reader);
    if (required.server && reader.server && count_data(t) >= wish->min_members) {
        *reason = REASON_OK;
        tell_found(&required, &reader, detail);
        return true;
    }
    if (!mongo_topology_is_complete(t))
        return false;
    const struct finding *blamed = required.server ? &reader : &required;
    const struct mongo_server *unasked = find_unasked(t);
    if (unasked) {
        *reason = REASON_INTERNAL;
        snprintf(detail, PROBE_DETAIL_MAX, "%s", unasked->detail);
    } else if (required.server && reader.server) {
        *reason = too_few(t, wish->min_members, detail);
    } else if (blamed->judged) { /* no candidate was good enough: the last one's words */
        *reason = blamed->reason;
        memcpy(detail, blamed->detail, PROBE_DETAIL_MAX);
    } else if (required.server) {
        *reason = no_reader(t, wish->prefer, detail);
    } else {
        *reason = conclude(t, wish, detail, gone);
    }
    return true;
}
