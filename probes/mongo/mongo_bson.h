/* mongo_bson: whether bytes are one BSON document by every rule of bsonspec.org: each length and
 * terminator, text as UTF-8, known types alone, nested no deeper than MONGO_NESTING_MAX. Pure.
 * libbson's own validation passes some broken documents and recurses without a bound. */
#ifndef PROBE_MONGO_MONGO_BSON_H
#define PROBE_MONGO_MONGO_BSON_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MONGO_NESTING_MAX 100 /* MongoDB's own limit for documents */

/* The number at these four bytes. */
static inline uint32_t mongo_get32(const uint8_t *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return le32toh(v);
}

enum mongo_bson { MONGO_BSON_GOOD, MONGO_BSON_BROKEN, MONGO_BSON_DEEP };

/* `*at`: the byte at which it is broken. */
enum mongo_bson mongo_bson_check(const uint8_t *data, size_t len, size_t *at);

#endif
