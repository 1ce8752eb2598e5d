/* jsonw: writes one JSON document into a buf, with commas, nesting and escapes kept right. Invalid
 * UTF-8 becomes U+FFFD, so any bytes from a server make a valid document. Reading is jansson's. */
#ifndef PROBE_BASE_JSONW_H
#define PROBE_BASE_JSONW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define JSON_DEPTH 16

struct jsonw {
    struct buf *out;
    bool comma; /* the next member needs one */
    int depth;
    char closers[JSON_DEPTH];
};

void jsonw_init(struct jsonw *j, struct buf *out);

/* `key` is NULL inside arrays and at the top; else a word of ours, which needs no escapes.
 * jsonw_end closes the innermost object or array. */
void jsonw_object(struct jsonw *j, const char *key);
void jsonw_array(struct jsonw *j, const char *key);
void jsonw_end(struct jsonw *j);
void jsonw_string(struct jsonw *j, const char *key, const char *value); /* NULL value: null */
void jsonw_int(struct jsonw *j, const char *key, int64_t value);
void jsonw_bool(struct jsonw *j, const char *key, bool value);
void jsonw_null(struct jsonw *j, const char *key);
/* ns as milliseconds with up to three decimals: 12.345 */
void jsonw_ms(struct jsonw *j, const char *key, int64_t ns);

/* Members that are the same in every document, written as text: room for `n` bytes of them behind
 * the comma that the first one needs, NULL as buf_room. jsonw_wrote takes the end. */
char *jsonw_room(struct jsonw *j, size_t n);
void jsonw_wrote(struct jsonw *j, char *end);
/* Writes what jsonw_ms does, and returns the end. */
#define JSONW_MS_MAX 24
char *jsonw_write_ms(char *at, int64_t ns);
/* The next member of an array once more: the text of `len` bytes that is in the document at `at`.
 */
void jsonw_repeat(struct jsonw *j, size_t at, size_t len);

/* Appends `s` as a quoted JSON string. Controls, those of C1 too, are escaped: a terminal that
 * shows the document acts on none. */
void jsonw_quote(struct buf *out, const char *s);

/* Appends valid JSON that was made elsewhere, with the controls escaped that may stand in it. */
void jsonw_add(struct buf *out, const char *json);

#endif
