/* The reply to a health check of gRPC: its lines, its message, and what is said of them; and the
 * bytes of the request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "grpc/grpc_reply.h"

#define OK_LINES "HTTP/2 200\ncontent-type: application/grpc\ngrpc-status: 0"

static void test_verdicts(void **state)
{
    (void)state;
#define BODY(bytes) bytes, sizeof bytes - 1
    static const struct {
        const char *lines, *body;
        size_t len;
        enum reason reason;
        const char *words;
    } rows[] = {
        {OK_LINES, BODY("\0\0\0\0\2\x08\1"), REASON_OK, NULL},
        {"HTTP/2 200\nContent-Type:application/grpc;x=y\nGRPC-STATUS:0", BODY("\0\0\0\0\2\x08\1"),
         REASON_OK, NULL},
        {OK_LINES, BODY("\0\0\0\0\x06\x12\2ab\x08\1"), REASON_OK, NULL},
        {OK_LINES, BODY("\0\0\0\0\4\x08\1\x08\2"), REASON_MISMATCH, "NOT_SERVING"},
        {OK_LINES, BODY("\0\0\0\0\0"), REASON_MISMATCH, "UNKNOWN"},
        {OK_LINES, BODY("\0\0\0\0\2\x08\3"), REASON_MISMATCH, "SERVICE_UNKNOWN"},
        {OK_LINES, BODY("\0\0\0\0\2\x08\4"), REASON_PROTOCOL, "makes no sense"},
        {OK_LINES, BODY("\0\0\0\0\3\x08\1"), REASON_PROTOCOL, "no message"},
        {OK_LINES, BODY("\1\0\0\0\2\x08\1"), REASON_PROTOCOL, "no message"},
        {OK_LINES, BODY("\0\0\0\0\1\x08"), REASON_PROTOCOL, "makes no sense"},
        {OK_LINES, BODY("\0\0\0\0\2\0\1"), REASON_PROTOCOL, "makes no sense"},
        {OK_LINES, BODY("\0\0\0\0\3\x12\5a"), REASON_PROTOCOL, "makes no sense"},
        {OK_LINES, BODY(""), REASON_PROTOCOL, "no message"},
        {"HTTP/2 200\ncontent-type: application/grpc", BODY("\0\0\0\0\2\x08\1"), REASON_PROTOCOL,
         "no grpc-status"},
        {"HTTP/2 200\ncontent-type: application/grpcx\ngrpc-status: 0", BODY("\0\0\0\0\2\x08\1"),
         REASON_PROTOCOL, "Content-Type"},
        {"HTTP/2 200\ngrpc-status: 5\ngrpc-message: no%20%22x%0a", BODY(""), REASON_MISMATCH,
         "NOT_FOUND): no \"x?"},
        {"HTTP/2 200\ngrpc-status: 12", BODY(""), REASON_MISMATCH, "UNIMPLEMENTED"},
        {"HTTP/2 200\ngrpc-status: 16", BODY(""), REASON_AUTH, "UNAUTHENTICATED"},
        {"HTTP/2 200\ngrpc-status: 4", BODY(""), REASON_TIMEOUT, "DEADLINE"},
        {"HTTP/2 200\ngrpc-status: 99", BODY(""), REASON_MISMATCH, "code 99"},
        {"HTTP/2 200\ngrpc-status: -1", BODY(""), REASON_PROTOCOL, ""},
        {"HTTP/2 503", BODY(""), REASON_MISMATCH, "HTTP 503"},
        {"HTTP/2 403", BODY(""), REASON_AUTH, "HTTP 403"},
        {"HTTP/2 404\ngrpc-status: 0", BODY("\0\0\0\0\2\x08\1"), REASON_PROTOCOL, "HTTP 404"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct grpc_reply r;
        struct err e = {.text = ""};
        grpc_reply_init(&r);
        for (const char *p = rows[i].lines; *p; p += strcspn(p, "\n") + (strchr(p, '\n') != NULL))
            grpc_reply_line(&r, p, strcspn(p, "\n"));
        grpc_reply_body(&r, rows[i].body, rows[i].len);
        enum reason reason = grpc_reply_judge(&r, "x.Y", &e);
        if (reason != rows[i].reason || (rows[i].words && !strstr(e.text, rows[i].words)))
            fail_msg("row %zu: %s: %s", i, reason_name(reason), e.text);
        grpc_reply_fini(&r);
    }
}

static void test_too_long(void **state)
{
    (void)state;
    static const char zeros[GRPC_MESSAGE_MAX + 1];
    struct grpc_reply r;
    grpc_reply_init(&r);
    assert_true(grpc_reply_body(&r, zeros, GRPC_MESSAGE_MAX));
    assert_false(grpc_reply_body(&r, zeros, 1));
    assert_true(r.too_long);
    struct err e;
    static const char *const head[] = {"HTTP/2 200", "content-type: application/grpc"};
    for (size_t i = 0; i < ARRAY_LEN(head); i++) /* its trailers are not waited for */
        grpc_reply_line(&r, head[i], strlen(head[i]));
    assert_int_equal(grpc_reply_judge(&r, "", &e), REASON_PROTOCOL);
    assert_non_null(strstr(e.text, "over 4 KiB"));
    grpc_reply_fini(&r);
}

static void expect_request(const char *service, const char *bytes, size_t len)
{
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(grpc_request(&out, service), 0);
    assert_int_equal(out.len, len + strlen(service));
    assert_memory_equal(out.data, bytes, len);
    assert_memory_equal(out.data + len, service, strlen(service));
    buf_fini(&out);
}

static void test_requests(void **state)
{
    (void)state;
    char name[1002];
    memset(name, 'x', sizeof name);
    expect_request("", "\0\0\0\0\0", 5);
    expect_request("a.B", "\0\0\0\0\5\x0a\3", 7);
    name[127] = '\0';
    expect_request(name, "\0\0\0\0\x81\x0a\x7f", 7);
    name[127] = 'x';
    name[128] = '\0';
    expect_request(name, "\0\0\0\0\x83\x0a\x80\1", 8);
    name[128] = 'x';
    name[1001] = '\0';
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(grpc_request(&out, name), -1);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
