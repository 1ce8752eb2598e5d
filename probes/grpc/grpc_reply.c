/* grpc_reply: see grpc_reply.h. gRPC over HTTP/2 (PROTOCOL-HTTP2.md), health/v1/health.proto. */
#include "grpc/grpc_reply.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/http_wire.h"

#define PREFIX      5 /* of a message: is it compressed, and its length */
#define SERVICE_MAX 1000

/* The codes that mean something of their own here. */
enum {
    CODE_OK = 0,
    CODE_DEADLINE = 4,
    CODE_NOT_FOUND = 5,
    CODE_DENIED = 7,
    CODE_UNIMPLEMENTED = 12,
    CODE_UNAUTHENTICATED = 16,
};

static const char *const code_names[] = {
    "OK",        "CANCELLED",      "UNKNOWN",           "INVALID_ARGUMENT",   "DEADLINE_EXCEEDED",
    "NOT_FOUND", "ALREADY_EXISTS", "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION",
    "ABORTED",   "OUT_OF_RANGE",   "UNIMPLEMENTED",     "INTERNAL",           "UNAVAILABLE",
    "DATA_LOSS", "UNAUTHENTICATED"};

enum { HEALTH_UNKNOWN, HEALTH_SERVING, HEALTH_NOT_SERVING, HEALTH_SERVICE_UNKNOWN };

void grpc_reply_init(struct grpc_reply *r)
{
    *r = (struct grpc_reply){.status = -1};
    buf_init(&r->body, GRPC_MESSAGE_MAX);
}

void grpc_reply_fini(struct grpc_reply *r)
{
    buf_fini(&r->body);
}

/* ---- The request ---- */

int grpc_request(struct buf *out, const char *service)
{
    size_t n = strlen(service);
    if (n > SERVICE_MAX)
        return -1;
    /* Field 1, a string; its length in one or two bytes of seven bits. */
    size_t head = n == 0 ? 0 : n < 128 ? 2 : 3, size = head + n;
    const char prefix[PREFIX] = {0, 0, 0, (char)(size >> 8), (char)size};
    buf_add(out, prefix, PREFIX);
    if (head)
        buf_putc(out, 0x0a);
    if (head == 3)
        buf_putc(out, (char)(0x80 | (n & 0x7f)));
    if (head)
        buf_putc(out, (char)(head == 3 ? n >> 7 : n));
    buf_puts(out, service);
    return out->failed ? -1 : 0;
}

/* ---- What comes ---- */

/* The value behind "name:" with blanks taken off, in out; false: the line is another's. */
static bool value_of(const char *line, size_t len, const char *name, char *out, size_t size)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':' || strncasecmp(line, name, n) != 0)
        return false;
    const char *p = line + n + 1, *end = line + len;
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (end > p && isspace((unsigned char)end[-1]))
        end--;
    snprintf(out, size, "%.*s", (int)((size_t)(end - p) < size ? (size_t)(end - p) : size - 1), p);
    return true;
}

/* grpc-message is percent-encoded. */
static void decode(char *text)
{
    char *to = text;
    for (const char *p = text; *p; p++) {
        unsigned byte;
        if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2]) &&
            sscanf(p + 1, "%2x", &byte) == 1 && byte) {
            *to++ = (char)byte;
            p += 2;
        } else {
            *to++ = *p;
        }
    }
    *to = '\0';
}

bool grpc_reply_line(struct grpc_reply *r, const char *line, size_t len)
{
    char value[128];
    const char *phrase;
    int http_status = http_wire_status(line, len, &phrase);
    if (http_status >= 0) {
        r->http_status = http_status;
    } else if (value_of(line, len, "content-type", value, sizeof value)) {
        r->is_grpc = strncasecmp(value, "application/grpc", 16) == 0 &&
                     (!value[16] || strchr("+; ", value[16]));
    } else if (value_of(line, len, "grpc-status", value, sizeof value)) {
        bool digits = *value && strspn(value, "0123456789") == strlen(value) && strlen(value) < 5;
        r->status = digits ? atoi(value) : -2;
    } else if (value_of(line, len, "grpc-message", r->message, sizeof r->message)) {
        decode(r->message);
        str_printable(r->message, sizeof r->message - 1);
    }
    return true;
}

bool grpc_reply_body(struct grpc_reply *r, const char *data, size_t len)
{
    r->too_long = buf_add(&r->body, data, len) < 0;
    return !r->too_long;
}

/* ---- The verdict ---- */

static bool get_varint(const unsigned char **p, const unsigned char *end, uint64_t *n)
{
    *n = 0;
    for (unsigned shift = 0; *p < end && shift < 64; shift += 7) {
        unsigned char byte = *(*p)++;
        *n |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* The status in HealthCheckResponse, whose field 1 it is; without it, it is 0. Other fields are
 * skipped. -1: it is not such a message. */
static int health_of(const unsigned char *p, size_t len)
{
    const unsigned char *end = p + len;
    uint64_t tag, n, status = 0;
    while (p < end) {
        if (!get_varint(&p, end, &tag) || tag >> 3 == 0)
            return -1;
        switch (tag & 7) {
        case 0:
            if (!get_varint(&p, end, &n))
                return -1;
            status = tag >> 3 == 1 ? n : status;
            continue;
        case 2:
            if (!get_varint(&p, end, &n))
                return -1;
            break;
        case 1:
        case 5:
            n = (tag & 7) == 1 ? 8 : 4;
            break;
        default:
            return -1;
        }
        if (n > (uint64_t)(end - p))
            return -1;
        p += n;
    }
    return status <= HEALTH_SERVICE_UNKNOWN ? (int)status : -1;
}

static enum reason judge_http(const struct grpc_reply *r, struct err *e)
{
    bool behind = r->http_status >= 502 && r->http_status <= 504;
    err_set(e, "HTTP %d, not the answer of a gRPC server%s", r->http_status,
            behind ? ": there is a proxy, and nothing behind it" : "");
    return r->http_status == 401 || r->http_status == 403 ? REASON_AUTH
           : behind                                       ? REASON_MISMATCH
                                                          : REASON_PROTOCOL;
}

static enum reason judge_code(const struct grpc_reply *r, const char *service, struct err *e)
{
    char words[160], number[16]; /* what the server says, behind another word */
    const char *name = number;
    snprintf(number, sizeof number, "code %d", r->status);
    if (r->status < (int)ARRAY_LEN(code_names))
        name = code_names[r->status];
    snprintf(words, sizeof words, "%s%s", *r->message ? ": " : "", r->message);
    switch (r->status) {
    case CODE_NOT_FOUND:
        err_set(e, "the server does not know the service \"%s\" (NOT_FOUND)%s", service, words);
        return REASON_MISMATCH;
    case CODE_UNIMPLEMENTED:
        err_set(e, "the server has no health service, grpc.health.v1 (UNIMPLEMENTED)%s", words);
        return REASON_MISMATCH;
    case CODE_DENIED:
    case CODE_UNAUTHENTICATED:
        err_set(e, "%s%s", name, words);
        return REASON_AUTH;
    case CODE_DEADLINE:
        err_set(e, "the server ran out of time (DEADLINE_EXCEEDED)%s", words);
        return REASON_TIMEOUT;
    default:
        err_set(e, "the call failed with %s%s", name, words);
        return REASON_MISMATCH;
    }
}

enum reason grpc_reply_judge(const struct grpc_reply *r, const char *service, struct err *e)
{
    static const char *const healths[] = {"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"};
    const unsigned char *body = (const unsigned char *)r->body.data;
    size_t len = r->body.len;
    if (r->http_status != 200)
        return judge_http(r, e);
    if (r->status > CODE_OK) /* in the head or in the trailers, which is the same here */
        return judge_code(r, service, e);
    bool whole = len >= PREFIX && body[0] == 0 &&
                 ((size_t)body[1] << 24 | (size_t)body[2] << 16 | (size_t)body[3] << 8 | body[4]) ==
                     len - PREFIX;
    int health = whole ? health_of(body + PREFIX, len - PREFIX) : -1;
    const char *wrong = !r->is_grpc     ? "the reply is not gRPC: its Content-Type is another"
                        : r->too_long   ? "the reply has over 4 KiB: its message has two bytes"
                        : r->status < 0 ? "the reply has no grpc-status that is a number"
                        : !whole        ? "the reply has no message, or one that makes no sense"
                        : health < 0    ? "the reply's message makes no sense"
                                        : NULL;
    err_set(e, "%s", wrong ? wrong : healths[health]);
    return wrong ? REASON_PROTOCOL : health == HEALTH_SERVING ? REASON_OK : REASON_MISMATCH;
}
