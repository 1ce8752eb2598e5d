/* dns's part of the conformance suite: by TCP, whose server is the suite's; UDP is among the ways.
 */
#include <string.h>

#include "conformance.h"

/* The question with one record behind it: its name by a pointer, A, IN, 60 s, 192.0.2.1. */
static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    static const unsigned char record[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    if (n < 2 || n < 2 + ((size_t)in[0] << 8 | in[1]) || n + sizeof record > size)
        return 0;
    memcpy(out, in, n);
    memcpy(out + n, record, sizeof record);
    size_t len = n + sizeof record - 2;
    out[0] = (unsigned char)(len >> 8);
    out[1] = (unsigned char)len;
    out[4] |= 0x80; /* QR */
    out[9] = 1;     /* one answer */
    return n + sizeof record;
}

const struct conformance_type conformance_dns = {
    .name = "dns",
    .scheme = "dns+tcp://",
    .tail = "/name.test?type=A",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_CLOSED,
};
