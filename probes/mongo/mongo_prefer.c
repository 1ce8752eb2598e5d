/* mongo_prefer: see mongo_prefer.h. */
#include "mongo/mongo_prefer.h"

#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define STALENESS_LEAST (90 * NS_PER_S)
#define IDLE_WRITES     (10 * NS_PER_S) /* an idle primary writes so often */
#define HEARTBEAT_MS    10000
#define TAG_BYTES       40 /* of a name or value as shown */

int mongo_prefer_init(struct mongo_prefer *p, const mongoc_uri_t *uri, struct err *e)
{
    const mongoc_read_prefs_t *prefs = mongoc_uri_get_read_prefs_t(uri);
    *p = (struct mongo_prefer){.given = mongoc_uri_has_option(uri, MONGOC_URI_READPREFERENCE)};
    if (!p->given)
        return 0;
    p->mode = mongoc_read_prefs_get_mode(prefs);
    int64_t seconds = mongoc_read_prefs_get_max_staleness_seconds(prefs);
    p->max_staleness = seconds > 0 ? seconds * NS_PER_S : 0;
    p->heartbeat =
        mongoc_uri_get_option_as_int32(uri, MONGOC_URI_HEARTBEATFREQUENCYMS, HEARTBEAT_MS) *
        NS_PER_MS;
    const bson_t *tags = mongoc_read_prefs_get_tags(prefs);
    if (tags && !bson_empty(tags))
        p->tag_sets = bson_copy(tags);
    return tags && !bson_empty(tags) && !p->tag_sets ? err_set(e, "out of memory") : 0;
}

void mongo_prefer_fini(struct mongo_prefer *p)
{
    if (p->tag_sets)
        bson_destroy(p->tag_sets);
    *p = (struct mongo_prefer){0};
}

/* The next tag of a document, or set of tags of an array. */
static bool next_text(bson_iter_t *it, const char **name, const char **value)
{
    while (bson_iter_next(it))
        if (BSON_ITER_HOLDS_UTF8(it)) {
            *name = bson_iter_key(it);
            *value = bson_iter_utf8(it, NULL);
            return true;
        }
    return false;
}

static bool next_set(bson_iter_t *it, bson_t *set)
{
    const uint8_t *data;
    uint32_t len;
    while (bson_iter_next(it)) {
        if (!BSON_ITER_HOLDS_DOCUMENT(it))
            continue;
        bson_iter_document(it, &len, &data);
        if (bson_init_static(set, data, len))
            return true;
    }
    return false;
}

static bool has_tag(const bson_t *tags, const char *name, const char *value)
{
    bson_iter_t it;
    return tags && bson_iter_init_find(&it, tags, name) && BSON_ITER_HOLDS_UTF8(&it) &&
           strcmp(bson_iter_utf8(&it, NULL), value) == 0;
}

static bool has_all(const bson_t *tags, const bson_t *set)
{
    bson_iter_t it;
    const char *name, *value;
    if (!bson_iter_init(&it, set))
        return false;
    while (next_text(&it, &name, &value))
        if (!has_tag(tags, name, value))
            return false;
    return true;
}

bool mongo_prefer_takes_tags(const struct mongo_prefer *p, const bson_t *tags)
{
    bson_iter_t it;
    bson_t set;
    if (!p->tag_sets)
        return true;
    if (!bson_iter_init(&it, p->tag_sets))
        return false;
    while (next_set(&it, &set))
        if (has_all(tags, &set))
            return true;
    return false;
}

bool mongo_prefer_is_too_strict(const struct mongo_prefer *p)
{
    return p->max_staleness > 0 &&
           (p->max_staleness < STALENESS_LEAST || p->max_staleness < p->heartbeat + IDLE_WRITES);
}

void mongo_prefer_put_tags(struct buf *b, const bson_t *tags)
{
    char text[TAG_BYTES];
    bson_iter_t it;
    const char *name, *value, *between = "";
    if (bson_empty(tags))
        buf_puts(b, "any");
    if (!bson_iter_init(&it, tags))
        return;
    while (next_text(&it, &name, &value)) {
        buf_printf(b, "%s%s:", between, str_excerpt(name, strlen(name), text, sizeof text));
        buf_puts(b, str_excerpt(value, strlen(value), text, sizeof text));
        between = ",";
    }
}

void mongo_prefer_describe(const struct mongo_prefer *p, struct buf *b)
{
    static const char *const modes[] = {[MONGOC_READ_PRIMARY] = "primary",
                                        [MONGOC_READ_PRIMARY_PREFERRED] = "primaryPreferred",
                                        [MONGOC_READ_SECONDARY] = "secondary",
                                        [MONGOC_READ_SECONDARY_PREFERRED] = "secondaryPreferred",
                                        [MONGOC_READ_NEAREST] = "nearest"};
    bson_iter_t it;
    bson_t set;
    const char *between = ", tags ";
    buf_printf(b, "readPreference=%s", modes[p->mode]);
    if (p->tag_sets && bson_iter_init(&it, p->tag_sets))
        while (next_set(&it, &set)) {
            buf_puts(b, between);
            mongo_prefer_put_tags(b, &set);
            between = " or ";
        }
    if (p->max_staleness > 0)
        buf_printf(b, ", maxStalenessSeconds=%lld", (long long)(p->max_staleness / NS_PER_S));
}
