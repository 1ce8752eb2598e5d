/* Where reads go by the readPreference of a string: the rules of "Server Selection" and "Max
 * Staleness", and the verdict together with what is required. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_verdict.h"
#include "mongo/mongo_warn.h"

/* A set of a:1, b:1 and c:1; who is not written has not answered. */
struct member {
    char role; /* p primary, s secondary, h hidden, a arbiter, m mongos, x refused, i it could not
                  be asked; 0: none */
    const char *tags; /* "dc:ny"; NULL: none */
    int written;      /* seconds of its last write; the clocks are at 1000; 0: not told */
    int late_ms;      /* so long after the first it answered */
};

#define P                                                                                          \
    {                                                                                              \
        'p', NULL, 900, 0                                                                          \
    }
#define S                                                                                          \
    {                                                                                              \
        's', NULL, 900, 0                                                                          \
    }
#define X                                                                                          \
    {                                                                                              \
        'x', NULL, 0, 0                                                                            \
    }

#define PING  MONGO_REQUIRE_PING
#define SEC   MONGO_REQUIRE_SECONDARY
#define WRITE MONGO_REQUIRE_WRITABLE

static const struct {
    const char *name, *options;
    struct member members[3];
    enum mongo_require require;
    int reason; /* -1: none yet */
    const char *words;
} rows[] = {
    {"primary", "readPreference=primary", {P}, PING, REASON_OK, "from a:1, primary"},
    {"primary: not yet", "readPreference=primary", {S}, PING, -1, ""},
    {"primary: none",
     "readPreference=primary",
     {S, X, X},
     PING,
     REASON_NO_PRIMARY,
     "no member for readPreference=primary: rs0: a:1 secondary (lag 1m40s), b:1 refused"},
    {"primaryPreferred: primary", "readPreference=primaryPreferred", {P}, PING, REASON_OK, "a:1"},
    {"primaryPreferred: secondary", "readPreference=primaryPreferred", {S}, PING, REASON_OK, "a:1"},
    {"secondary: not yet", "readPreference=secondary", {P}, PING, -1, ""},
    {"secondary", "readPreference=secondary", {P, S}, PING, REASON_OK, "from b:1, secondary"},
    {"secondary: none",
     "readPreference=secondary",
     {P, X, X},
     PING,
     REASON_MISMATCH,
     "no member for readPreference=secondary: rs0: a:1 primary, b:1 refused"},
    {"secondary: hidden",
     "readPreference=secondary",
     {P, {'h', NULL, 900, 0}, X},
     PING,
     REASON_MISMATCH,
     "hidden"},
    {"secondary: an arbiter",
     "readPreference=secondary",
     {P, {'a', NULL, 0, 0}, X},
     PING,
     REASON_MISMATCH,
     "arbiter"},
    {"secondaryPreferred: primary",
     "readPreference=secondaryPreferred",
     {P},
     PING,
     REASON_OK,
     "a:1"},
    {"nearest", "readPreference=nearest", {X, S}, PING, REASON_OK, "b:1"},
    {"all refuse", "readPreference=nearest", {X, X, X}, PING, REASON_REFUSED, "a:1 refused"},

    {"tags",
     "readPreference=secondary&readPreferenceTags=dc:ny",
     {P, S, {'s', "dc:ny", 900, 0}},
     PING,
     REASON_OK,
     "from c:1"},
    {"tags: none",
     "readPreference=secondary&readPreferenceTags=dc:ny",
     {P, S, {'s', "dc:sf", 900, 0}},
     PING,
     REASON_MISMATCH,
     "readPreference=secondary, tags dc:ny: rs0: a:1 primary, b:1 secondary (lag 1m40s), c:1 "
     "secondary (lag 1m40s) (tags dc:sf)"},
    {"tags: all of a set",
     "readPreference=secondary&readPreferenceTags=dc:ny,rack:1",
     {P, {'s', "dc:ny", 900, 0}, X},
     PING,
     REASON_MISMATCH,
     "tags dc:ny,rack:1"},
    {"tags: the second set",
     "readPreference=secondary&readPreferenceTags=dc:ny&readPreferenceTags="
     "dc:sf",
     {P, {'s', "dc:sf", 900, 0}},
     PING,
     REASON_OK,
     "b:1"},
    {"tags: any at last",
     "readPreference=secondary&readPreferenceTags=dc:ny&readPreferenceTags=",
     {P, S},
     PING,
     REASON_OK,
     "b:1"},
    {"tags: a primary need not",
     "readPreference=secondaryPreferred&readPreferenceTags=dc:ny",
     {P},
     PING,
     REASON_OK,
     "a:1"},
    {"tags: nearest: a primary must",
     "readPreference=nearest&readPreferenceTags=dc:ny",
     {P, X, X},
     PING,
     REASON_MISMATCH,
     "tags dc:ny"},

    {"stale: beside the primary",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'p', NULL, 900, 0}, {'s', NULL, 820, 0}},
     PING,
     REASON_OK,
     "b:1"},
    {"stale: too far behind it",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'p', NULL, 900, 0}, {'s', NULL, 819, 0}, X},
     PING,
     REASON_MISMATCH,
     "maxStalenessSeconds=90"},
    {"stale: it answered later",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'p', NULL, 900, 0}, {'s', NULL, 820, 1}, X},
     PING,
     REASON_MISMATCH,
     ""},
    {"stale: the heartbeat",
     "readPreference=secondary&maxStalenessSeconds=90&heartbeatFrequencyMS="
     "60000",
     {{'p', NULL, 900, 0}, {'s', NULL, 869, 0}, X},
     PING,
     REASON_MISMATCH,
     ""},
    {"stale: without a primary",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'s', NULL, 500, 0}, {'s', NULL, 400, 0}, X},
     SEC,
     REASON_OK,
     "a:1"},
    {"stale: before the primary answers",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'s', NULL, 500, 0}, {'s', NULL, 400, 0}},
     SEC,
     -1,
     ""},
    {"stale: fresh by its own clock",
     "readPreference=secondary&maxStalenessSeconds=90",
     {{'s', NULL, 990, 0}},
     SEC,
     REASON_OK,
     "a:1"},
    {"stale: not told",
     "readPreference=secondary&maxStalenessSeconds=90",
     {P, {'s', NULL, 0, 0}, X},
     PING,
     REASON_MISMATCH,
     ""},
    {"stale: a primary is never",
     "readPreference=nearest&maxStalenessSeconds=90",
     {{'p', NULL, 10, 0}},
     PING,
     REASON_OK,
     "a:1"},
    {"stale: less than drivers take",
     "readPreference=secondary&maxStalenessSeconds=89",
     {P, S},
     PING,
     REASON_MISMATCH,
     "drivers refuse maxStalenessSeconds=89"},
    {"stale: less than the heartbeat",
     "readPreference=nearest&maxStalenessSeconds=90&"
     "heartbeatFrequencyMS=80001",
     {P},
     PING,
     REASON_MISMATCH,
     "drivers refuse maxStalenessSeconds=90"},

    {"writes and reads by two",
     "readPreference=secondary",
     {P, S},
     WRITE,
     REASON_OK,
     "ping ok from a:1, primary of rs0; reads go to b:1, secondary of rs0"},
    {"writes and reads by one",
     "readPreference=secondaryPreferred",
     {S, P},
     WRITE,
     REASON_OK,
     "ping ok from b:1, primary of rs0"},
    {"writes alone, reads to come", "readPreference=secondary", {P}, WRITE, -1, ""},
    {"reads alone",
     "readPreference=secondary",
     {S, X, X},
     WRITE,
     REASON_NO_PRIMARY,
     "rs0: a:1 secondary"},
    {"a mongos takes any",
     "readPreference=secondary&readPreferenceTags=dc:ny",
     {{'m', NULL, 0, 0}},
     PING,
     REASON_OK,
     "mongos"},
    {"a mongos takes any staleness",
     "readPreference=secondary&maxStalenessSeconds=1",
     {{'m', NULL, 0, 0}},
     PING,
     REASON_OK,
     "mongos"},
};

static bson_t *hello_of(const struct member *m)
{
    bson_t *doc = bson_new(), tags, last;
    char tag[40];
    BSON_APPEND_BOOL(doc, "isWritablePrimary", m->role == 'p' || m->role == 'm');
    BSON_APPEND_INT32(doc, "maxWireVersion", 21);
    BSON_APPEND_DATE_TIME(doc, "localTime", 1000000);
    if (m->role == 'm') {
        BSON_APPEND_UTF8(doc, "msg", "isdbgrid");
        return doc;
    }
    BSON_APPEND_UTF8(doc, "setName", "rs0");
    BSON_APPEND_BOOL(doc, "secondary", m->role == 's' || m->role == 'h');
    BSON_APPEND_BOOL(doc, "hidden", m->role == 'h');
    BSON_APPEND_BOOL(doc, "arbiterOnly", m->role == 'a');
    if (m->written) {
        bson_append_document_begin(doc, "lastWrite", -1, &last);
        BSON_APPEND_DATE_TIME(&last, "lastWriteDate", m->written * 1000);
        bson_append_document_end(doc, &last);
    }
    if (m->tags) {
        snprintf(tag, sizeof tag, "%s", m->tags);
        char *value = strchr(tag, ':');
        *value++ = '\0';
        bson_append_document_begin(doc, "tags", -1, &tags);
        BSON_APPEND_UTF8(&tags, tag, value);
        bson_append_document_end(doc, &tags);
    }
    return doc;
}

static void answer(struct mongo_topology *t, size_t i, const struct member *m)
{
    struct mongo_hello hello;
    struct mongo_members members = {0};
    if (m->role == 'x')
        mongo_topology_fail(t, i, REASON_REFUSED, "connection refused");
    if (m->role == 'i')
        mongo_topology_fail(t, i, REASON_INTERNAL, "out of descriptors");
    if (!m->role || m->role == 'x' || m->role == 'i')
        return;
    bson_t *doc = hello_of(m);
    mongo_hello_read(&hello, &members, doc);
    for (size_t k = 0; k < 3; k++) {
        char name[] = {(char)('a' + (char)k), ':', '1', '\0'};
        members.hosts[members.n_hosts++] = strdup(name);
    }
    mongo_topology_answer(t, i, &hello, &members);
    t->servers[i].answered = m->late_ms * NS_PER_MS;
    mongo_members_fini(&members);
    bson_destroy(doc);
}

static void read_preference(struct mongo_prefer *p, const char *options)
{
    char text[256];
    struct err e;
    snprintf(text, sizeof text, "mongodb://a:1,b:1,c:1/?%s", options);
    mongoc_uri_t *uri = mongoc_uri_new(text);
    if (!uri)
        fail_msg("%s", text);
    assert_int_equal(mongo_prefer_init(p, uri, &e), 0);
    mongoc_uri_destroy(uri);
}

static void verdicts(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char a[] = "a:1", b[] = "b:1", c[] = "c:1", *seeds[] = {a, b, c};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_prefer prefer;
        char detail[PROBE_DETAIL_MAX] = "";
        enum reason reason = REASON_COUNT;
        bool gone;
        read_preference(&prefer, rows[i].options);
        const struct mongo_wish wish = {.require = rows[i].require, .prefer = &prefer};
        assert_int_equal(mongo_topology_init(&t, seeds, 3, NULL), 0);
        for (size_t k = 0; k < 3; k++)
            answer(&t, k, &rows[i].members[k]);
        bool over = mongo_verdict(&t, &wish, &reason, detail, &gone);
        if ((over ? (int)reason : -1) != rows[i].reason || !strstr(detail, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].name, over ? reason_name(reason) : "not yet", detail);
        mongo_topology_fini(&t);
        mongo_prefer_fini(&prefer);
    }
}

/* That we could not ask a member is not the deployment's fault, where that one may be right. */
static void one_could_not_be_asked(void **state)
{
    (void)state;
    static struct mongo_topology t;
    static struct mongo_prefer reads;
    static const struct {
        struct member members[2];
        struct mongo_wish wish;
        enum reason reason;
    } cases[] = {
        {{P, X}, {.require = MONGO_REQUIRE_PRIMARY}, REASON_OK},
        {{S, X}, {.require = MONGO_REQUIRE_PRIMARY}, REASON_INTERNAL},
        {{S, X}, {.require = SEC, .max_lag = NS_PER_S}, REASON_INTERNAL},
        {{P, S}, {.min_members = 3}, REASON_INTERNAL},
        {{P, X}, {.prefer = &reads}, REASON_INTERNAL},
        {{X, X}, {.require = MONGO_REQUIRE_PING}, REASON_INTERNAL},
    };
    char a[] = "a:1", b[] = "b:1", c[] = "c:1", *seeds[] = {a, b, c}, words[PROBE_DETAIL_MAX];
    const struct member unasked = {'i', NULL, 0, 0};
    enum reason reason;
    bool gone;
    read_preference(&reads, "readPreference=secondary");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(mongo_topology_init(&t, seeds, 3, NULL), 0);
        answer(&t, 0, &cases[i].members[0]);
        answer(&t, 1, &cases[i].members[1]);
        answer(&t, 2, &unasked);
        assert_true(mongo_verdict(&t, &cases[i].wish, &reason, words, &gone));
        if (reason != cases[i].reason || gone)
            fail_msg("%zu: %s: %s", i, reason_name(reason), words);
        mongo_topology_fini(&t);
    }
    mongo_prefer_fini(&reads);
}

/* Dates at the ends of what is taken, and a clock that answered long after. */
static void no_overflow(void **state)
{
    (void)state;
    static struct mongo_topology t;
    struct mongo_prefer prefer;
    char a[] = "a:1", b[] = "b:1", *seeds[] = {a, b}, detail[PROBE_DETAIL_MAX];
    const struct member p = P, s = S;
    enum reason reason;
    bool gone;
    read_preference(&prefer, "readPreference=secondary&maxStalenessSeconds=2147483647&"
                             "heartbeatFrequencyMS=2147483647");
    const struct mongo_wish wish = {.require = MONGO_REQUIRE_PING, .prefer = &prefer};
    assert_int_equal(mongo_topology_init(&t, seeds, 2, NULL), 0);
    answer(&t, 0, &p);
    answer(&t, 1, &s);
    mongo_topology_fail(&t, 2, REASON_REFUSED, "");
    t.servers[0].hello.last_write_ms = INT64_MAX / NS_PER_MS;
    t.servers[1].hello.last_write_ms = 0;
    t.servers[1].answered = INT64_MAX;
    assert_true(mongo_verdict(&t, &wish, &reason, detail, &gone));
    assert_int_equal(reason, REASON_MISMATCH);
    mongo_topology_fini(&t);
    mongo_prefer_fini(&prefer);
}

static void a_member_that_no_driver_speaks_with(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char a[] = "a:1", b[] = "b:1", *seeds[] = {a, b}, words[PROBE_DETAIL_MAX];
    const struct member p = P, s = S;
    const struct mongo_wish wish = {.require = MONGO_REQUIRE_PRIMARY};
    enum reason reason;
    bool gone;
    assert_int_equal(mongo_topology_init(&t, seeds, 2, NULL), 0);
    answer(&t, 0, &p);
    answer(&t, 1, &s);
    assert_false(mongo_warn_versions(&t, words));
    t.servers[1].hello.max_wire_version = 5;
    assert_true(mongo_warn_versions(&t, words));
    assert_string_equal(words, "b:1 has wire versions 0 to 5, drivers speak 6 to 29 and refuse the "
                               "whole deployment");
    assert_true(mongo_verdict(&t, &wish, &reason, words, &gone));
    assert_int_equal(reason, REASON_OK);
    mongo_topology_fini(&t);
}

/* Whoever is asked again while another hangs. */
static void asked_again(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char a[] = "a:1", b[] = "b:1", c[] = "c:1", *seeds[] = {a, b, c}, words[PROBE_DETAIL_MAX];
    const struct member p = P, s = S, x = X;
    const struct mongo_wish wish = {.require = MONGO_REQUIRE_PRIMARY};
    enum reason reason;
    bool gone;
    assert_int_equal(mongo_topology_init(&t, seeds, 3, NULL), 0);
    answer(&t, 0, &s);
    answer(&t, 1, &x);
    assert_true(mongo_topology_may_change(&t, 0) && mongo_topology_may_change(&t, 1));
    assert_false(mongo_topology_may_change(&t, 2));
    assert_false(mongo_verdict(&t, &wish, &reason, words, &gone));
    answer(&t, 1, &s);
    assert_false(mongo_verdict(&t, &wish, &reason, words, &gone));
    answer(&t, 0, &x);
    answer(&t, 1, &p);
    assert_true(mongo_verdict(&t, &wish, &reason, words, &gone));
    assert_int_equal(reason, REASON_OK);
    assert_string_equal(words, "ping ok from b:1, primary of rs0");
    answer(&t, 1, &s);
    mongo_topology_fail(&t, 0, REASON_AUTH, "the login is refused");
    assert_false(mongo_topology_may_change(&t, 0));
    assert_true(mongo_topology_end(&t));
    assert_true(mongo_verdict(&t, &wish, &reason, words, &gone));
    assert_int_equal(reason, REASON_AUTH);
    mongo_topology_fini(&t);
}

/* A string without one, and what it keeps of one. */
static void what_the_string_says(void **state)
{
    (void)state;
    struct mongo_prefer prefer;
    struct buf words;
    read_preference(&prefer, "replicaSet=rs0");
    assert_false(prefer.given);
    mongo_prefer_fini(&prefer);
    read_preference(&prefer, "readPreference=nearest&readPreferenceTags=dc:ny,rack:1&"
                             "readPreferenceTags=&maxStalenessSeconds=120");
    buf_init(&words, 200);
    mongo_prefer_describe(&prefer, &words);
    buf_putc(&words, '\0');
    assert_string_equal(words.data, "readPreference=nearest, tags dc:ny,rack:1 or any, "
                                    "maxStalenessSeconds=120");
    buf_fini(&words);
    mongo_prefer_fini(&prefer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts),
                                       cmocka_unit_test(no_overflow),
                                       cmocka_unit_test(what_the_string_says),
                                       cmocka_unit_test(asked_again),
                                       cmocka_unit_test(one_could_not_be_asked),
                                       cmocka_unit_test(a_member_that_no_driver_speaks_with)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
