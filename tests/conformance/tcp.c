/* tcp's part of the conformance suite: it sends nothing here, and an accepted connection is all. */
#include "conformance.h"

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    (void)in;
    (void)n;
    (void)out;
    (void)size;
    return 0;
}

const struct conformance_type conformance_tcp = {
    .name = "tcp",
    .scheme = "tcp://",
    .tail = "",
    .serve = serve,
    .silent_is = REASON_OK,
    .garbage_is = REASON_OK,
    .closed_is_ok = true,
};
