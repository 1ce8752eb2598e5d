/* mongo_hello: see mongo_hello.h. */
#include "mongo/mongo_hello.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define HOST_BYTES_MAX 300 /* a name of DNS and a port */
#define TAGS_MAX       4096

/* The reply's fields that tell something. */
enum field {
    IS_WRITABLE_PRIMARY,
    IS_MASTER, /* of isMaster */
    READ_ONLY,
    SET_NAME,
    PRIMARY,
    MIN_WIRE_VERSION,
    MAX_WIRE_VERSION,
    LOCAL_TIME,
    LAST_WRITE,
    MSG,
    IS_REPLICA_SET,
    SECONDARY,
    HIDDEN,
    ARBITER_ONLY,
    SET_VERSION, /* from here on: for struct mongo_members */
    ELECTION_ID,
    ME,
    TAGS,
    HOSTS,
    PASSIVES,
    ARBITERS,
    FIELD_COUNT
};

static const char *const names[FIELD_COUNT] = {
    [IS_WRITABLE_PRIMARY] = "isWritablePrimary",
    [IS_MASTER] = "ismaster",
    [READ_ONLY] = "readOnly",
    [SET_NAME] = "setName",
    [PRIMARY] = "primary",
    [MIN_WIRE_VERSION] = "minWireVersion",
    [MAX_WIRE_VERSION] = "maxWireVersion",
    [LOCAL_TIME] = "localTime",
    [LAST_WRITE] = "lastWrite",
    [MSG] = "msg",
    [IS_REPLICA_SET] = "isreplicaset",
    [SECONDARY] = "secondary",
    [HIDDEN] = "hidden",
    [ARBITER_ONLY] = "arbiterOnly",
    [SET_VERSION] = "setVersion",
    [ELECTION_ID] = "electionId",
    [ME] = "me",
    [TAGS] = "tags",
    [HOSTS] = "hosts",
    [PASSIVES] = "passives",
    [ARBITERS] = "arbiters",
};

struct fields {
    struct {
        bson_iter_t it; /* over-aligned: no array of it without a struct around */
        bool there;
    } of[FIELD_COUNT];
};

/* One walk for all fields: a search for each would cost as much as all the rest. Of two fields of
 * one name the first counts, as in a search. */
static void find_fields(struct fields *f, const bson_t *doc)
{
    bson_iter_t it;
    for (size_t i = 0; i < FIELD_COUNT; i++)
        f->of[i].there = false;
    if (!bson_iter_init(&it, doc))
        return;
    while (bson_iter_next(&it)) {
        const char *key = bson_iter_key(&it);
        for (size_t i = 0; i < FIELD_COUNT; i++)
            if (names[i][0] == key[0] && strcmp(names[i], key) == 0 && !f->of[i].there) {
                f->of[i].there = true;
                f->of[i].it = it;
            }
    }
}

static bool is_true(const struct fields *f, enum field which)
{
    const bson_iter_t *it = &f->of[which].it;
    return f->of[which].there && BSON_ITER_HOLDS_BOOL(it) && bson_iter_bool(it);
}

/* A text as printable ASCII; "" when there is none. */
static void read_text(const struct fields *f, enum field which, char out[MONGO_NAME_MAX])
{
    const bson_iter_t *it = &f->of[which].it;
    uint32_t len;
    out[0] = '\0';
    if (f->of[which].there && BSON_ITER_HOLDS_UTF8(it)) {
        const char *text = bson_iter_utf8(it, &len);
        str_excerpt(text, len, out, MONGO_NAME_MAX);
    }
}

/* Milliseconds since the epoch; -1 when it is no date, or one that no clock shows. */
static int64_t read_date(const bson_iter_t *it)
{
    int64_t ms = BSON_ITER_HOLDS_DATE_TIME(it) ? bson_iter_date_time(it) : -1;
    return ms >= 0 && ms < INT64_MAX / NS_PER_MS ? ms : -1;
}

/* What it has seen written last. */
static int64_t read_last_write(const struct fields *f)
{
    const bson_iter_t *last = &f->of[LAST_WRITE].it;
    bson_iter_t date;
    if (!f->of[LAST_WRITE].there || !BSON_ITER_HOLDS_DOCUMENT(last) ||
        !bson_iter_recurse(last, &date) || !bson_iter_find(&date, "lastWriteDate"))
        return -1;
    return read_date(&date);
}

/* Both dates are of the server's own making: the last write that it has seen, and its clock. */
static int64_t read_lag(const struct fields *f, int64_t written)
{
    int64_t now = f->of[LOCAL_TIME].there ? read_date(&f->of[LOCAL_TIME].it) : -1;
    if (now < 0 || written < 0)
        return -1;
    return now > written ? now - written : 0;
}

static int32_t read_version(const struct fields *f, enum field which, int32_t otherwise)
{
    const bson_iter_t *it = &f->of[which].it;
    return f->of[which].there && BSON_ITER_HOLDS_INT32(it) ? bson_iter_int32(it) : otherwise;
}

static enum mongo_role read_role(const struct mongo_hello *h, const struct fields *f, bool primary)
{
    char msg[MONGO_NAME_MAX];
    read_text(f, MSG, msg);
    if (strcmp(msg, "isdbgrid") == 0)
        return MONGO_MONGOS;
    if (is_true(f, IS_REPLICA_SET))
        return MONGO_NOT_INITIATED;
    if (!h->set_name[0])
        return primary ? MONGO_STANDALONE : MONGO_OTHER;
    if (primary)
        return MONGO_PRIMARY;
    if (is_true(f, SECONDARY))
        return is_true(f, HIDDEN) ? MONGO_HIDDEN : MONGO_SECONDARY;
    return is_true(f, ARBITER_ONLY) ? MONGO_ARBITER : MONGO_OTHER;
}

static void read_hello(struct mongo_hello *h, const struct fields *f)
{
    memset(h, 0, sizeof *h);
    bool primary = is_true(f, IS_WRITABLE_PRIMARY) || is_true(f, IS_MASTER);
    h->read_only = is_true(f, READ_ONLY);
    h->writable = primary && !h->read_only;
    read_text(f, SET_NAME, h->set_name);
    read_text(f, PRIMARY, h->primary);
    h->min_wire_version = read_version(f, MIN_WIRE_VERSION, 0);
    h->max_wire_version = read_version(f, MAX_WIRE_VERSION, 0);
    h->last_write_ms = read_last_write(f);
    h->lag_ms = read_lag(f, h->last_write_ms);
    h->role = read_role(h, f, primary);
}

void mongo_hello_describe(const struct mongo_hello *h, char *out, size_t size)
{
    static const struct {
        const char *name, *more;
    } words[] = {
        [MONGO_STANDALONE] = {"standalone", ""},
        [MONGO_PRIMARY] = {"primary", ""},
        [MONGO_SECONDARY] = {"secondary", ""},
        [MONGO_HIDDEN] = {"hidden secondary", ""},
        [MONGO_ARBITER] = {"arbiter", ""},
        [MONGO_OTHER] = {"member", ", starting up, recovering or rolling back"},
        [MONGO_NOT_INITIATED] = {"member", ", its set is not initiated, or it was removed from it"},
        [MONGO_MONGOS] = {"mongos", ""},
    };
    const char *const parts[] = {
        words[h->role].name, h->set_name[0] ? " of " : "",      h->set_name,
        words[h->role].more, h->read_only ? ", read-only" : "", NULL};
    str_join(out, size, parts);
}

/* ---- What a member says of its set ---- */

static char *lower_copy(const bson_iter_t *it)
{
    uint32_t len;
    const char *text = bson_iter_utf8(it, &len);
    char *copy = len <= HOST_BYTES_MAX ? strndup(text, len) : NULL;
    for (char *p = copy; p && *p; p++)
        *p = (char)tolower((unsigned char)*p);
    return copy;
}

static void read_hosts(struct mongo_members *m, const struct fields *f, enum field list)
{
    const bson_iter_t *it = &f->of[list].it;
    bson_iter_t item;
    if (!f->of[list].there || !BSON_ITER_HOLDS_ARRAY(it) || !bson_iter_recurse(it, &item))
        return;
    while (m->n_hosts < MONGO_MEMBERS_MAX && bson_iter_next(&item)) {
        char *host = BSON_ITER_HOLDS_UTF8(&item) ? lower_copy(&item) : NULL;
        if (host)
            m->hosts[m->n_hosts++] = host;
    }
}

/* More than TAGS_MAX bytes are nobody's tags. */
static bson_t *copy_tags(const struct fields *f)
{
    const bson_iter_t *it = &f->of[TAGS].it;
    bson_t tags;
    const uint8_t *data;
    uint32_t len;
    if (!f->of[TAGS].there || !BSON_ITER_HOLDS_DOCUMENT(it))
        return NULL;
    bson_iter_document(it, &len, &data);
    bool some = len <= TAGS_MAX && bson_init_static(&tags, data, len) && !bson_empty(&tags);
    return some ? bson_copy(&tags) : NULL;
}

static void read_members(struct mongo_members *m, const struct fields *f)
{
    const bson_iter_t *version = &f->of[SET_VERSION].it, *id = &f->of[ELECTION_ID].it;
    const bson_iter_t *me = &f->of[ME].it;
    if (f->of[SET_VERSION].there &&
        (BSON_ITER_HOLDS_INT32(version) || BSON_ITER_HOLDS_INT64(version)))
        m->election.set_version = bson_iter_as_int64(version);
    if (f->of[ELECTION_ID].there && BSON_ITER_HOLDS_OID(id))
        memcpy(m->election.election_id, bson_iter_oid(id)->bytes, sizeof m->election.election_id);
    if (f->of[ME].there && BSON_ITER_HOLDS_UTF8(me))
        m->me = lower_copy(me);
    m->tags = copy_tags(f);
    read_hosts(m, f, HOSTS);
    size_t before = m->n_hosts;
    read_hosts(m, f, PASSIVES);
    m->n_passives = m->n_hosts - before;
    read_hosts(m, f, ARBITERS);
}

void mongo_hello_read(struct mongo_hello *h, struct mongo_members *m, const bson_t *reply)
{
    struct fields f;
    find_fields(&f, reply);
    read_hello(h, &f);
    if (!m)
        return;
    mongo_members_fini(m);
    read_members(m, &f);
}

void mongo_members_fini(struct mongo_members *m)
{
    for (size_t i = 0; i < m->n_hosts; i++)
        free(m->hosts[i]);
    free(m->me);
    if (m->tags)
        bson_destroy(m->tags);
    *m = (struct mongo_members){.election.set_version = -1};
}

/* ---- Whether it is what is wanted ---- */

static bool is_secondary(const struct mongo_hello *h)
{
    return h->role == MONGO_SECONDARY || h->role == MONGO_HIDDEN;
}

bool mongo_hello_has_role(const struct mongo_hello *h, enum mongo_require require)
{
    switch (require) {
    case MONGO_REQUIRE_DATA:
        return h->role == MONGO_PRIMARY || is_secondary(h) || h->role == MONGO_STANDALONE ||
               h->role == MONGO_MONGOS;
    case MONGO_REQUIRE_PRIMARY:
        return h->role == MONGO_PRIMARY;
    case MONGO_REQUIRE_SECONDARY:
        return is_secondary(h);
    case MONGO_REQUIRE_WRITABLE:
        return h->writable;
    default:
        return true;
    }
}

static enum reason role_reason(const struct mongo_hello *h, enum mongo_require require)
{
    if (h->role == MONGO_NOT_INITIATED)
        return REASON_NOT_INITIATED;
    if (require != MONGO_REQUIRE_PRIMARY && require != MONGO_REQUIRE_WRITABLE)
        return REASON_MISMATCH;
    if (h->set_name[0] && !h->primary[0] && h->role != MONGO_PRIMARY)
        return REASON_NO_PRIMARY;
    if (h->role == MONGO_STANDALONE || h->role == MONGO_MONGOS)
        return h->writable ? REASON_MISMATCH : REASON_NOT_WRITABLE;
    return REASON_NOT_WRITABLE;
}

static enum reason judge_role(const struct mongo_hello *h, enum mongo_require require,
                              const char *address, const char *what, char *detail)
{
    static const char *const wanted[] = {"", "a member with data", "the primary of a set",
                                         "a secondary", "a writable server"};
    if (mongo_hello_has_role(h, require))
        return REASON_OK;
    enum reason reason = role_reason(h, require);
    const char *known = "", *primary = "";
    if (reason == REASON_NO_PRIMARY)
        known = ", the set has no primary";
    else if (reason == REASON_NOT_WRITABLE && h->primary[0] && h->role != MONGO_PRIMARY)
        known = ", the primary is ", primary = h->primary;
    snprintf(detail, PROBE_DETAIL_MAX, "%s is %s%s%s, wanted %s", address, what, known, primary,
             wanted[require]);
    return reason;
}

static enum reason judge_lag(const struct mongo_hello *h, int64_t max_lag, const char *address,
                             const char *what, char *detail)
{
    char lag[CLOCK_SHORT_SIZE], most[CLOCK_SHORT_SIZE];
    clock_short(max_lag, most);
    if (h->lag_ms < 0) {
        snprintf(detail, PROBE_DETAIL_MAX,
                 "%s is %s, but does not tell its last write (max_lag %s)", address, what, most);
        return REASON_MISMATCH;
    }
    if (h->lag_ms * NS_PER_MS <= max_lag)
        return REASON_OK;
    snprintf(detail, PROBE_DETAIL_MAX, "%s is %s, its last write is %s behind, at most %s wanted",
             address, what, clock_short(h->lag_ms * NS_PER_MS, lag), most);
    return REASON_MISMATCH;
}

bool mongo_hello_is_of(const struct mongo_hello *h, const char *name)
{
    char shown[MONGO_NAME_MAX];
    return strcmp(h->set_name, str_excerpt(name, strlen(name), shown, sizeof shown)) == 0;
}

bool mongo_hello_is_incompatible(const struct mongo_hello *h)
{
    return h->min_wire_version > MONGO_WIRE_VERSION_MAX ||
           h->max_wire_version < MONGO_WIRE_VERSION_MIN;
}

enum reason mongo_hello_judge(const struct mongo_hello *h, const struct mongo_wish *wish,
                              const char *address, char detail[PROBE_DETAIL_MAX])
{
    char what[MONGO_NAME_MAX + 64];
    mongo_hello_describe(h, what, sizeof what);
    if (mongo_hello_is_incompatible(h)) {
        snprintf(detail, PROBE_DETAIL_MAX,
                 "%s is %s of wire versions %d to %d: too %s for drivers, which speak %d to %d",
                 address, what, h->min_wire_version, h->max_wire_version,
                 h->min_wire_version > MONGO_WIRE_VERSION_MAX ? "new" : "old",
                 MONGO_WIRE_VERSION_MIN, MONGO_WIRE_VERSION_MAX);
        return REASON_MISMATCH;
    }
    bool none = h->role == MONGO_NOT_INITIATED;
    if (wish->set_name && (none || !mongo_hello_is_of(h, wish->set_name))) {
        snprintf(detail, PROBE_DETAIL_MAX, "%s is %s, wanted set %s", address, what,
                 wish->set_name);
        return none ? REASON_NOT_INITIATED : REASON_MISMATCH;
    }
    enum reason reason = judge_role(h, wish->require, address, what, detail);
    if (reason == REASON_OK && wish->max_lag > 0 && is_secondary(h))
        reason = judge_lag(h, wish->max_lag, address, what, detail);
    if (reason == REASON_OK)
        str_join(detail, PROBE_DETAIL_MAX,
                 (const char *const[]){"ping ok from ", address, ", ", what, NULL});
    return reason;
}
