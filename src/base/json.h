/* json: writes one JSON document into a buf, with commas, nesting and escapes kept right. Invalid
 * UTF-8 becomes U+FFFD, so any bytes from a server make a valid document. Reading is jansson's. */
#ifndef PROBE_BASE_JSON_H
#define PROBE_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH 16

struct json {
    struct buf *out;
    bool comma; /* the next member needs one */
    int depth;
    char closers[JSON_DEPTH];
};

void json_init(struct json *j, struct buf *out);

/* `key` is NULL inside arrays and at the top. json_end closes the innermost object or array. */
void json_object(struct json *j, const char *key);
void json_array(struct json *j, const char *key);
void json_end(struct json *j);
void json_string(struct json *j, const char *key, const char *value); /* NULL value: null */
void json_int(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);
/* ns as milliseconds with up to three decimals: 12.345 */
void json_ms(struct json *j, const char *key, int64_t ns);

/* Appends `s` as a quoted JSON string. */
void json_quote(struct buf *out, const char *s);

#endif
