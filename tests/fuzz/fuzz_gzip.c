/* Any bytes as a body in gzip: decoded or refused, within its bounds. The first byte is the most
 * that it may hold, in KiB. */
#include <stdint.h>
#include <stdlib.h>

#include "http/http_gzip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf body;
    struct err e;
    if (size < 2)
        return 0;
    size_t most = (size_t)(data[0] + 1) << 10;
    buf_init(&body, size);
    buf_add(&body, data + 1, size - 1);
    enum reason reason = http_gzip_decode(&body, most, &e);
    if (reason == REASON_OK && body.len > most)
        abort();
    if (reason == REASON_INTERNAL || (reason != REASON_OK && !*e.text))
        abort();
    buf_fini(&body);
    return 0;
}
