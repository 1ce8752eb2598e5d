/* What a deployment is, by what its servers said in which order, and the verdict on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_topology.h"
#include "mongo/mongo_verdict.h"
#include "mongo/mongo_warn.h"

/* Shorthand for replies: {WHO: what hello says}, in this order; FAIL is a refusal. maxWireVersion
 * is 21 where none is written. */
#define FAIL    NULL
#define SET     "'setName':'rs0','ok':1,'hosts':['a:1','b:1','c:1']"
#define PRIMARY "{'isWritablePrimary':true,'maxWireVersion':21," SET "}"
#define SECOND  "{'secondary':true," SET "}"
#define ARBITER "{'arbiterOnly':true," SET "}"
#define HIDDEN  "{'secondary':true,'hidden':true," SET "}"
#define OTHER   "{'secondary':true,'setName':'rs1','hosts':['a:1'],'ok':1}"
#define ALONE   "{'isWritablePrimary':true,'ok':1}"
#define MONGOS  "{'isWritablePrimary':true,'msg':'isdbgrid','ok':1}"
#define GHOST   "{'isreplicaset':true,'ok':1}"
#define ELECTED(version, id, hosts)                                                                \
    "{'isWritablePrimary':true,'setName':'rs0','maxWireVersion':21,'setVersion':" #version         \
    ",'electionId':{'$oid':'00000000000000000000000" #id "'},'hosts':[" hosts "]}"

struct step {
    const char *who, *says;
};

static const struct {
    const char *name, *seeds[4], *set;
    struct step steps[6];
    enum mongo_require require;
    int reason; /* -1: none yet */
    const char *words;
} rows[] = {
    {"primary",
     {"a:1", "b:1"},
     "rs0",
     {{"a:1", PRIMARY}},
     MONGO_REQUIRE_PRIMARY,
     REASON_OK,
     "from a:1, primary of rs0"},
    {"secondary is not enough yet",
     {"a:1", "b:1"},
     "rs0",
     {{"b:1", SECOND}},
     MONGO_REQUIRE_WRITABLE,
     -1,
     ""},
    {"secondary leads to the primary",
     {"b:1"},
     "rs0",
     {{"b:1", SECOND}, {"a:1", PRIMARY}},
     MONGO_REQUIRE_WRITABLE,
     REASON_OK,
     "a:1"},
    {"no primary",
     {"a:1", "b:1"},
     "rs0",
     {{"b:1", SECOND}, {"a:1", FAIL}, {"c:1", FAIL}},
     MONGO_REQUIRE_PRIMARY,
     REASON_NO_PRIMARY,
     "rs0: a:1 refused, b:1 secondary, c:1 refused"},
    {"any member will do",
     {"a:1", "b:1"},
     "rs0",
     {{"a:1", FAIL}, {"b:1", SECOND}},
     MONGO_REQUIRE_PING,
     REASON_OK,
     "secondary"},
    {"an arbiter serves nobody",
     {"a:1"},
     "rs0",
     {{"a:1", ARBITER}, {"b:1", FAIL}, {"c:1", FAIL}},
     MONGO_REQUIRE_PING,
     REASON_MISMATCH,
     "a:1 arbiter"},
    {"a hidden member serves nobody",
     {"a:1"},
     "rs0",
     {{"a:1", HIDDEN}, {"b:1", FAIL}, {"c:1", FAIL}},
     MONGO_REQUIRE_SECONDARY,
     REASON_MISMATCH,
     "hidden"},
    {"another set",
     {"a:1"},
     "rs0",
     {{"a:1", OTHER}},
     MONGO_REQUIRE_PING,
     REASON_MISMATCH,
     "of another set"},
    {"a set's name may be any text",
     {"a:1"},
     "caf\u00e9",
     {{"a:1", "{'secondary':true,'setName':'caf\u00e9','hosts':['a:1'],'ok':1}"}},
     MONGO_REQUIRE_PING,
     REASON_OK,
     "secondary of caf"},
    {"the first set seen is the set",
     {"a:1", "b:1"},
     NULL,
     {{"a:1", OTHER}, {"b:1", SECOND}},
     MONGO_REQUIRE_PRIMARY,
     REASON_NO_PRIMARY,
     "rs1: "},
    {"standalone among several",
     {"a:1", "b:1"},
     NULL,
     {{"a:1", ALONE}, {"b:1", FAIL}},
     MONGO_REQUIRE_PING,
     REASON_REFUSED,
     "one of several hosts"},
    {"standalone by itself",
     {"a:1"},
     NULL,
     {{"a:1", ALONE}},
     MONGO_REQUIRE_WRITABLE,
     REASON_OK,
     "standalone"},
    {"standalone where a set is wanted",
     {"a:1"},
     "rs0",
     {{"a:1", ALONE}},
     MONGO_REQUIRE_PING,
     REASON_MISMATCH,
     "no member of a set"},
    {"mongos",
     {"a:1", "b:1"},
     NULL,
     {{"a:1", FAIL}, {"b:1", MONGOS}},
     MONGO_REQUIRE_WRITABLE,
     REASON_OK,
     "mongos"},
    {"not initiated",
     {"a:1"},
     "rs0",
     {{"a:1", GHOST}},
     MONGO_REQUIRE_PING,
     REASON_NOT_INITIATED,
     "not initiated"},
    {"all refuse",
     {"a:1", "b:1"},
     "rs0",
     {{"a:1", FAIL}, {"b:1", FAIL}},
     MONGO_REQUIRE_PING,
     REASON_REFUSED,
     "a:1 refused, b:1 refused"},
    {"advertised only to themselves",
     {"x:1"},
     "rs0",
     {{"x:1", PRIMARY}, {"a:1", FAIL}, {"b:1", FAIL}, {"c:1", FAIL}},
     MONGO_REQUIRE_PING,
     REASON_REFUSED,
     "directConnection=true"},
    {"an older election does not count",
     {"b:1", "a:1"},
     "rs0",
     {{"b:1", ELECTED(1, 2, "'a:1','b:1'")}, {"a:1", ELECTED(2, 1, "'a:1','b:1'")}},
     MONGO_REQUIRE_SECONDARY,
     REASON_MISMATCH,
     "older election"},
    {"a newer one takes over",
     {"a:1", "b:1"},
     "rs0",
     {{"a:1", ELECTED(1, 1, "'a:1','b:1'")}, {"b:1", ELECTED(1, 2, "'a:1','b:1'")}},
     MONGO_REQUIRE_PRIMARY,
     REASON_OK,
     "from b:1"},
    {"whom the primary does not name is out",
     {"d:1", "a:1"},
     "rs0",
     {{"d:1", SECOND}, {"a:1", PRIMARY}, {"b:1", FAIL}, {"c:1", FAIL}},
     MONGO_REQUIRE_SECONDARY,
     REASON_MISMATCH,
     "d:1 secondary, not named by the primary"},
};

static void answer(struct mongo_topology *t, const char *who, const char *says)
{
    size_t i = 0;
    while (i < t->n && strcmp(t->servers[i].address, who) != 0)
        i++;
    if (i == t->n)
        fail_msg("nobody is called %s", who);
    if (!says) {
        mongo_topology_fail(t, i, REASON_REFUSED, "connection refused");
        t->servers[i].gone = true;
        return;
    }
    char json[512];
    snprintf(json, sizeof json, "%s", says);
    for (char *p = json; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    bson_error_t error;
    bson_t *doc = bson_new_from_json((const uint8_t *)json, -1, &error);
    if (!doc)
        fail_msg("%s: %s", json, error.message);
    if (!bson_has_field(doc, "maxWireVersion"))
        BSON_APPEND_INT32(doc, "maxWireVersion", 21);
    struct mongo_hello hello;
    struct mongo_members members = {0};
    mongo_hello_read(&hello, &members, doc);
    mongo_topology_answer(t, i, &hello, &members);
    mongo_members_fini(&members);
    bson_destroy(doc);
}

static void verdicts(void **state)
{
    (void)state;
    static struct mongo_topology t;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char *seeds[4];
        size_t n = 0;
        for (; n < 4 && rows[i].seeds[n]; n++)
            seeds[n] = (char *)(uintptr_t)rows[i].seeds[n];
        assert_int_equal(mongo_topology_init(&t, seeds, n, rows[i].set), 0);
        for (const struct step *s = rows[i].steps; s->who; s++)
            answer(&t, s->who, s->says);
        const struct mongo_wish wish = {.require = rows[i].require};
        char detail[PROBE_DETAIL_MAX] = "";
        enum reason reason = REASON_COUNT;
        bool gone;
        bool over = mongo_verdict(&t, &wish, &reason, detail, &gone);
        int want = rows[i].reason;
        if (over != (want >= 0) || (over && (int)reason != want) || !strstr(detail, rows[i].words))
            fail_msg("%s: %s: %s", rows[i].name, over ? reason_name(reason) : "not yet", detail);
        if (gone != (strcmp(rows[i].name, "all refuse") == 0))
            fail_msg("%s: gone is %d", rows[i].name, gone);
        mongo_topology_fini(&t);
    }
}

/* While nothing that it advertises answers, the deadline's words say so. */
static void advertised_in_vain(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char seed[] = "x:1", *seeds[] = {seed}, words[PROBE_DETAIL_MAX];
    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    mongo_verdict_describe(&t, words);
    assert_string_equal(words, "rs0: x:1 no answer yet");
    answer(&t, "x:1", PRIMARY);
    mongo_verdict_describe(&t, words);
    assert_non_null(strstr(words, "x:1 answers, but its set advertises addresses that cannot"));
    answer(&t, "a:1", PRIMARY);
    mongo_verdict_describe(&t, words);
    assert_null(strstr(words, "advertises"));
    mongo_topology_fini(&t);
}

/* ---- How many there are, and what each is ---- */

static enum reason judge(const struct mongo_topology *t, enum mongo_require require, size_t min,
                         char detail[PROBE_DETAIL_MAX])
{
    const struct mongo_wish wish = {.require = require, .min_members = min};
    enum reason reason;
    bool gone;
    return mongo_verdict(t, &wish, &reason, detail, &gone) ? reason : REASON_COUNT;
}

static void enough_members(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char seed[] = "a:1", *seeds[] = {seed}, words[PROBE_DETAIL_MAX];
    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    answer(&t, "a:1", PRIMARY);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 1, words), REASON_OK);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 2, words), REASON_COUNT);
    answer(&t, "b:1", ARBITER);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 2, words), REASON_COUNT);
    answer(&t, "c:1", FAIL);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 1, words), REASON_OK);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 2, words), REASON_MISMATCH);
    assert_string_equal(words, "1 member that holds data answers, at least 2 wanted: "
                               "rs0: a:1 primary, b:1 arbiter, c:1 refused");
    assert_int_equal(judge(&t, MONGO_REQUIRE_SECONDARY, 2, words), REASON_MISMATCH);
    mongo_topology_fini(&t);
    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    answer(&t, "a:1", PRIMARY);
    answer(&t, "b:1", HIDDEN);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 2, words), REASON_OK);
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 3, words), REASON_COUNT);
    mongo_topology_fini(&t);
}

static void the_deadline(void **state)
{
    (void)state;
    static struct mongo_topology t;
    char seed[] = "b:1", *seeds[] = {seed}, words[PROBE_DETAIL_MAX];
    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    assert_false(mongo_topology_end(&t)); /* nobody has said anything */
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 0, words), REASON_COUNT);
    answer(&t, "b:1", SECOND);
    answer(&t, "a:1", FAIL);
    assert_true(mongo_topology_end(&t));
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 0, words), REASON_NO_PRIMARY);
    assert_string_equal(words, "rs0: b:1 secondary, a:1 refused, c:1 no answer");
    mongo_topology_fini(&t);

    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    answer(&t, "b:1", PRIMARY);
    assert_true(mongo_topology_end(&t));
    assert_int_equal(judge(&t, MONGO_REQUIRE_SECONDARY, 0, words), REASON_TIMEOUT);
    assert_string_equal(words, "no secondary: rs0: b:1 primary, a:1 no answer, c:1 no answer");
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 3, words), REASON_MISMATCH);
    mongo_topology_fini(&t);

    char other[] = "x:1", *others[] = {other};
    assert_int_equal(mongo_topology_init(&t, others, 1, "rs0"), 0);
    answer(&t, "x:1", PRIMARY);
    assert_true(mongo_topology_end(&t));
    assert_int_equal(judge(&t, MONGO_REQUIRE_PRIMARY, 0, words), REASON_TIMEOUT);
    assert_non_null(strstr(words, "directConnection=true"));
    mongo_topology_fini(&t);
}

static void members(void **state)
{
    (void)state;
    static struct mongo_topology t;
    static const struct {
        const char *name, *state;
        bool up;
        const char *error;
    } rows_[] = {{"x:1", "dropped", false, "not named by the primary"},
                 {"a:1", "primary", true, NULL},
                 {"b:1", "unknown", false, NULL},
                 {"c:1", "unreachable", false, "connection refused"}};
    struct probe_member out[MONGO_HOSTS_MAX];
    char seed[] = "x:1", *seeds[] = {seed};
    assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
    answer(&t, "x:1", SECOND);
    answer(&t, "a:1", PRIMARY);
    answer(&t, "c:1", FAIL);
    assert_int_equal(mongo_topology_members(&t, out), ARRAY_LEN(rows_));
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
        assert_string_equal(out[i].name, rows_[i].name);
        assert_string_equal(out[i].state, rows_[i].state);
        assert_int_equal(out[i].up, rows_[i].up);
        assert_int_equal(out[i].lag, -1);
        assert_int_equal(out[i].rtt, -1);
        if (!out[i].error != !rows_[i].error ||
            (out[i].error && !strstr(out[i].error, rows_[i].error)))
            fail_msg("%s: %s", out[i].name, out[i].error ? out[i].error : "no error");
    }
    mongo_topology_fini(&t);
}

/* ---- What somebody should look at ---- */

#define BEHIND(seconds)                                                                            \
    "{'secondary':true," SET ",'localTime':{'$date':{'$numberLong':'100000'}},"                    \
    "'lastWrite':{'lastWriteDate':{'$date':{'$numberLong':'" #seconds "000'}}}}"
#define PASSIVE                                                                                    \
    "{'isWritablePrimary':true,'setName':'rs0','ok':1,'hosts':['a:1','b:1'],'passives':['c:1']}"
#define OF_FIVE                                                                                    \
    "{'isWritablePrimary':true,'setName':'rs0','ok':1,'hosts':['a:1','b:1','c:1','d:1'],"          \
    "'arbiters':['e:1']}"

static const struct {
    const char *name, *seed;
    struct step steps[6];
    size_t min_members;
    const char *lag, *reserve; /* NULL: none */
} told[] = {
    {"none is behind", "a:1", {{"a:1", PRIMARY}, {"b:1", BEHIND(90)}}, 0, NULL, NULL},
    {"one is behind",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", BEHIND(89)}},
     0,
     "the last write of b:1 is 11 s behind, warn_lag is 10 s",
     NULL},
    {"the farthest",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", BEHIND(80)}, {"c:1", BEHIND(70)}},
     0,
     "of c:1 is 30 s",
     NULL},
    {"it does not tell",
     "b:1",
     {{"b:1", SECOND}},
     0,
     "b:1 does not tell its last write, warn_lag is 10 s",
     NULL},
    {"who is out does not count", "x:1", {{"x:1", BEHIND(1)}, {"a:1", PRIMARY}}, 0, NULL, NULL},
    {"none is lost", "a:1", {{"a:1", PRIMARY}, {"b:1", BEHIND(99)}}, 2, NULL, NULL},
    {"one of three",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", BEHIND(99)}, {"c:1", FAIL}},
     2,
     NULL,
     "1 of 3 members does not answer (c:1): one more loss leaves no majority"},
    {"the check waits for nobody",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", BEHIND(99)}, {"c:1", FAIL}},
     0,
     NULL,
     NULL},
    {"two of three",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", FAIL}, {"c:1", FAIL}},
     1,
     NULL,
     "2 of 3 members do not answer (b:1, c:1): the others are no majority"},
    {"an arbiter has a vote",
     "a:1",
     {{"a:1", PRIMARY}, {"b:1", FAIL}, {"c:1", ARBITER}},
     1,
     NULL,
     "one more loss"},
    {"it has failed without a primary", "b:1", {{"b:1", BEHIND(99)}, {"a:1", FAIL}}, 1, NULL, NULL},
    {"a seed that is no member", "x:1", {{"x:1", FAIL}, {"a:1", PRIMARY}}, 1, NULL, NULL},
    {"one of five", "a:1", {{"a:1", OF_FIVE}, {"b:1", FAIL}}, 1, NULL, NULL},
    {"two of five",
     "a:1",
     {{"a:1", OF_FIVE}, {"b:1", FAIL}, {"e:1", FAIL}},
     1,
     NULL,
     "2 of 5 members do not answer (b:1, e:1): one more loss"},
    {"a vote that is not known", "a:1", {{"a:1", PASSIVE}, {"b:1", FAIL}}, 1, NULL, NULL},
    {"a primary of before answers",
     "a:1",
     {{"a:1", ELECTED(1, 1, "'a:1','b:1'")}, {"b:1", ELECTED(1, 2, "'a:1','b:1'")}},
     1,
     NULL,
     NULL},
};

static void warnings(void **state)
{
    (void)state;
    static struct mongo_topology t;
    for (size_t i = 0; i < ARRAY_LEN(told); i++) {
        char *seeds[] = {(char *)(uintptr_t)told[i].seed, (char *)(uintptr_t) "a:1"};
        size_t n = told[i].seed[0] == 'x' ? 2 : 1;
        const struct mongo_wish wish = {.min_members = told[i].min_members,
                                        .warn_lag = 10 * NS_PER_S};
        char words[PROBE_DETAIL_MAX];
        assert_int_equal(mongo_topology_init(&t, seeds, n, "rs0"), 0);
        for (const struct step *s = told[i].steps; s->who; s++)
            answer(&t, s->who, s->says);
        bool lags = mongo_warn_lag(&t, &wish, words);
        if (lags != (told[i].lag != NULL) || (lags && !strstr(words, told[i].lag)))
            fail_msg("%s: lag: %s", told[i].name, lags ? words : "none");
        bool bare = mongo_warn_reserve(&t, &wish, words);
        if (bare != (told[i].reserve != NULL) || (bare && !strstr(words, told[i].reserve)))
            fail_msg("%s: reserve: %s", told[i].name, bare ? words : "none");
        mongo_topology_fini(&t);
    }
}

/* Only what is known to be lost: a login that is refused was answered by somebody alive, and a name
 * server that fails says nothing of the member. */
static void who_is_lost(void **state)
{
    (void)state;
    static const struct {
        enum reason reason;
        bool gone, lost;
    } ways[] = {{REASON_REFUSED, true, true},  {REASON_UNREACHABLE, false, true},
                {REASON_TIMEOUT, false, true}, {REASON_DNS, true, true}, /* no such name */
                {REASON_DNS, false, false},    {REASON_AUTH, false, false},
                {REASON_TLS, false, false},    {REASON_INTERNAL, false, false}};
    static struct mongo_topology t;
    char seed[] = "a:1", *seeds[] = {seed}, words[PROBE_DETAIL_MAX];
    const struct mongo_wish wish = {.min_members = 1};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        assert_int_equal(mongo_topology_init(&t, seeds, 1, "rs0"), 0);
        answer(&t, "a:1", PRIMARY);
        mongo_topology_fail(&t, 2, ways[i].reason, "words");
        t.servers[2].gone = ways[i].gone;
        if (mongo_warn_reserve(&t, &wish, words) != ways[i].lost)
            fail_msg("%s, gone is %d", reason_name(ways[i].reason), ways[i].gone);
        mongo_topology_fini(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),       cmocka_unit_test(advertised_in_vain),
        cmocka_unit_test(enough_members), cmocka_unit_test(the_deadline),
        cmocka_unit_test(members),        cmocka_unit_test(warnings),
        cmocka_unit_test(who_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
