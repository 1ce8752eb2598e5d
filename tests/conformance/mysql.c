/* mysql's part of the conformance suite: a server that greets, and refuses who has no login. */
#include <string.h>

#include "conformance.h"

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    static const char greeting[] = "\x4a\0\0\0\x0a"
                                   "8.0.36\0"
                                   "\x01\0\0\0"
                                   "12345678\0"
                                   "\xff\xff\x2d\x02\0\xff\xff\x15"
                                   "\0\0\0\0\0\0\0\0\0\0"
                                   "123456789012\0"
                                   "mysql_native_password";
    static const char denied[] = "\x16\0\0\2\xff\x15\4#28000Access denied";
    if (n == 0 && size >= sizeof greeting) {
        memcpy(out, greeting, sizeof greeting);
        return sizeof greeting;
    }
    if (n < 4 || (size_t)in[0] + 4 != n || size < sizeof denied)
        return 0;
    memcpy(out, denied, sizeof denied - 1);
    return sizeof denied - 1;
}

const struct conformance_type conformance_mysql = {
    .name = "mysql",
    .scheme = "mysql://",
    .tail = "",
    .serve = serve,
    .greets = true,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
