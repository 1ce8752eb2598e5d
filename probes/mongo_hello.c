/* mongo_hello: see mongo_hello.h. */
#include "mongo_hello.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

static bool is_true(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}

/* A text as printable ASCII; "" when there is none. */
static void read_text(const bson_t *doc, const char *name, char out[MONGO_NAME_MAX])
{
    bson_iter_t it;
    uint32_t len;
    out[0] = '\0';
    if (bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)) {
        const char *text = bson_iter_utf8(&it, &len);
        str_excerpt(text, len, out, MONGO_NAME_MAX);
    }
}

/* Milliseconds since the epoch; -1 when it is no date, or one that no clock shows. */
static int64_t read_date(const bson_iter_t *it)
{
    int64_t ms = BSON_ITER_HOLDS_DATE_TIME(it) ? bson_iter_date_time(it) : -1;
    return ms >= 0 && ms < INT64_MAX / NS_PER_MS ? ms : -1;
}

/* Both dates are of the server's own making: what it has seen written last, and its clock. */
static int64_t read_lag(const bson_t *doc)
{
    bson_iter_t it, date;
    int64_t now = bson_iter_init_find(&it, doc, "localTime") ? read_date(&it) : -1;
    if (now < 0 || !bson_iter_init(&it, doc) ||
        !bson_iter_find_descendant(&it, "lastWrite.lastWriteDate", &date))
        return -1;
    int64_t written = read_date(&date);
    if (written < 0)
        return -1;
    return now > written ? now - written : 0;
}

static enum mongo_role read_role(const struct mongo_hello *h, const bson_t *doc, bool primary)
{
    char msg[MONGO_NAME_MAX];
    read_text(doc, "msg", msg);
    if (strcmp(msg, "isdbgrid") == 0)
        return MONGO_MONGOS;
    if (is_true(doc, "isreplicaset"))
        return MONGO_NOT_INITIATED;
    if (!h->set_name[0])
        return primary ? MONGO_STANDALONE : MONGO_OTHER;
    if (primary)
        return MONGO_PRIMARY;
    if (is_true(doc, "secondary"))
        return is_true(doc, "hidden") ? MONGO_HIDDEN : MONGO_SECONDARY;
    return is_true(doc, "arbiterOnly") ? MONGO_ARBITER : MONGO_OTHER;
}

void mongo_hello_read(struct mongo_hello *h, const bson_t *reply)
{
    bson_iter_t it;
    memset(h, 0, sizeof *h);
    bool primary = is_true(reply, "isWritablePrimary") || is_true(reply, "ismaster");
    h->read_only = is_true(reply, "readOnly");
    h->writable = primary && !h->read_only;
    read_text(reply, "setName", h->set_name);
    read_text(reply, "primary", h->primary);
    if (bson_iter_init_find(&it, reply, "maxWireVersion") && BSON_ITER_HOLDS_INT32(&it))
        h->max_wire_version = bson_iter_int32(&it);
    h->lag_ms = read_lag(reply);
    h->role = read_role(h, reply, primary);
}

/* "primary of rs0", "standalone". */
static void describe(const struct mongo_hello *h, char *out, size_t size)
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
    snprintf(out, size, "%s%s%s%s%s", words[h->role].name, h->set_name[0] ? " of " : "",
             h->set_name, words[h->role].more, h->read_only ? ", read-only" : "");
}

static bool is_secondary(const struct mongo_hello *h)
{
    return h->role == MONGO_SECONDARY || h->role == MONGO_HIDDEN;
}

static bool role_met(const struct mongo_hello *h, enum mongo_require require)
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
    if (role_met(h, require))
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

enum reason mongo_hello_judge(const struct mongo_hello *h, const struct mongo_wish *wish,
                              const char *address, char detail[PROBE_DETAIL_MAX])
{
    char what[MONGO_NAME_MAX + 64];
    describe(h, what, sizeof what);
    if (wish->set_name && h->role == MONGO_NOT_INITIATED) {
        snprintf(detail, PROBE_DETAIL_MAX, "%s is %s, wanted set %s", address, what,
                 wish->set_name);
        return REASON_NOT_INITIATED;
    }
    if (wish->set_name && strcmp(wish->set_name, h->set_name) != 0) {
        snprintf(detail, PROBE_DETAIL_MAX, "%s is %s, wanted set %s", address, what,
                 wish->set_name);
        return REASON_MISMATCH;
    }
    enum reason reason = judge_role(h, wish->require, address, what, detail);
    if (reason == REASON_OK && wish->max_lag > 0 && is_secondary(h))
        reason = judge_lag(h, wish->max_lag, address, what, detail);
    if (reason == REASON_OK)
        snprintf(detail, PROBE_DETAIL_MAX, "ping ok from %s, %s", address, what);
    return reason;
}
