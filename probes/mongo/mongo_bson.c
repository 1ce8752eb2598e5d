/* mongo_bson: see mongo_bson.h. */
#include "mongo/mongo_bson.h"

#include <bson/bson.h>
#include <stdbool.h>
#include <string.h>

#include "base/str.h"

enum { DOCUMENT_MIN = 5, OID_BYTES = 12 };

/* The walk: `end[i]` is the terminator of the document that is open at depth i. */
struct walk {
    const uint8_t *at;
    const uint8_t *end[MONGO_NESTING_MAX];
    size_t depth;
    bool too_deep;
};

static size_t left(const struct walk *w)
{
    return (size_t)(w->end[w->depth - 1] - w->at);
}

/* `text` has a NUL at text[len], which str_utf8_len needs; MongoDB allows more inside. */
static bool is_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = (signed char)text[i] >= 0 ? 1 : str_utf8_len(text + i);
        if (!n || n > len - i)
            return false;
        i += n;
    }
    return true;
}

static bool skip(struct walk *w, size_t n)
{
    if (left(w) < n)
        return false;
    w->at += n;
    return true;
}

static bool skip_cstring(struct walk *w)
{
    const uint8_t *nul = memchr(w->at, 0, left(w));
    if (!nul || !is_utf8((const char *)w->at, (size_t)(nul - w->at)))
        return false;
    w->at = nul + 1;
    return true;
}

static bool skip_regex(struct walk *w)
{
    bool expression = skip_cstring(w);
    return expression && skip_cstring(w); /* its options */
}

static bool skip_string(struct walk *w)
{
    if (left(w) < 4)
        return false;
    size_t len = mongo_get32(w->at);
    const char *text = (const char *)w->at + 4;
    return len > 0 && len <= left(w) - 4 && text[len - 1] == '\0' && is_utf8(text, len - 1) &&
           skip(w, 4 + len);
}

static bool skip_binary(struct walk *w)
{
    if (left(w) < 5)
        return false;
    size_t len = mongo_get32(w->at);
    if (len > left(w) - 5)
        return false;
    if (w->at[4] == BSON_SUBTYPE_BINARY_DEPRECATED && /* it tells its length twice */
        (len < 4 || mongo_get32(w->at + 5) != len - 4))
        return false;
    return skip(w, 5 + len);
}

static bool skip_bool(struct walk *w)
{
    return left(w) > 0 && *w->at <= 1 && skip(w, 1);
}

/* The document that begins here, within `room` bytes; `exact`: it must fill them. */
static bool enter(struct walk *w, size_t room, bool exact)
{
    size_t len = room >= DOCUMENT_MIN ? mongo_get32(w->at) : 0;
    if (len < DOCUMENT_MIN || len > room || (exact && len != room) || w->at[len - 1] != 0)
        return false;
    w->too_deep = w->depth == MONGO_NESTING_MAX;
    if (w->too_deep)
        return false;
    w->end[w->depth++] = w->at + len - 1;
    w->at += 4;
    return true;
}

static bool enter_code_with_scope(struct walk *w)
{
    size_t total = left(w) >= 4 ? mongo_get32(w->at) : 0;
    const uint8_t *end = w->at + total;
    if (total < 4 || total > left(w) || !skip(w, 4) || !skip_string(w) || w->at > end)
        return false;
    return enter(w, (size_t)(end - w->at), true);
}

static bool value(struct walk *w, uint8_t type)
{
    switch (type) {
    case BSON_TYPE_DOCUMENT:
    case BSON_TYPE_ARRAY:
        return enter(w, left(w), false);
    case BSON_TYPE_CODEWSCOPE:
        return enter_code_with_scope(w);
    case BSON_TYPE_UTF8:
    case BSON_TYPE_CODE:
    case BSON_TYPE_SYMBOL:
        return skip_string(w);
    case BSON_TYPE_DBPOINTER:
        return skip_string(w) && skip(w, OID_BYTES);
    case BSON_TYPE_BINARY:
        return skip_binary(w);
    case BSON_TYPE_REGEX:
        return skip_regex(w);
    case BSON_TYPE_BOOL:
        return skip_bool(w);
    case BSON_TYPE_INT32:
        return skip(w, 4);
    case BSON_TYPE_DOUBLE:
    case BSON_TYPE_INT64:
    case BSON_TYPE_DATE_TIME:
    case BSON_TYPE_TIMESTAMP:
        return skip(w, 8);
    case BSON_TYPE_OID:
        return skip(w, OID_BYTES);
    case BSON_TYPE_DECIMAL128:
        return skip(w, 16);
    case BSON_TYPE_NULL:
    case BSON_TYPE_UNDEFINED:
    case BSON_TYPE_MINKEY:
    case BSON_TYPE_MAXKEY:
        return true;
    default:
        return false;
    }
}

enum mongo_bson mongo_bson_check(const uint8_t *data, size_t len, size_t *at)
{
    struct walk w = {.at = data};
    bool good = enter(&w, len, true);
    while (good && w.depth > 0) {
        if (left(&w) == 0) {
            w.depth--;
            w.at++; /* its terminator, which enter() saw */
            continue;
        }
        uint8_t type = *w.at++;
        good = skip_cstring(&w) && value(&w, type);
    }
    *at = (size_t)(w.at - data);
    return good ? MONGO_BSON_GOOD : w.too_deep ? MONGO_BSON_DEEP : MONGO_BSON_BROKEN;
}
