/* Any bytes as a server's reply to hello: parsed, validated, which is never taken easier than
 * libbson does, read and judged. The first byte chooses what is required of it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mongo/mongo_hello.h"
#include "mongo/mongo_wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void judge(const bson_t *doc, uint8_t choice)
{
    struct mongo_hello hello;
    mongo_hello_read(&hello, NULL, doc);
    struct mongo_wish wish = {.require = (enum mongo_require)(choice % MONGO_REQUIRE_COUNT),
                              .set_name = choice & 0x40 ? "rs0" : NULL,
                              .max_lag = choice & 0x80 ? 1 : 0};
    char detail[PROBE_DETAIL_MAX];
    mongo_hello_judge(&hello, &wish, "127.0.0.1:27017", detail);
    if (strlen(detail) >= sizeof detail)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mongo_reply reply;
    struct err e;
    if (size < 1 || mongo_wire_reply(data + 1, size - 1, 1, &reply, &e) != MONGO_WIRE_REPLY)
        return 0;
    if (reply.message_len > size - 1)
        abort();
    bson_t doc;
    if (mongo_wire_document(&doc, reply.document, reply.document_len, &e))
        return 0;
    size_t offset;
    if (!bson_validate(&doc, BSON_VALIDATE_NONE, &offset))
        abort();
    char text[256];
    if (!mongo_reply_ok(&doc))
        mongo_reply_error(&doc, text, sizeof text);
    judge(&doc, data[0]);
    return 0;
}
