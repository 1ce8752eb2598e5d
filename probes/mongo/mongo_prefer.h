/* mongo_prefer: which members the reads of an application go to: readPreference, readPreferenceTags
 * and maxStalenessSeconds of its connection string, by MongoDB's specifications "Server Selection"
 * and "Max Staleness". It knows the string alone, no member. Pure. */
#ifndef PROBE_MONGO_MONGO_PREFER_H
#define PROBE_MONGO_MONGO_PREFER_H

#include <mongoc/mongoc.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct mongo_prefer {
    bool given; /* the string names a readPreference; else nothing of the rest holds */
    mongoc_read_mode_t mode;
    bson_t *tag_sets;      /* an array of documents; NULL: any member */
    int64_t max_staleness; /* ns; 0: any */
    int64_t heartbeat;     /* ns: heartbeatFrequencyMS, the driver's 10 s where it is not given */
};

/* -1: out of memory. mongo_prefer_fini in both cases. */
int mongo_prefer_init(struct mongo_prefer *p, const mongoc_uri_t *uri, struct err *e);
void mongo_prefer_fini(struct mongo_prefer *p);

/* Has one tag set all its tags in `tags` (NULL: none), what a member says of itself? */
bool mongo_prefer_takes_tags(const struct mongo_prefer *p, const bson_t *tags);

/* Drivers refuse each read from a set where maxStalenessSeconds is less than 90, or than 10 s more
 * than heartbeatFrequencyMS. */
bool mongo_prefer_is_too_strict(const struct mongo_prefer *p);

/* "readPreference=secondary, tags dc:ny or any, maxStalenessSeconds=120". */
void mongo_prefer_describe(const struct mongo_prefer *p, struct buf *b);

/* "dc:ny,rack:1" of a document of tags, as printable ASCII; "any" of an empty one. */
void mongo_prefer_put_tags(struct buf *b, const bson_t *tags);

#endif
