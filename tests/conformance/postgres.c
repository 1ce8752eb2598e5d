/* postgres's part of the conformance suite: a server that asks for a password. */
#include <string.h>

#include "conformance.h"

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    static const unsigned char reply[] = {'R', 0, 0, 0, 8, 0, 0, 0, 3};
    if (n < 8 || in[3] != n || size < sizeof reply)
        return 0;
    memcpy(out, reply, sizeof reply);
    return sizeof reply;
}

const struct conformance_type conformance_postgres = {
    .name = "postgres",
    .scheme = "postgres://",
    .tail = "/?sslmode=disable",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
