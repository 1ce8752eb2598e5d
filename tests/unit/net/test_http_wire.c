/* Replies of HTTP/1 taken apart, each in one piece and byte by byte, with the same outcome. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/http_wire.h"

#define OK_LINE "HTTP/1.1 200 OK\r\n"
#define CHUNKED OK_LINE "Transfer-Encoding: chunked\r\n\r\n"
#define CUT     HTTP_WIRE_BROKEN /* as http_wire_end says it: without words */

struct reply {
    const char *name, *bytes;
    size_t len;
    enum http_wire_step step;
    const char *seen; /* the body and, after '|', the words of what is broken, or the junk */
    bool is_head;
};

#define REPLY(bytes) bytes, sizeof(bytes) - 1

static const struct reply replies[] = {
    {"length", REPLY(OK_LINE "Content-Length: 3\r\n\r\nyes, and more"), HTTP_WIRE_WHOLE, "yes|",
     false},
    {"no body", REPLY(OK_LINE "content-length:0\r\n\r\n"), HTTP_WIRE_WHOLE, "|", false},
    {"until close", REPLY("HTTP/1.0 200 OK\r\n\r\nall of it"), HTTP_WIRE_WHOLE, "all of it|",
     false},
    {"204", REPLY("HTTP/1.1 204 No\r\nContent-Length: 3\r\n\r\n"), HTTP_WIRE_WHOLE, "|", false},
    {"304", REPLY("HTTP/1.1 304 No\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_WIRE_WHOLE, "|",
     false},
    {"HEAD", REPLY(OK_LINE "Content-Length: 3\r\n\r\n"), HTTP_WIRE_WHOLE, "|", true},
    {"LF alone", REPLY("HTTP/1.1 200 OK\nContent-Length: 2\n\nok"), HTTP_WIRE_WHOLE, "ok|", false},
    {"no phrase", REPLY("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"), HTTP_WIRE_WHOLE, "ok|",
     false},
    {"interim",
     REPLY("HTTP/1.1 103 Hints\r\nContent-Length: 9\r\n\r\n" OK_LINE "Content-Length: 1\r\n\r\nx"),
     HTTP_WIRE_WHOLE, "x|", false},
    {"length twice", REPLY(OK_LINE "Content-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok"),
     HTTP_WIRE_WHOLE, "ok|", false},
    {"a folded line", REPLY(OK_LINE "A: b\r\n  c\r\nContent-Length: 1\r\n\r\nx"), HTTP_WIRE_WHOLE,
     "x|", false},
    {"a blank before the colon", REPLY(OK_LINE "Content-Length \t: 2\r\n\r\nok, more"),
     HTTP_WIRE_WHOLE, "ok|", false},
    {"chunks", REPLY(CHUNKED "2\r\nye\r\n01;a=b\r\ns\r\n0\r\n\r\nmore"), HTTP_WIRE_WHOLE, "yes|",
     false},
    {"chunks over a length",
     REPLY(OK_LINE "Content-Length: 1\r\nTransfer-Encoding: identity, Chunked\r\n\r\n"
                   "A \r\n0123456789\r\n0\r\nA: b\r\n c\r\n\r\n"),
     HTTP_WIRE_WHOLE, "0123456789|", false},

    {"nothing", REPLY(""), CUT, "|", false},
    {"half a status line", REPLY("HTTP/1.1 2"), CUT, "|", false},
    {"half a head", REPLY(OK_LINE "A: b"), CUT, "|", false},
    {"after an interim one", REPLY("HTTP/1.1 100 Continue\r\n\r\n"), CUT, "|", false},
    {"half a body", REPLY(OK_LINE "Content-Length: 9\r\n\r\nyes"), CUT, "yes|", false},
    {"a length that none has", REPLY(OK_LINE "Content-Length: 99999999999999999999999\r\n\r\nyes"),
     CUT, "yes|", false},
    {"half a chunk", REPLY(CHUNKED "9\r\nyes"), CUT, "yes|", false},
    {"no last chunk", REPLY(CHUNKED "3\r\nyes\r\n"), CUT, "yes|", false},
    {"half a trailer", REPLY(CHUNKED "0\r\nA: b\r\n"), CUT, "|", false},
    {"half its end", REPLY(CHUNKED "0\r\n\r"), CUT, "|", false},

    {"no length", REPLY(OK_LINE "Content-Length:\r\n\r\n"), HTTP_WIRE_BROKEN, "|Content-Length is",
     false},
    {"a length in words", REPLY(OK_LINE "Content-Length: -1\r\n\r\n"), HTTP_WIRE_BROKEN,
     "|Content-Length is", false},
    {"two lengths", REPLY(OK_LINE "Content-Length: 1\r\nContent-Length: 2\r\n\r\n"),
     HTTP_WIRE_BROKEN, "|Content-Length is", false},
    {"another coding", REPLY(OK_LINE "Transfer-Encoding: gzip, chunked\r\n\r\n"), HTTP_WIRE_BROKEN,
     "|a Transfer-Encoding", false},
    {"chunked twice", REPLY(OK_LINE "Transfer-Encoding: chunked, chunked\r\n\r\n"),
     HTTP_WIRE_BROKEN, "|a Transfer-Encoding", false},
    {"no colon", REPLY(OK_LINE "oops\r\n\r\n"), HTTP_WIRE_BROKEN, "|a line has no name or", false},
    {"no name", REPLY(OK_LINE ": oops\r\n\r\n"), HTTP_WIRE_BROKEN, "|a line has no name or", false},
    {"a folded length", REPLY(OK_LINE "Content-Length: 2\r\n 5\r\n\r\nok"), HTTP_WIRE_BROKEN,
     "|a line continues", false},
    {"a folded coding", REPLY(OK_LINE "Transfer-Encoding:\r\n\tchunked\r\n\r\n0\r\n\r\n"),
     HTTP_WIRE_BROKEN, "|a line continues", false},
    {"more of nothing after an interim one",
     REPLY("HTTP/1.1 103 Hints\r\nContent-Length: 1\r\n\r\n" OK_LINE " 2\r\n\r\n"),
     HTTP_WIRE_BROKEN, "|the first line begins", false},
    {"more of nothing", REPLY(OK_LINE " oops\r\n\r\n"), HTTP_WIRE_BROKEN, "|the first line begins",
     false},
    {"NUL", REPLY(OK_LINE "A: b\0c\r\n\r\n"), HTTP_WIRE_BROKEN, "|there is a NUL", false},
    {"NUL in the status", REPLY("HTTP/1.1 200 \0\r\n\r\n"), HTTP_WIRE_BROKEN, "|there is a NUL",
     false},
    {"CR", REPLY(OK_LINE "A: b\rContent-Length: 3\r\n\r\n"), HTTP_WIRE_BROKEN, "|there is a NUL",
     false},
    {"CR, CR, LF", REPLY(OK_LINE "\r\r\n"), HTTP_WIRE_BROKEN, "|there is a NUL", false},
    {"no chunk size", REPLY(CHUNKED "zz"), HTTP_WIRE_BROKEN, "|a chunk's size is not", false},
    {"an empty chunk size", REPLY(CHUNKED "\r\n"), HTTP_WIRE_BROKEN, "|a chunk's size is not",
     false},
    {"more than a size", REPLY(CHUNKED "3 3\r\n"), HTTP_WIRE_BROKEN, "|a chunk's size is not",
     false},
    {"size over 64 bits", REPLY(CHUNKED "10000000000000000\r\n"), HTTP_WIRE_BROKEN,
     "|a chunk's size is too", false},
    {"chunk too long", REPLY(CHUNKED "3\r\nyes!"), HTTP_WIRE_BROKEN, "yes|a chunk is longer",
     false},
    {"trailer", REPLY(CHUNKED "0\r\noops\r\n"), HTTP_WIRE_BROKEN, "|a line has no name or", false},

    {"another protocol", REPLY("S"), HTTP_WIRE_STOPPED, "|S", false},
    {"HTTP/2", REPLY("HTTP/2"), HTTP_WIRE_STOPPED, "|HTTP/2", false},
    {"HTTP/1", REPLY("HTTP/1 200 OK\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1 ", false},
    {"no status", REPLY("HTTP/1.1 banana\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.1 banana\r\n", false},
    {"four digits", REPLY("HTTP/1.1 2000 OK\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.1 2000 OK\r\n",
     false},
    {"two digits", REPLY("HTTP/1.1 20\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.1 20\r\n", false},
    {"status 0", REPLY("HTTP/1.1 000 OK\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.1 000 OK\r\n", false},
    {"status 99", REPLY("HTTP/1.1 099 OK\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.1 099 OK\r\n", false},
    {"an odd version", REPLY("HTTP/1.x 200 OK\r\n"), HTTP_WIRE_STOPPED, "|HTTP/1.x 200 OK\r\n",
     false},
};

struct seen {
    struct buf body, lines, junk;
    const char *stop_at; /* a line that begins so is the last one wanted */
};

static bool on_line(void *owner, const char *line, size_t len)
{
    struct seen *s = owner;
    buf_add(&s->lines, line, len);
    return !s->stop_at || strncmp(line, s->stop_at, strlen(s->stop_at)) != 0;
}

static bool on_body(void *owner, const char *data, size_t len)
{
    buf_add(&((struct seen *)owner)->body, data, len);
    return true;
}

static void on_junk(void *owner, const char *data, size_t len)
{
    buf_add(&((struct seen *)owner)->junk, data, len);
}

static enum http_wire_step take(struct http_wire *w, struct seen *s, bool is_head,
                                const char *bytes, size_t len, size_t step_len)
{
    static const struct http_wire_events events = {
        .on_line = on_line, .on_body = on_body, .on_junk = on_junk};
    buf_init(&s->body, 4096);
    buf_init(&s->lines, SIZE_MAX / 2);
    buf_init(&s->junk, 4096);
    http_wire_init(w, is_head ? HTTP_WIRE_HEAD : HTTP_WIRE_ANY, &events, s);
    enum http_wire_step step = HTTP_WIRE_MORE;
    for (size_t at = 0; at < len && step == HTTP_WIRE_MORE; at += step_len) {
        /* A copy of just that size: a byte read beyond it is an error that is seen. */
        size_t n = len - at < step_len ? len - at : step_len;
        char *piece = malloc(n);
        memcpy(piece, bytes + at, n);
        step = http_wire_feed(w, piece, n);
        free(piece);
    }
    return step == HTTP_WIRE_MORE ? http_wire_end(w) : step;
}

static void drop(struct http_wire *w, struct seen *s)
{
    http_wire_fini(w);
    buf_fini(&s->body);
    buf_fini(&s->lines);
    buf_fini(&s->junk);
}

static const char *text(const struct buf *b)
{
    return b->data ? b->data : "";
}

static void test_replies(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(replies); i++)
        for (size_t step_len = 1; step_len <= 4096; step_len += 4095) {
            const struct reply *r = &replies[i];
            struct http_wire w;
            struct seen s = {.stop_at = NULL};
            enum http_wire_step step = take(&w, &s, r->is_head, r->bytes, r->len, step_len);
            char *seen = str_format("%s|%s", text(&s.body), w.broken ? w.broken : text(&s.junk));
            if (step != r->step || strncmp(seen, r->seen, strlen(r->seen)) != 0)
                fail_msg("%s by %zu: expected %d with '%s', got %d with '%s'", r->name, step_len,
                         r->step, r->seen, step, seen);
            free(seen);
            drop(&w, &s);
        }
}

static void test_lines(void **state)
{
    (void)state;
    static const char bytes[] =
        "HTTP/1.1 100 Continue\r\nA: 1\r\n\r\n" CHUNKED "1\r\nx\r\n0\r\nB: 2\r\n\r\n";
    struct http_wire w;
    struct seen s = {.stop_at = NULL};
    assert_int_equal(take(&w, &s, false, bytes, sizeof bytes - 1, 4096), HTTP_WIRE_WHOLE);
    assert_string_equal(text(&s.lines), "HTTP/1.1 100 Continue\r\nA: 1\r\n\r\n" CHUNKED "B: 2\r\n");
    drop(&w, &s);
    s.stop_at = "Transfer";
    assert_int_equal(take(&w, &s, false, bytes, sizeof bytes - 1, 1), HTTP_WIRE_STOPPED);
    assert_int_equal(s.body.len, 0);
    drop(&w, &s);
}

static void test_line_without_end(void **state)
{
    (void)state;
    size_t len = 2 * HTTP_LINE_MAX;
    char *bytes = malloc(len);
    memset(bytes, 'a', len);
    memcpy(bytes, OK_LINE, strlen(OK_LINE));
    struct http_wire w;
    struct seen s = {.stop_at = NULL};
    assert_int_equal(take(&w, &s, false, bytes, len, 1000), HTTP_WIRE_BROKEN);
    assert_string_equal(w.broken, "a line is over 64 KiB");
    assert_false(w.in_body);
    drop(&w, &s);
    free(bytes);
}

static void test_status_of_any_version(void **state)
{
    (void)state;
    const char *phrase;
    assert_int_equal(http_wire_status("HTTP/2 503\r\n", 12, &phrase), 503);
    assert_string_equal(phrase, "\r\n");
    assert_int_equal(http_wire_status("http/1.0 200 OK", 15, &phrase), 200);
    assert_int_equal(http_wire_status("HTTP/1.1  200", 13, &phrase), -1);
    assert_int_equal(http_wire_status("HTTP/", 5, &phrase), -1);
    assert_int_equal(http_wire_status("HTTP/1.1 20", 11, &phrase), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replies),
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_line_without_end),
        cmocka_unit_test(test_status_of_any_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
