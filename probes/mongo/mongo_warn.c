/* mongo_warn: see mongo_warn.h. */
#include "mongo/mongo_warn.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"

static bool has_lag(const struct mongo_hello *h)
{
    return h->role == MONGO_SECONDARY || h->role == MONGO_HIDDEN;
}

/* One that tells no lag may be behind by any. */
static bool lags(const struct mongo_hello *h, int64_t most)
{
    return most > 0 && has_lag(h) && (h->lag_ms < 0 || h->lag_ms * NS_PER_MS > most);
}

bool mongo_warn_server(const struct mongo_hello *h, const struct mongo_wish *wish,
                       const char *address, char out[PROBE_DETAIL_MAX])
{
    char lag[CLOCK_SHORT_SIZE], most[CLOCK_SHORT_SIZE];
    if (!lags(h, wish->warn_lag))
        return false;
    clock_short(wish->warn_lag, most);
    if (h->lag_ms < 0)
        snprintf(out, PROBE_DETAIL_MAX, "%s does not tell its last write, warn_lag is %s", address,
                 most);
    else
        snprintf(out, PROBE_DETAIL_MAX, "the last write of %s is %s behind, warn_lag is %s",
                 address, clock_short(h->lag_ms * NS_PER_MS, lag), most);
    return true;
}

bool mongo_warn_lag(const struct mongo_topology *t, const struct mongo_wish *wish,
                    char out[PROBE_DETAIL_MAX])
{
    const struct mongo_server *worst = NULL;
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (s->state != MONGO_SERVER_ANSWERED || !lags(&s->hello, wish->warn_lag))
            continue;
        if (!worst || s->hello.lag_ms > worst->hello.lag_ms)
            worst = s;
    }
    return worst && mongo_warn_server(&worst->hello, wish, worst->address, out);
}

/* Does nothing of it answer? Whoever refuses a login, or speaks TLS wrong, lives and votes; where
 * its name could not be looked up, or we had no memory, nothing is known of it. */
static bool is_gone(const struct mongo_server *s)
{
    if (s->state != MONGO_SERVER_FAILED || s->told)
        return false;
    switch (s->reason) {
    case REASON_REFUSED:
    case REASON_UNREACHABLE:
    case REASON_RESET:
    case REASON_CLOSED:
    case REASON_TIMEOUT:
        return true;
    default:
        return s->reason == REASON_DNS && s->gone;
    }
}

/* Once the primary has named its members, whoever else was asked is dropped. */
bool mongo_warn_reserve(const struct mongo_topology *t, const struct mongo_wish *wish,
                        char out[PROBE_DETAIL_MAX])
{
    struct buf b;
    size_t all = 0, gone = 0;
    if (wish->min_members == 0 || t->kind != MONGO_KIND_SET || t->passives ||
        !mongo_topology_primary(t))
        return false;
    buf_init(&b, PROBE_DETAIL_MAX / 2);
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        all += s->state != MONGO_SERVER_DROPPED;
        if (!is_gone(s))
            continue;
        buf_printf(&b, "%s%s", gone ? ", " : "", s->address);
        gone++;
    }
    size_t majority = all / 2 + 1;
    bool bare = gone > 0 && all - gone <= majority;
    if (bare)
        snprintf(out, PROBE_DETAIL_MAX, "%zu of %zu members %s not answer (%s): %s", gone, all,
                 gone == 1 ? "does" : "do", b.data ? b.data : "",
                 all - gone == majority ? "one more loss leaves no majority"
                                        : "the others are no majority");
    buf_fini(&b);
    return bare;
}

bool mongo_warn_versions(const struct mongo_topology *t, char out[PROBE_DETAIL_MAX])
{
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (s->state != MONGO_SERVER_ANSWERED || !mongo_hello_is_incompatible(&s->hello))
            continue;
        snprintf(out, PROBE_DETAIL_MAX,
                 "%s has wire versions %d to %d, drivers speak %d to %d and refuse the whole "
                 "deployment",
                 s->address, s->hello.min_wire_version, s->hello.max_wire_version,
                 MONGO_WIRE_VERSION_MIN, MONGO_WIRE_VERSION_MAX);
        return true;
    }
    return false;
}
