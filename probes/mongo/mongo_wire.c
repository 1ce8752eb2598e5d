/* mongo_wire: see mongo_wire.h. */
#include "mongo/mongo_wire.h"

#include <endian.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "mongo/mongo_bson.h"

enum {
    HEADER_BYTES = 16,
    FLAGS_BYTES = 4,
    CHECKSUM_BYTES = 4,
    BSON_MIN_BYTES = 5,
    OP_MSG = 2013,
};

#define FLAG_CHECKSUM    UINT32_C(1)
#define FLAG_MORE        UINT32_C(2)
#define FLAGS_REQUIRED   UINT32_C(0xffff) /* unknown ones of these must be refused */
#define MESSAGE_MIN      (HEADER_BYTES + FLAGS_BYTES + 1 + BSON_MIN_BYTES)
#define HTTP_MARK        "HTTP/"
#define EXCERPT_BYTES    16
#define EXCERPT_TEXT_MAX (EXCERPT_BYTES * 4 + 4)

static void put_le32(uint8_t *p, uint32_t v)
{
    v = htole32(v);
    memcpy(p, &v, sizeof v);
}

static int add_message(struct buf *out, int32_t request_id, const uint8_t *document, uint32_t len)
{
    uint8_t head[HEADER_BYTES + FLAGS_BYTES + 1] = {0}; /* flags 0, section kind 0 */
    put_le32(head, (uint32_t)sizeof head + len);
    put_le32(head + 4, (uint32_t)request_id);
    put_le32(head + 12, OP_MSG);
    buf_add(out, head, sizeof head);
    return buf_add(out, document, len);
}

int mongo_wire_command(struct buf *out, int32_t request_id, const bson_t *command)
{
    return add_message(out, request_id, bson_get_data(command), command->len);
}

/* By hand: every check asks so, and libbson's way to these bytes is long. */
int mongo_wire_ask(struct buf *out, int32_t request_id, const char *name)
{
    static const char rest[] = "\1\0\0\0\2$db\0\6\0\0\0admin\0"; /* its NUL ends the document */
    uint8_t document[64];
    size_t name_len = strlen(name) + 1, len = 5 + name_len + sizeof rest;
    if (len > sizeof document)
        return -1;
    put_le32(document, (uint32_t)len);
    document[4] = BSON_TYPE_INT32;
    memcpy(document + 5, name, name_len);
    memcpy(document + 5 + name_len, rest, sizeof rest);
    return add_message(out, request_id, document, (uint32_t)len);
}

static enum mongo_wire bad_start(const uint8_t *p, size_t len, struct err *e)
{
    char excerpt[EXCERPT_TEXT_MAX];
    str_excerpt(p, len < EXCERPT_BYTES ? len : EXCERPT_BYTES, excerpt, sizeof excerpt);
    const char *hint = "";
    if (len >= sizeof HTTP_MARK - 1 && memcmp(p, HTTP_MARK, sizeof HTTP_MARK - 1) == 0)
        hint = ", an HTTP server answers there";
    else if (len >= 2 && (p[0] == 0x15 || p[0] == 0x16) && p[1] == 0x03)
        hint = ", the port speaks TLS";
    err_set(e, "not a MongoDB reply%s: \"%s\"", hint, excerpt);
    return MONGO_WIRE_BAD;
}

/* The fields of the header, each as soon as its bytes are there: garbage is refused before a length
 * read out of it is waited for. */
static enum mongo_wire check_header(const uint8_t *p, size_t len, int32_t request_id, struct err *e)
{
    if (len >= 4) {
        uint32_t message_len = mongo_get32(p);
        if (message_len < MESSAGE_MIN || message_len > MONGO_MESSAGE_MAX)
            return bad_start(p, len, e);
    }
    if (len < HEADER_BYTES)
        return MONGO_WIRE_MORE;
    if (mongo_get32(p + 12) != OP_MSG)
        return bad_start(p, len, e);
    int32_t response_to = (int32_t)mongo_get32(p + 8);
    if (response_to != request_id) {
        err_set(e, "a reply to request %" PRId32 ", not to %" PRId32, response_to, request_id);
        return MONGO_WIRE_BAD;
    }
    return MONGO_WIRE_REPLY;
}

enum mongo_wire mongo_wire_reply(const void *data, size_t len, int32_t request_id,
                                 struct mongo_reply *reply, struct err *e)
{
    const uint8_t *p = data;
    enum mongo_wire header = check_header(p, len, request_id, e);
    if (header != MONGO_WIRE_REPLY)
        return header;
    if (len < HEADER_BYTES + FLAGS_BYTES + 1)
        return MONGO_WIRE_MORE;
    uint32_t flags = mongo_get32(p + HEADER_BYTES);
    if (flags & FLAGS_REQUIRED & ~FLAG_CHECKSUM) {
        err_set(e, flags & FLAG_MORE ? "a reply that announces more replies"
                                     : "a reply with unknown flags");
        return MONGO_WIRE_BAD;
    }
    if (p[HEADER_BYTES + FLAGS_BYTES] != 0) {
        err_set(e, "a reply without a body section");
        return MONGO_WIRE_BAD;
    }
    size_t message_len = mongo_get32(p);
    size_t end = flags & FLAG_CHECKSUM ? message_len - CHECKSUM_BYTES : message_len;
    size_t begin = HEADER_BYTES + FLAGS_BYTES + 1;
    if (len < begin + 4)
        return MONGO_WIRE_MORE;
    if (end < begin + BSON_MIN_BYTES || mongo_get32(p + begin) != end - begin) {
        err_set(e, "a reply whose document does not fill its message");
        return MONGO_WIRE_BAD;
    }
    if (len < message_len)
        return MONGO_WIRE_MORE;
    *reply = (struct mongo_reply){
        .document = p + begin, .document_len = end - begin, .message_len = message_len};
    return MONGO_WIRE_REPLY;
}

int mongo_wire_document(bson_t *doc, const uint8_t *data, size_t len, struct err *e)
{
    size_t at;
    switch (mongo_bson_check(data, len, &at)) {
    case MONGO_BSON_GOOD:
        break;
    case MONGO_BSON_DEEP:
        return err_set(e, "a document nested over %d deep", MONGO_NESTING_MAX);
    default:
        return err_set(e, "a broken document, at byte %zu", at);
    }
    return bson_init_static(doc, data, len) ? 0 : err_set(e, "a broken document");
}

bool mongo_reply_ok(const bson_t *doc)
{
    bson_iter_t it;
    if (!bson_iter_init_find(&it, doc, "ok"))
        return false;
    switch (bson_iter_type(&it)) {
    case BSON_TYPE_INT32:
        return bson_iter_int32(&it) == 1;
    case BSON_TYPE_INT64:
        return bson_iter_int64(&it) == 1;
    case BSON_TYPE_DOUBLE:
        return bson_iter_double(&it) == 1.0;
    case BSON_TYPE_BOOL:
        return bson_iter_bool(&it);
    default:
        return false;
    }
}

/* A text field, printable and short; "" when there is none. */
static void text_field(const bson_t *doc, const char *name, char *out, size_t size)
{
    bson_iter_t it;
    uint32_t len;
    out[0] = '\0';
    if (bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)) {
        const char *text = bson_iter_utf8(&it, &len);
        str_excerpt(text, len, out, size);
    }
}

int32_t mongo_reply_error(const bson_t *doc, char *out, size_t size)
{
    bson_iter_t it;
    int64_t code = 0;
    char name[48], message[200];
    if (bson_iter_init_find(&it, doc, "code") && BSON_ITER_HOLDS_NUMBER(&it))
        code = BSON_ITER_HOLDS_DOUBLE(&it) ? 0 : bson_iter_as_int64(&it);
    if (code < INT32_MIN || code > INT32_MAX)
        code = 0;
    text_field(doc, "codeName", name, sizeof name);
    text_field(doc, "errmsg", message, sizeof message);
    if (!name[0] && !message[0] && !code)
        snprintf(out, size, "ok is not 1, and no error is told");
    else if (!code)
        snprintf(out, size, "%s", message[0] ? message : name);
    else
        snprintf(out, size, "%s%s(%" PRId64 ")%s%s", name, name[0] ? " " : "", code,
                 message[0] ? ": " : "", message);
    return (int32_t)code;
}
