/* A deployment whose members say anything: what they answer, in any order and again, is read,
 * followed, judged and told. Two bytes choose the wish; then records of who (one byte: of the first
 * ones, or that it fails), how long (two bytes) and a document. */
#include <mongoc/mongoc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "mongo/mongo_verdict.h"
#include "mongo/mongo_warn.h"
#include "mongo/mongo_wire.h"

#define FAILS 0x80

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const options[] = {
    "",
    "readPreference=primary",
    "readPreference=secondary&readPreferenceTags=dc:ny,rack:1&readPreferenceTags=dc:sf",
    "readPreference=nearest&maxStalenessSeconds=120",
    "readPreference=secondaryPreferred&readPreferenceTags=dc:ny&readPreferenceTags=",
    "readPreference=secondary&maxStalenessSeconds=60",
};

static void read_preference(struct mongo_prefer *p, uint8_t choice)
{
    char text[256];
    struct err e;
    snprintf(text, sizeof text, "mongodb://a:1,b:1/?%s", options[choice % ARRAY_LEN(options)]);
    mongoc_uri_t *uri = mongoc_uri_new(text);
    if (!uri || mongo_prefer_init(p, uri, &e))
        abort();
    mongoc_uri_destroy(uri);
}

static void answer(struct mongo_topology *t, uint8_t who, const uint8_t *data, size_t size)
{
    size_t i = (who & 0x3f) % t->n;
    struct mongo_hello hello;
    struct mongo_members members = {0};
    struct err e;
    bson_t doc;
    if (who & FAILS) {
        mongo_topology_fail(t, i, (enum reason)(1 + size % (REASON_COUNT - 1)), "it fails");
        return;
    }
    if (mongo_wire_document(&doc, data, size, &e))
        return;
    mongo_hello_read(&hello, &members, &doc);
    t->servers[i].answered = (int64_t)size;
    mongo_topology_answer(t, i, &hello, &members);
    mongo_members_fini(&members);
}

static void look(const struct mongo_topology *t, const struct mongo_wish *wish)
{
    struct probe_member members[MONGO_HOSTS_MAX];
    char detail[PROBE_DETAIL_MAX] = "";
    enum reason reason = REASON_COUNT;
    bool gone;
    if (t->n == 0 || t->n > MONGO_HOSTS_MAX || mongo_topology_members(t, members) > t->n)
        abort();
    bool over = mongo_verdict(t, wish, &reason, detail, &gone);
    if (strlen(detail) >= sizeof detail || (over && reason == REASON_COUNT))
        abort();
    bool whole = mongo_topology_is_complete(t);
    if (over && reason != REASON_OK && !whole && reason != REASON_MISMATCH)
        abort(); /* only a preference that drivers refuse ends it before all have answered */
    if (whole && !over)
        abort();
    mongo_verdict_describe(t, detail);
    mongo_warn_lag(t, wish, detail);
    mongo_warn_reserve(t, wish, detail);
    mongo_warn_versions(t, detail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mongo_topology t;
    struct mongo_prefer prefer;
    char a[] = "a:1", b[] = "b:1", *seeds[] = {a, b};
    if (size < 2)
        return 0;
    read_preference(&prefer, data[0]);
    const struct mongo_wish wish = {.require = (enum mongo_require)(data[1] % MONGO_REQUIRE_COUNT),
                                    .prefer = prefer.given ? &prefer : NULL,
                                    .max_lag = data[1] & 0x40 ? 1 : 0,
                                    .warn_lag = 1,
                                    .min_members = data[1] & 0x80 ? 2 : 0};
    if (mongo_topology_init(&t, seeds, data[0] & 0x80 ? 1 : 2, data[0] & 0x40 ? "rs0" : NULL))
        abort();
    for (size_t at = 2; at + 3 <= size;) {
        size_t len = data[at + 1] | (size_t)data[at + 2] << 8;
        if (len > size - at - 3)
            len = size - at - 3;
        answer(&t, data[at], data + at + 3, len);
        at += 3 + len;
        look(&t, &wish);
    }
    if (mongo_topology_end(&t))
        look(&t, &wish);
    mongo_topology_fini(&t);
    mongo_prefer_fini(&prefer);
    return 0;
}
