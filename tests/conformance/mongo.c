/* mongo's part of the conformance suite: a standalone server that answers hello and ping. */
#include <bson/bson.h>
#include <string.h>

#include "conformance.h"

static uint32_t int_at(const unsigned char *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return BSON_UINT32_FROM_LE(v);
}

static void put_int(unsigned char *p, uint32_t v)
{
    v = BSON_UINT32_TO_LE(v);
    memcpy(p, &v, sizeof v);
}

/* An OP_MSG in answer to the request with this id, whatever it asked. */
static size_t reply_to(uint32_t id, unsigned char *out, size_t size)
{
    bson_t *doc = BCON_NEW("isWritablePrimary", BCON_BOOL(true), "maxWireVersion", BCON_INT32(21),
                           "minWireVersion", BCON_INT32(0), "readOnly", BCON_BOOL(false), "ok",
                           BCON_DOUBLE(1));
    size_t len = 16 + 5 + doc->len;
    if (len <= size) {
        memset(out, 0, 21);
        put_int(out, (uint32_t)len);
        put_int(out + 4, 1000 + id);
        put_int(out + 8, id);
        put_int(out + 12, 2013);
        memcpy(out + 21, bson_get_data(doc), doc->len);
    }
    bson_destroy(doc);
    return len <= size ? len : 0;
}

/* Both commands come in one write, and are answered together. */
static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    size_t at = 0, len = 0, messages = 0;
    while (n - at >= 16 && int_at(in + at) <= n - at && int_at(in + at) >= 16) {
        len += reply_to(int_at(in + at + 4), out + len, size - len);
        at += int_at(in + at);
        messages++;
    }
    return at == n && messages == 2 ? len : 0;
}

const struct conformance_type conformance_mongo = {
    .name = "mongo",
    .scheme = "mongodb://",
    .tail = "/",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
