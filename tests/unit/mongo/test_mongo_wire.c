/* The OP_MSG codec: what goes out, and every way in which a reply can be wrong. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "mongo/mongo_wire.h"

static struct buf message; /* one reply to request 7 */

static int build(void **state)
{
    (void)state;
    bson_t doc;
    bson_init(&doc);
    bson_append_double(&doc, "ok", -1, 1.0);
    buf_init(&message, MONGO_MESSAGE_MAX);
    assert_int_equal(mongo_wire_command(&message, 99, &doc), 0);
    bson_destroy(&doc);
    message.data[8] = 7; /* responseTo */
    return 0;
}

static int drop(void **state)
{
    (void)state;
    buf_fini(&message);
    return 0;
}

static enum mongo_wire parse(struct mongo_reply *reply, struct err *e)
{
    *e = (struct err){""};
    return mongo_wire_reply(message.data, message.len, 7, reply, e);
}

static void whole_reply(void **state)
{
    (void)state;
    struct mongo_reply reply;
    struct err e;
    assert_int_equal(parse(&reply, &e), MONGO_WIRE_REPLY);
    assert_int_equal(reply.message_len, message.len);
    bson_t doc;
    assert_int_equal(mongo_wire_document(&doc, reply.document, reply.document_len, &e), 0);
    assert_true(mongo_reply_ok(&doc));
}

static void every_prefix_wants_more(void **state)
{
    (void)state;
    struct mongo_reply reply;
    struct err e;
    size_t len = message.len;
    for (message.len = 0; message.len < len; message.len++)
        assert_int_equal(parse(&reply, &e), MONGO_WIRE_MORE);
    message.len = len;
}

static void two_replies_in_one_read(void **state)
{
    (void)state;
    struct mongo_reply reply;
    struct err e;
    size_t one = message.len;
    char copy[64];
    memcpy(copy, message.data, one);
    buf_add(&message, copy, one);
    assert_int_equal(parse(&reply, &e), MONGO_WIRE_REPLY);
    assert_int_equal(reply.message_len, one);
}

static void checksum_is_cut_off(void **state)
{
    (void)state;
    struct mongo_reply reply;
    struct err e;
    size_t plain = message.len;
    buf_add(&message, "\1\2\3\4", 4);
    message.data[0] = (char)message.len;
    message.data[16] = 1;
    assert_int_equal(parse(&reply, &e), MONGO_WIRE_REPLY);
    assert_int_equal(reply.document_len, plain - 21);
    assert_int_equal(reply.message_len, plain + 4);
}

/* Each row breaks one byte range of a good reply. */
static void broken_replies(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        const char *bytes;
        size_t n;
        const char *says;
    } rows[] = {
        {0, "\0\0\0\0", 4, "not a MongoDB reply"},
        {0, "\x10\0\0\0", 4, "not a MongoDB reply"},
        {0, "\xff\xff\xff\xff", 4, "not a MongoDB reply"},
        {0, "\0\0\0\x7f", 4, "not a MongoDB reply"},
        {0, "HTTP/1.1 400 Bad", 16, "an HTTP server answers there"},
        {0, "\x15\3\1\0\2\2\x16", 7, "the port speaks TLS"},
        {8, "\6", 1, "a reply to request 6"},
        {12, "\xd4\7", 2, "not a MongoDB reply"},
        {16, "\2", 1, "announces more"},
        {16, "\4", 1, "unknown flags"},
        {16, "\0\x80", 2, "unknown flags"},
        {16, "\1", 1, "does not fill"}, /* a checksum bit without the checksum */
        {20, "\1", 1, "without a body"},
        {20, "\xff", 1, "without a body"},
        {21, "\x0f", 1, "does not fill"},
        {21, "\x12", 1, "does not fill"},
        {21, "\0\0\0\x80", 4, "does not fill"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_reply reply;
        struct err e;
        char saved[16];
        memcpy(saved, message.data + rows[i].at, rows[i].n);
        memcpy(message.data + rows[i].at, rows[i].bytes, rows[i].n);
        enum mongo_wire got = parse(&reply, &e);
        memcpy(message.data + rows[i].at, saved, rows[i].n);
        if (got != MONGO_WIRE_BAD || !strstr(e.text, rows[i].says))
            fail_msg("row %zu: %d, %s", i, (int)got, e.text);
    }
}

static void optional_flags_are_ignored(void **state)
{
    (void)state;
    struct mongo_reply reply;
    struct err e;
    message.data[18] = 1; /* exhaustAllowed, and others yet unknown */
    message.data[19] = (char)0x80;
    assert_int_equal(parse(&reply, &e), MONGO_WIRE_REPLY);
}

static void broken_documents(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
    } rows[] = {
        {"\5\0\0\0\1", 5},                   /* no end */
        {"\x0c\0\0\0\2a\0\xff\0\0\0\0", 12}, /* a string longer than all */
        {"\x0c\0\0\0\2a\0\0\0\0\0\0", 12},   /* a string of length 0 */
        {"\x0a\0\0\0\x21"
         "a\0\0\0\0",
         10},                                        /* an unknown type */
        {"\x0d\0\0\0\3a\0\xff\xff\xff\x7f\0\0", 13}, /* a document longer than all */
        {"\x09\0\0\0\1ok\0\0", 9},                   /* a double cut short */
        {"\x0f\0\0\0\2ok\0\2\0\0\0\xff\xfe", 15},    /* no end of string */
        {"\x08\0\0\0\x0a\xff\0\0", 8},               /* a name that is not UTF-8 */
        {"\x11\0\0\0\3a\0\x09\0\0\0\1ok\0\0\0", 17}, /* a double cut short, deeper */
        {"\x0d\0\0\0\3a\0\5\0\0\0\1\0", 13},         /* an empty document without its end */
        {"\x0d\0\0\0\4a\0\5\0\0\0\x7f\0", 13},       /* an empty array without its end */
        {"\x14\0\0\0\3a\0\x0c\0\0\0\x10i\0\1\0\0\0\1\0", 20}, /* another without */
        {"\5\0\0\0\0\0", 6},                                  /* a byte after all */
        {"\x09\0\0\0\x08"
         "a\0\2\0",
         9},                                              /* a boolean of 2 */
        {"\x0f\0\0\0\2ok\0\3\0\0\0\xc0\x80", 15},         /* overlong, no end */
        {"\x10\0\0\0\2ok\0\3\0\0\0\xc0\x80\0\0", 17},     /* its length is wrong */
        {"\x11\0\0\0\2ok\0\3\0\0\0\xc0\x80\0\0", 17},     /* an overlong NUL */
        {"\x12\0\0\0\2ok\0\4\0\0\0\xed\xa0\x80\0\0", 18}, /* half a surrogate pair */
        {"\x0d\0\0\0\5a\0\xff\xff\xff\xff\0\0", 13},      /* a binary of negative length */
        {"\x11\0\0\0\5a\0\4\0\0\0\2\1\0\0\0\0", 17},      /* an old binary, told two ways */
        {"\x0a\0\0\0\x0b"
         "a\0b\0\0",
         10}, /* a pattern without options */
        {"\x1a\0\0\0\x0f"
         "a\0\x12\0\0\0\2\0\0\0c\0\5\0\0\0\0\0\0\0",
         26},                              /* a scope too short */
        {"\x0c\0\0\0\0a\0\0\0\0\0\0", 12}, /* an element of type 0 */
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bson_t doc;
        struct err e;
        if (mongo_wire_document(&doc, (const uint8_t *)rows[i].bytes, rows[i].n, &e) == 0)
            fail_msg("row %zu was taken", i);
    }
}

/* libbson's validation overflows the stack on this one. */
static void deep_documents(void **state)
{
    (void)state;
    enum { PER_LEVEL = 8 };
    for (size_t depth = MONGO_NESTING_MAX - 1; depth < MONGO_MESSAGE_MAX / PER_LEVEL;
         depth = depth * 3 / 2) {
        size_t len = 5 + depth * PER_LEVEL, left = len;
        uint8_t *data = calloc(1, len), *p = data;
        assert_non_null(data);
        for (size_t i = 0; i <= depth; i++, left -= PER_LEVEL, p += PER_LEVEL - 1) {
            for (int b = 0; b < 4; b++)
                p[b] = (uint8_t)(left >> (8 * b));
            if (i < depth)
                memcpy(p + 4, "\3a", 3);
        }
        bson_t doc;
        struct err e;
        int want = depth < MONGO_NESTING_MAX ? 0 : -1;
        assert_int_equal(mongo_wire_document(&doc, data, len, &e), want);
        free(data);
    }
}

static bool ok_of(void (*append)(bson_t *doc))
{
    bson_t doc;
    bson_init(&doc);
    append(&doc);
    bool ok = mongo_reply_ok(&doc);
    bson_destroy(&doc);
    return ok;
}

#define APPENDER(name, call)                                                                       \
    static void name(bson_t *doc)                                                                  \
    {                                                                                              \
        call;                                                                                      \
    }
APPENDER(put_double, bson_append_double(doc, "ok", -1, 1.0))
APPENDER(put_int32, bson_append_int32(doc, "ok", -1, 1))
APPENDER(put_int64, bson_append_int64(doc, "ok", -1, 1))
APPENDER(put_true, bson_append_bool(doc, "ok", -1, true))
APPENDER(put_zero, bson_append_double(doc, "ok", -1, 0.0))
APPENDER(put_nan, bson_append_double(doc, "ok", -1, NAN))
APPENDER(put_more, bson_append_double(doc, "ok", -1, 1.5))
APPENDER(put_two, bson_append_int32(doc, "ok", -1, 2))
APPENDER(put_minus, bson_append_int64(doc, "ok", -1, INT64_MIN))
APPENDER(put_string, bson_append_utf8(doc, "ok", -1, "1", 1))
APPENDER(put_false, bson_append_bool(doc, "ok", -1, false))
APPENDER(put_null, bson_append_null(doc, "ok", -1))
APPENDER(put_other, bson_append_int32(doc, "OK", -1, 1))

static void ok_is_exactly_one(void **state)
{
    (void)state;
    void (*const good[])(bson_t *) = {put_double, put_int32, put_int64, put_true};
    void (*const bad[])(bson_t *) = {put_zero,   put_nan,   put_more, put_two,  put_minus,
                                     put_string, put_false, put_null, put_other};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(ok_of(good[i]));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(ok_of(bad[i]));
}

static void error_words(void **state)
{
    (void)state;
    char text[256];
    bson_t doc;
    bson_init(&doc);
    mongo_reply_error(&doc, text, sizeof text);
    assert_string_equal(text, "ok is not 1, and no error is told");
    bson_append_utf8(&doc, "errmsg", -1, "no\nway", -1);
    assert_int_equal(mongo_reply_error(&doc, text, sizeof text), 0);
    assert_string_equal(text, "no\\nway");
    bson_append_int32(&doc, "code", -1, 13);
    bson_append_utf8(&doc, "codeName", -1, "Unauthorized", -1);
    assert_int_equal(mongo_reply_error(&doc, text, sizeof text), 13);
    assert_string_equal(text, "Unauthorized (13): no\\nway");
    bson_destroy(&doc);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, build, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(whole_reply),
        CASE(every_prefix_wants_more),
        CASE(two_replies_in_one_read),
        CASE(checksum_is_cut_off),
        CASE(broken_replies),
        CASE(optional_flags_are_ignored),
        cmocka_unit_test(broken_documents),
        cmocka_unit_test(deep_documents),
        cmocka_unit_test(ok_is_exactly_one),
        cmocka_unit_test(error_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
