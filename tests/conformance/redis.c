/* redis's part of the conformance suite. */
#include <string.h>

#include "conformance.h"

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    static const char ask[] = "*1\r\n$4\r\nPING\r\n", reply[] = "+PONG\r\n";
    if (n != sizeof ask - 1 || memcmp(in, ask, n) != 0 || size < sizeof reply)
        return 0;
    memcpy(out, reply, sizeof reply - 1);
    return sizeof reply - 1;
}

const struct conformance_type conformance_redis = {
    .name = "redis",
    .scheme = "redis://",
    .tail = "",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
