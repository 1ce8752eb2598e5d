/* A name server's reply: what is an answer to the question, which records are in it, and how they
 * are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "dns/dns_answer.h"

#define ID 0x6162

/* A reply to `type` of name.test with these flags, `n` answers and their bytes. */
static struct dns_answer read_reply(const char *type, const char *flags, unsigned char n,
                                    const char *records, size_t len)
{
    unsigned char question[DNS_QUESTION_MAX], reply[1024];
    struct dns_answer a;
    size_t size = dns_question(question, ID, "name.test", dns_type_number(type), NULL);
    assert_true(size > 0);
    memcpy(reply, question, size);
    memcpy(reply + 2, flags, 2);
    reply[7] = n;
    memcpy(reply + size, records, len);
    dns_answer_read(&a, question, size, reply, size + len);
    return a;
}

#define REPLY(type, flags, n, bytes) read_reply(type, flags, n, bytes, sizeof bytes - 1)
#define OK                           "\x81\x80"
#define OWN                          "\x85\x80"
#define NAME                         "\xc0\x0c"
#define REST                         "\0\1\0\0\0\x3c"

static void expect(struct dns_answer a, enum dns_answer_is is, const char *records)
{
    const char *text = a.records.data ? a.records.data : "";
    if (a.is != is || strcmp(text, records) != 0)
        fail_msg("expected %d \"%s\", got %d \"%s\"", (int)is, records, (int)a.is, text);
    dns_answer_fini(&a);
}

static void test_records(void **state)
{
    (void)state;
    expect(REPLY("A", OK, 2, NAME "\0\1" REST "\0\4\xc0\0\2\1" NAME "\0\1" REST "\0\4\xc0\0\2\2"),
           DNS_ANSWER_FOUND, "192.0.2.1\n192.0.2.2\n");
    expect(REPLY("AAAA", OK, 1, NAME "\0\x1c" REST "\0\x10 \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"),
           DNS_ANSWER_FOUND, "2001:db8::1\n");
    expect(REPLY("MX", OK, 1, NAME "\0\x0f" REST "\0\x09\0\x0a\4Mail\xc0\x0c"), DNS_ANSWER_FOUND,
           "10 mail.name.test\n");
    expect(REPLY("SRV", OK, 1, NAME "\0\x21" REST "\0\x0a\0\1\0\2\1\xbb\1a\xc0\x0c"),
           DNS_ANSWER_FOUND, "1 2 443 a.name.test\n");
    expect(REPLY("TXT", OK, 1, NAME "\0\x10" REST "\0\7\2ab\3c\\\n"), DNS_ANSWER_FOUND,
           "abc\\\\\\010\n");
    expect(REPLY("CAA", OK, 1, NAME "\1\1" REST "\0\x0d\0\5issuex.test"), DNS_ANSWER_FOUND,
           "0 issue x.test\n");
    expect(REPLY("NS", OK, 1, NAME "\0\2" REST "\0\5\3a.b\0"), DNS_ANSWER_FOUND, "a\\.b\n");
    expect(REPLY("SOA", OK, 1,
                 NAME "\0\6" REST "\0\x18" NAME NAME "\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\5"),
           DNS_ANSWER_FOUND, "name.test name.test 1 2 3 4 5\n");
    /* The CNAME is followed, but where it is asked for. */
    static const char alias[] = NAME "\0\5" REST "\0\3\1b\0"
                                     "\1b\0\0\1" REST "\0\4\1\2\3\4";
    expect(REPLY("A", OK, 2, alias), DNS_ANSWER_FOUND, "1.2.3.4\n");
    expect(REPLY("CNAME", OK, 2, alias), DNS_ANSWER_FOUND, "b\n");
    expect(REPLY("AAAA", OK, 2, alias), DNS_ANSWER_NO_RECORD, "");
}

static void test_other_answers(void **state)
{
    (void)state;
    static const char one[] = NAME "\0\1" REST "\0\4\xc0\0\2\1";
    expect(REPLY("A", "\x81\x83", 0, ""), DNS_ANSWER_NO_NAME, "");
    expect(REPLY("A", OK, 0, ""), DNS_ANSWER_NO_RECORD, "");
    expect(REPLY("A", "\x83\x80", 1, one), DNS_ANSWER_CUT, "");
    expect(REPLY("A", "\1\x80", 1, one), DNS_ANSWER_OTHER, "");   /* a question */
    expect(REPLY("A", "\x89\x80", 1, one), DNS_ANSWER_OTHER, ""); /* another operation */
    expect(REPLY("A", OK, 2, one), DNS_ANSWER_BROKEN, "");
    expect(REPLY("A", OK, 1, NAME "\0\1" REST "\0\3\xc0\0\2"), DNS_ANSWER_BROKEN, "");
    expect(REPLY("A", OK, 1, NAME "\0\1" REST "\0\5\xc0\0\2\1"), DNS_ANSWER_BROKEN, "");
    expect(REPLY("TXT", OK, 1, NAME "\0\x10" REST "\0\3\3ab"), DNS_ANSWER_BROKEN, "");
    expect(REPLY("MX", OK, 1, NAME "\0\x0f" REST "\0\2\0\1"), DNS_ANSWER_BROKEN, "");
    struct dns_answer a = REPLY("A", "\x81\x82", 0, "");
    assert_int_equal(a.is, DNS_ANSWER_ERROR);
    assert_string_equal(a.error, "SERVFAIL");
    assert_false(a.authoritative);
    dns_answer_fini(&a);
    a = REPLY("A", "\x85\x8d", 0, "");
    assert_string_equal(a.error, "RCODE 13");
    assert_true(a.authoritative);
    dns_answer_fini(&a);
    a = REPLY("A", OWN, 1, one);
    assert_true(a.authoritative);
    dns_answer_fini(&a);
}

static void test_whose_answer(void **state)
{
    (void)state;
    unsigned char ours[DNS_QUESTION_MAX], theirs[DNS_QUESTION_MAX];
    static const struct {
        const char *name, *type;
        uint16_t id;
        bool ok;
    } rows[] = {{"NAME.test.", "A", ID, true},
                {"name.test", "A", ID + 1, false},
                {"name.test", "MX", ID, false},
                {"other.test", "A", ID, false}};
    size_t len = dns_question(ours, ID, "name.test", dns_type_number("A"), NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct dns_answer a;
        size_t n =
            dns_question(theirs, rows[i].id, rows[i].name, dns_type_number(rows[i].type), NULL);
        memcpy(theirs + 2, OK, 2);
        dns_answer_read(&a, ours, len, theirs, n);
        assert_int_equal(a.is, rows[i].ok ? DNS_ANSWER_NO_RECORD : DNS_ANSWER_OTHER);
        dns_answer_fini(&a);
    }
    /* Of an error the question may be missing. */
    struct dns_answer a;
    dns_answer_read(&a, ours, len, (const unsigned char *)"\x61\x62\x80\5\0\0\0\0\0\0\0\0", 12);
    assert_int_equal(a.is, DNS_ANSWER_ERROR);
    assert_string_equal(a.error, "REFUSED");
    dns_answer_fini(&a);
}

static void test_questions(void **state)
{
    (void)state;
    unsigned char out[DNS_QUESTION_MAX];
    char longest[300] = "", part[65];
    struct err e;
    static const char *const bad[] = {"", "a..b", ".a", "a b", "a/b", "a?b"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(dns_question(out, 1, bad[i], 1, &e), 0);
    assert_int_equal(dns_question(out, 1, ".", 2, &e), 12 + 1 + 4);
    assert_int_equal(dns_question(out, 1, "_a._tcp.b.", 33, &e), 12 + 11 + 4);
    memset(part, 'x', 64);
    part[64] = '\0';
    assert_int_equal(dns_question(out, 1, part, 1, &e), 0);
    part[63] = '\0';
    for (int i = 0; i < 3; i++)
        snprintf(longest + strlen(longest), 70, "%s.", part);
    part[61] = '\0';
    strcat(longest, part);
    assert_int_equal(strlen(longest), 253);
    assert_int_equal(dns_question(out, 1, longest, 1, &e), DNS_QUESTION_MAX);
    strcat(longest, "x");
    assert_int_equal(dns_question(out, 1, longest, 1, &e), 0);
    assert_int_equal(dns_type_number("txt"), 16);
    assert_int_equal(dns_type_number("TXTT"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_other_answers),
        cmocka_unit_test(test_whose_answer),
        cmocka_unit_test(test_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
