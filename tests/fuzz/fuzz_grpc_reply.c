/* Any lines and bytes as the reply to a health check: a verdict with its words, and never SERVING
 * without a message that says it. Lines end at a newline; what follows an empty one is the body. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "grpc/grpc_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct grpc_reply r;
    struct err e = {.text = ""};
    const char *at = (const char *)data, *end = at + size;
    grpc_reply_init(&r);
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        size_t len = stop ? (size_t)(stop - at) : (size_t)(end - at);
        if (len == 0)
            break;
        grpc_reply_line(&r, at, len);
        at += len + 1;
    }
    if (at < end)
        grpc_reply_body(&r, at + 1, (size_t)(end - at - 1));
    enum reason reason = grpc_reply_judge(&r, "x.Y", &e);
    if (reason == REASON_OK) {
        if (r.http_status != 200 || r.status != 0 || r.body.len < 7)
            abort();
    } else if (!*e.text) {
        abort();
    }
    grpc_reply_fini(&r);
    return 0;
}
