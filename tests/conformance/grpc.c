/* grpc's part of the conformance suite: a server of HTTP/2 that says SERVING to one call. */
#include <stdbool.h>
#include <string.h>

#include "conformance.h"

#define PREFACE 24
#define HEAD    9

enum { FRAME_DATA = 0, END_STREAM = 1 };

/* Is the whole request in: the preface, and frames up to the one that ends the stream? */
static bool is_whole(const unsigned char *in, size_t n)
{
    for (size_t at = PREFACE; at + HEAD <= n;) {
        size_t len = (size_t)in[at] << 16 | (size_t)in[at + 1] << 8 | in[at + 2];
        if (at + HEAD + len > n)
            return false;
        if (in[at + 3] == FRAME_DATA && (in[at + 4] & END_STREAM))
            return true;
        at += HEAD + len;
    }
    return false;
}

static size_t serve(const unsigned char *in, size_t n, unsigned char *out, size_t size)
{
    /* SETTINGS, its acknowledgement, the head, the message, the trailers. */
    static const char reply[] = "\0\0\0\4\0\0\0\0\0"
                                "\0\0\0\4\1\0\0\0\0"
                                "\0\0\x20\1\4\0\0\0\1\x88\0\x0c"
                                "content-type\x10"
                                "application/grpc"
                                "\0\0\7\0\0\0\0\0\1\0\0\0\0\2\x08\1"
                                "\0\0\x0f\1\5\0\0\0\1\0\x0b"
                                "grpc-status\1"
                                "0";
    if (!is_whole(in, n) || size < sizeof reply)
        return 0;
    memcpy(out, reply, sizeof reply - 1);
    return sizeof reply - 1;
}

const struct conformance_type conformance_grpc = {
    .name = "grpc",
    .scheme = "grpc://",
    .tail = "/shop.Cart",
    .serve = serve,
    .silent_is = REASON_TIMEOUT,
    .garbage_is = REASON_PROTOCOL,
};
