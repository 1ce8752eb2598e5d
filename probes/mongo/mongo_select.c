/* mongo_select: see mongo_select.h. */
#include "mongo/mongo_select.h"

#include "base/clock.h"

static int64_t last_write(const struct mongo_topology *t)
{
    int64_t newest = -1;
    for (size_t i = 0; i < t->n; i++) {
        const struct mongo_server *s = &t->servers[i];
        if (s->state == MONGO_SERVER_ANSWERED && s->hello.role == MONGO_SECONDARY &&
            s->hello.last_write_ms > newest)
            newest = s->hello.last_write_ms;
    }
    return newest;
}

/* "Max Staleness": how far it is behind the primary, or without one behind the newest of all, in
 * ms. Until that is known its own clock tells how far it can be behind at most. */
static int64_t staleness_ms(const struct mongo_topology *t, const struct mongo_server *s,
                            const struct mongo_server *primary)
{
    int64_t written = s->hello.last_write_ms;
    if (primary && primary->hello.last_write_ms >= 0)
        return primary->hello.last_write_ms - written +
               (s->answered - primary->answered) / NS_PER_MS;
    if (!primary && mongo_topology_is_complete(t))
        return last_write(t) - written;
    return s->hello.lag_ms >= 0 ? s->hello.lag_ms : INT64_MAX / NS_PER_MS;
}

static bool is_fresh(const struct mongo_topology *t, const struct mongo_prefer *p,
                     const struct mongo_server *s)
{
    const struct mongo_server *primary = mongo_topology_primary(t);
    if (p->max_staleness == 0)
        return true;
    return s->hello.last_write_ms >= 0 &&
           staleness_ms(t, s, primary) + p->heartbeat / NS_PER_MS <= p->max_staleness / NS_PER_MS;
}

bool mongo_select_fits(const struct mongo_topology *t, const struct mongo_prefer *p, size_t i)
{
    const struct mongo_server *s = &t->servers[i];
    bool primary = s->hello.role == MONGO_PRIMARY;
    if (s->state != MONGO_SERVER_ANSWERED || s->hello.role == MONGO_HIDDEN ||
        !mongo_hello_has_role(&s->hello, MONGO_REQUIRE_DATA))
        return false;
    if (t->kind != MONGO_KIND_SET)
        return true;
    if (primary && p->mode != MONGOC_READ_NEAREST)
        return p->mode != MONGOC_READ_SECONDARY;
    if ((!primary && p->mode == MONGOC_READ_PRIMARY) || !mongo_prefer_takes_tags(p, s->tags))
        return false;
    return primary || is_fresh(t, p, s);
}

bool mongo_select_is_vain(const struct mongo_topology *t, const struct mongo_prefer *p)
{
    return t->kind == MONGO_KIND_SET && mongo_prefer_is_too_strict(p);
}
