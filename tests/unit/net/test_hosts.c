/* /etc/hosts and name servers' replies: what addresses are in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "net/dns_reply.h"
#include "net/hosts.h"
#include "net/resolve_search.h"

#define FOUND_MAX 8

static char path[64];

static void write_file(const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static const char *text_of(const struct sockaddr_in6 *a, char out[INET6_ADDRSTRLEN])
{
    struct sockaddr_in in;
    memcpy(&in, a, sizeof in);
    return a->sin6_family == AF_INET ? inet_ntop(AF_INET, &in.sin_addr, out, INET6_ADDRSTRLEN)
                                     : inet_ntop(AF_INET6, &a->sin6_addr, out, INET6_ADDRSTRLEN);
}

/* All of them in a row: "10.0.0.1 ::1" */
static void check(const char *name, const char *expected)
{
    struct sockaddr_in6 found[FOUND_MAX];
    char all[400] = "", one[INET6_ADDRSTRLEN];
    struct err e;
    int n = hosts_find_in(path, name, found, FOUND_MAX, &e);
    assert_in_range(n, 0, FOUND_MAX);
    for (int i = 0; i < n; i++)
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "",
                 text_of(&found[i], one));
    assert_string_equal(all, expected);
}

static void test_lines(void **state)
{
    (void)state;
    write_file("# 10.9.9.9 commented\n"
               "10.0.0.1 db a.example # db2\n"
               "\t10.0.0.2\tDB\n"
               "::1 db\r\n"
               "0.0.0.0 nowhere\n"
               "not-an-address db\n"
               "10.0.0.300 db\n"
               "10.0.0.4\n"
               "fe80::1%lo linked\n"
               "10.0.0.5 last");
    check("db", "10.0.0.1 10.0.0.2 ::1");
    check("Db.", "10.0.0.1 10.0.0.2 ::1");
    check("A.Example", "10.0.0.1");
    check("nowhere", "0.0.0.0");
    check("linked", "fe80::1");
    check("last", "10.0.0.5");
    check("db2", "");
    check("commented", "");
    check("d", "");
    check("", "");
}

static void test_changes(void **state)
{
    (void)state;
    struct sockaddr_in6 found[2];
    write_file("10.0.0.1 db\n");
    check("db", "10.0.0.1");
    write_file("10.0.0.2 db\n"); /* the same size, within the same step of the clock */
    check("db", "10.0.0.2");
    unlink(path);
    check("db", "");
    write_file("10.0.0.1 db\n10.0.0.2 db\n10.0.0.3 db\n");
    assert_int_equal(hosts_find_in(path, "db", found, 2, NULL), 3); /* more than there is room */
    assert_int_equal(hosts_find_in("/dev", "db", found, 2, NULL), -1);
}

/* A list of 150,000 lines is read once: what a thousand lookups then take is no more than reading
 * it a few times. */
static void test_many_lines(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 150000; i++)
        fprintf(f, "0.0.0.0 host%d.ads.example\n", i);
    fputs("10.0.0.7 db\n", f);
    fclose(f);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    /* Older than the clock's step, which may be of whole seconds: from then on it is kept. */
    struct timespec aged = {.tv_sec = st.st_ctim.tv_nsec ? 0 : 2, .tv_nsec = 30000000};
    nanosleep(&aged, NULL);
    clock_t before = clock();
    check("db", "10.0.0.7");
    clock_t first = clock() - before;
    before = clock();
    for (int i = 0; i < 1000; i++)
        check("host149999.ads.example", "0.0.0.0");
    assert_true(clock() - before < 3 * first + CLOCKS_PER_SEC / 10);
}

/* ---- Replies: a header, the question and records written by hand. ---- */

struct reply {
    unsigned char data[2048];
    size_t len;
};

static void put_name(struct reply *r, const char *name)
{
    for (size_t len; *name; name += len + (name[len] == '.')) {
        len = strcspn(name, ".");
        r->data[r->len++] = (unsigned char)len;
        memcpy(r->data + r->len, name, len);
        r->len += len;
    }
    r->data[r->len++] = 0;
}

static void put16(struct reply *r, unsigned value)
{
    r->data[r->len++] = (unsigned char)(value >> 8);
    r->data[r->len++] = (unsigned char)value;
}

static void begin(struct reply *r, const char *name)
{
    memset(r, 0, sizeof *r);
    r->len = 12;
    r->data[2] = 0x80;
    r->data[5] = 1;
    put_name(r, name);
    put16(r, 1);
    put16(r, 1);
}

static void put_record(struct reply *r, const char *name, const char *to)
{
    struct in_addr v4;
    bool is_address = inet_pton(AF_INET, to, &v4) == 1;
    put_name(r, name);
    put16(r, is_address ? 1 : 5);
    put16(r, 1);
    put16(r, 0);
    put16(r, 1);
    size_t at = r->len;
    r->len += 2;
    if (is_address) {
        memcpy(r->data + r->len, &v4, 4);
        r->len += 4;
    } else {
        put_name(r, to);
    }
    r->data[at] = (unsigned char)((r->len - at - 2) >> 8);
    r->data[at + 1] = (unsigned char)(r->len - at - 2);
    r->data[7]++;
}

static size_t found_in(const struct reply *r, enum dns_reply expected)
{
    struct sockaddr_in6 out[2];
    size_t n;
    assert_int_equal(dns_reply_addresses(r->data, r->len, AF_INET, out, 2, &n), expected);
    return n;
}

static void test_cnames_in_any_order(void **state)
{
    (void)state;
    static const char *const chain[][2] = {
        {"a.test", "b.test"}, {"B.TEST", "c.test"}, {"c.test", "d.test"}, {"d.test", "10.0.0.1"}};
    struct reply r;
    for (size_t first = 0; first < 4; first++)
        for (size_t step = 1; step < 4; step += 2) {
            begin(&r, "A.test");
            for (size_t i = 0; i < 4; i++)
                put_record(&r, chain[(first + i * step) % 4][0], chain[(first + i * step) % 4][1]);
            assert_int_equal(found_in(&r, DNS_REPLY_FOUND), 1);
        }
}

/* A record of any kind with these bytes. */
static void put_data(struct reply *r, const char *name, unsigned type, uint16_t ttl,
                     const char *data, size_t len)
{
    put_name(r, name);
    put16(r, type);
    put16(r, 1);
    put16(r, 0);
    put16(r, ttl);
    put16(r, (unsigned)len);
    memcpy(r->data + r->len, data, len);
    r->len += len;
    r->data[7]++;
}

#define DATA(text) text, sizeof(text) - 1

static void test_srv(void **state)
{
    (void)state;
    struct reply r;
    struct dns_srv out[2];
    size_t n;
    uint32_t ttl = 300;
    begin(&r, "s.test");
    put_record(&r, "s.test", "t.test");
    put_data(&r, "t.test", 33, 60, DATA("\0\1\0\2\x69\x89\1A\4test\0"));
    put_data(&r, "t.test", 33, 90, DATA("\0\1\0\2\0\1\1b\4test\0"));
    put_data(&r, "t.test", 33, 70, DATA("\0\1\0\2\0\2\1c\4test\0"));
    put_data(&r, "other.test", 33, 1, DATA("\0\1\0\2\0\3\1d\4test\0"));
    assert_int_equal(dns_reply_srv(r.data, r.len, out, 2, &n, &ttl), DNS_REPLY_FOUND);
    assert_int_equal(n, 3);
    assert_int_equal(ttl, 60);
    assert_string_equal(out[0].target, "a.test");
    assert_int_equal(out[0].port, 27017);
    assert_string_equal(out[1].target, "b.test");
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {
        {DATA("\0\1\0\2\0\1")},              /* no name */
        {DATA("\0\1\0\2\0\1\0")},            /* the root */
        {DATA("\0\1\0\2\0\1\1a")},           /* cut */
        {DATA("\0\1\0\2\0\1\3a.b\4test\0")}, /* a dot within a label */
        {DATA("\0\1\0\2\0\1\1a\4test\0\0")}, /* more than the name */
        {DATA("\0\1\0\2\0\1\2a,\4test\0")},  /* no name of a host */
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        begin(&r, "s.test");
        put_data(&r, "s.test", 33, 60, bad[i].data, bad[i].len);
        assert_int_equal(dns_reply_srv(r.data, r.len, out, 2, &n, &ttl), DNS_REPLY_BAD);
    }
    begin(&r, "s.test");
    assert_int_equal(dns_reply_srv(r.data, r.len, out, 2, &n, &ttl), DNS_REPLY_NONE);
}

static void test_txt(void **state)
{
    (void)state;
    struct reply r;
    char out[8];
    size_t n;
    uint32_t ttl = 300;
    begin(&r, "s.test");
    put_data(&r, "s.test", 16, 60, DATA("\3abc\0\4defg"));
    put_data(&r, "s.test", 16, 50, DATA("\1x"));
    assert_int_equal(dns_reply_txt(r.data, r.len, out, sizeof out, &n, &ttl), DNS_REPLY_FOUND);
    assert_string_equal(out, "abcdefg");
    assert_int_equal(n, 2);
    assert_int_equal(ttl, 50);
    static const struct {
        const char *data;
        size_t len;
    } bad[] = {{DATA("\3ab")}, {DATA("\2a\0")}, {DATA("\4abcd\4efgh")}};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        begin(&r, "s.test");
        put_data(&r, "s.test", 16, 60, bad[i].data, bad[i].len);
        assert_int_equal(dns_reply_txt(r.data, r.len, out, sizeof out, &n, &ttl), DNS_REPLY_BAD);
    }
}

static void test_odd_replies(void **state)
{
    (void)state;
    struct reply r;
    begin(&r, "a.test");
    assert_int_equal(found_in(&r, DNS_REPLY_NONE), 0);
    put_record(&r, "other.test", "10.0.0.1"); /* of a name that nobody asked for */
    assert_int_equal(found_in(&r, DNS_REPLY_NONE), 0);
    put_record(&r, "a.test", "b.test");
    put_record(&r, "b.test", "a.test"); /* a circle */
    assert_int_equal(found_in(&r, DNS_REPLY_NONE), 0);
    begin(&r, "a.test");
    for (int i = 0; i < 40; i++)
        put_record(&r, "a.test", "10.0.0.1");
    assert_int_equal(found_in(&r, DNS_REPLY_FOUND), 40); /* all are counted */
    r.len--;
    found_in(&r, DNS_REPLY_BAD);
    begin(&r, "a.test");
    r.data[7] = 1;
    r.data[r.len++] = 0xc0; /* a name that points at itself */
    r.data[r.len] = (unsigned char)(r.len - 1);
    r.len += 20;
    found_in(&r, DNS_REPLY_BAD);
}

/* ---- resolv.conf. ---- */

static void test_resolv_conf(void **state)
{
    (void)state;
    char text[8192] = "nameserver 10.0.0.1\nnameserver fe80::1%lo # comment\nnameserver ::1;x\n"
                      "nameserver fe80::2\nnameserver fe80::1%no-such\nnameserver name.example\n"
                      "options edns0 use-vc ndots:5\nsearch";
    for (int i = 0; i < 40; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), " d%d.example", i);
    struct resolve_search s = {.ndots = 1};
    char name[RESOLVE_NAME_SIZE];
    resolve_search_parse(&s, text);
    assert_int_equal(s.n_servers, 3);
    assert_int_equal(s.servers[1].sin6_scope_id, 1);
    assert_string_equal(s.ignored, "\"fe80::2\", \"fe80::1%no-such\", \"name.example\"");
    assert_true(s.use_vc && !s.cut && s.ndots == 5);
    assert_true(resolve_search_name(&s, "db", 39, name));
    assert_string_equal(name, "db.d39.example");
    assert_true(resolve_search_name(&s, "db", 40, name));
    assert_string_equal(name, "db");
    assert_false(resolve_search_name(&s, "db", 41, name));
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "/tmp/probe-test-hosts-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int remove_path(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),       cmocka_unit_test(test_changes),
        cmocka_unit_test(test_many_lines),  cmocka_unit_test(test_cnames_in_any_order),
        cmocka_unit_test(test_srv),         cmocka_unit_test(test_txt),
        cmocka_unit_test(test_odd_replies), cmocka_unit_test(test_resolv_conf),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
