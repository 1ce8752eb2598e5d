/* http's part of the conformance suite. */
#include <string.h>

#include "conformance.h"

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    static const char reply[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine\n";
    if (n < 4 || memcmp(in + n - 4, "\r\n\r\n", 4) != 0 || size < sizeof reply)
        return 0;
    memcpy(out, reply, sizeof reply - 1);
    return sizeof reply - 1;
}

const struct conformance_type conformance_http = {
    .name = "http",
    .scheme = "http://",
    .tail = "/health",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
