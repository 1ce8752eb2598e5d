/* What hello says and what is wanted: the table of verdicts. The replies are MongoDB's documented
 * shapes, shortened to what is read; maxWireVersion is 21 where none is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_hello.h"

#define STANDALONE "{\"isWritablePrimary\":true,\"maxWireVersion\":21}"
#define OLD        "{\"ismaster\":true,\"maxWireVersion\":6}"
#define READ_ONLY  "{\"isWritablePrimary\":true,\"readOnly\":true}"
#define PRIMARY                                                                                    \
    "{\"setName\":\"rs0\",\"isWritablePrimary\":true,\"secondary\":false,\"primary\":\"a:1\"}"
#define SECONDARY(extra)                                                                           \
    "{\"setName\":\"rs0\",\"isWritablePrimary\":false,\"secondary\":true" extra "}"
#define LAG(ms)                                                                                    \
    ",\"primary\":\"a:1\",\"localTime\":{\"$date\":1700000100000}"                                 \
    ",\"lastWrite\":{\"lastWriteDate\":{\"$date\":" #ms "}}"
#define ARBITER                                                                                    \
    "{\"setName\":\"rs0\",\"isWritablePrimary\":false,\"secondary\":false,\"arbiterOnly\":true,"   \
    "\"primary\":\"a:1\"}"
#define OTHER "{\"setName\":\"rs0\",\"isWritablePrimary\":false,\"secondary\":false}"
#define GHOST                                                                                      \
    "{\"isWritablePrimary\":false,\"secondary\":false,\"isreplicaset\":true,"                      \
    "\"info\":\"Does not have a valid replica set config\"}"
#define MONGOS "{\"isWritablePrimary\":true,\"msg\":\"isdbgrid\"}"
#define CAFE   "{\"setName\":\"caf\u00e9\",\"secondary\":true}"
#define EMPTY  "{}"
#define LIES   "{\"isWritablePrimary\":1,\"setName\":7,\"secondary\":\"true\",\"msg\":null}"

enum { PING, DATA, PRIM, SEC, WRITE };

static const struct {
    const char *reply;
    int require;
    const char *set;
    int max_lag_s;
    enum reason reason;
    const char *says;
} rows[] = {
    {STANDALONE, PING, NULL, 0, REASON_OK, "ping ok from h:1, standalone"},
    {"{\"isWritablePrimary\":true,\"minWireVersion\":99,\"maxWireVersion\":99,\"ok\":1}", PING,
     NULL, 0, REASON_MISMATCH, "of wire versions 99 to 99: too new for drivers"},
    {"{\"isWritablePrimary\":true,\"minWireVersion\":0,\"maxWireVersion\":5,\"ok\":1}", PING, NULL,
     0, REASON_MISMATCH, "of wire versions 0 to 5: too old for drivers"},
    {"{\"isWritablePrimary\":true,\"minWireVersion\":0,\"maxWireVersion\":99,\"ok\":1}", PING, NULL,
     0, REASON_OK, "standalone"},
    {STANDALONE, DATA, NULL, 0, REASON_OK, "standalone"},
    {STANDALONE, WRITE, NULL, 0, REASON_OK, "standalone"},
    {STANDALONE, PRIM, NULL, 0, REASON_MISMATCH, "is standalone, wanted the primary of a set"},
    {STANDALONE, SEC, NULL, 0, REASON_MISMATCH, "wanted a secondary"},
    {STANDALONE, PING, "rs0", 0, REASON_MISMATCH, "is standalone, wanted set rs0"},
    {OLD, WRITE, NULL, 0, REASON_OK, "standalone"},
    {READ_ONLY, PING, NULL, 0, REASON_OK, "standalone, read-only"},
    {READ_ONLY, WRITE, NULL, 0, REASON_NOT_WRITABLE, "read-only, wanted a writable server"},
    {PRIMARY, PING, "rs0", 0, REASON_OK, "ping ok from h:1, primary of rs0"},
    {PRIMARY, DATA, NULL, 0, REASON_OK, "primary of rs0"},
    {PRIMARY, PRIM, NULL, 1, REASON_OK, "primary of rs0"},
    {PRIMARY, WRITE, NULL, 0, REASON_OK, "primary of rs0"},
    {PRIMARY, SEC, NULL, 0, REASON_MISMATCH, "is primary of rs0, wanted a secondary"},
    {PRIMARY, PING, "rs1", 0, REASON_MISMATCH, "is primary of rs0, wanted set rs1"},
    {PRIMARY, PING, "rs", 0, REASON_MISMATCH, "wanted set rs"},
    {SECONDARY(""), PING, NULL, 0, REASON_OK, "secondary of rs0"},
    {SECONDARY(""), DATA, NULL, 0, REASON_OK, "secondary of rs0"},
    {SECONDARY(""), SEC, NULL, 0, REASON_OK, "secondary of rs0"},
    {SECONDARY(""), PRIM, NULL, 0, REASON_NO_PRIMARY, "the set has no primary"},
    {SECONDARY(""), WRITE, NULL, 0, REASON_NO_PRIMARY, "the set has no primary"},
    {SECONDARY(",\"primary\":\"a:1\""), WRITE, NULL, 0, REASON_NOT_WRITABLE,
     "is secondary of rs0, the primary is a:1, wanted a writable server"},
    {SECONDARY(",\"primary\":\"a:1\",\"hidden\":true"), SEC, NULL, 0, REASON_OK,
     "hidden secondary"},
    {SECONDARY(LAG(1700000095000)), SEC, NULL, 10, REASON_OK, "secondary of rs0"},
    {SECONDARY(LAG(1700000090000)), SEC, NULL, 10, REASON_OK, "secondary of rs0"},
    {SECONDARY(LAG(1700000089999)), SEC, NULL, 10, REASON_MISMATCH, "is 10 s behind, at most 10 s"},
    {SECONDARY(LAG(1700000000000)), PING, NULL, 10, REASON_MISMATCH, "is 1m40s behind"},
    {SECONDARY(LAG(1700000200000)), PING, NULL, 10, REASON_OK, "secondary of rs0"},
    {SECONDARY(LAG(-9223372036854775807)), PING, NULL, 10, REASON_MISMATCH, "does not tell"},
    {SECONDARY(""), PING, NULL, 10, REASON_MISMATCH, "does not tell its last write"},
    {ARBITER, PING, NULL, 10, REASON_OK, "arbiter of rs0"},
    {ARBITER, DATA, NULL, 0, REASON_MISMATCH, "is arbiter of rs0, wanted a member with data"},
    {ARBITER, WRITE, NULL, 0, REASON_NOT_WRITABLE, "the primary is a:1"},
    {OTHER, PING, NULL, 0, REASON_OK, "member of rs0, starting up, recovering or rolling back"},
    {OTHER, DATA, NULL, 0, REASON_MISMATCH, "recovering"},
    {OTHER, PRIM, NULL, 0, REASON_NO_PRIMARY, "the set has no primary"},
    {CAFE, PING, "caf\u00e9", 0, REASON_OK, "secondary of caf\\xc3\\xa9"},
    {CAFE, PING, "cafe", 0, REASON_MISMATCH, "wanted set cafe"},
    {GHOST, PING, NULL, 0, REASON_OK, "its set is not initiated"},
    {GHOST, PING, "rs0", 0, REASON_NOT_INITIATED, "wanted set rs0"},
    {GHOST, DATA, NULL, 0, REASON_NOT_INITIATED, "not initiated"},
    {GHOST, PRIM, NULL, 0, REASON_NOT_INITIATED, "not initiated"},
    {GHOST, SEC, NULL, 0, REASON_NOT_INITIATED, "not initiated"},
    {GHOST, WRITE, NULL, 0, REASON_NOT_INITIATED, "not initiated"},
    {MONGOS, PING, NULL, 0, REASON_OK, "mongos"},
    {MONGOS, DATA, NULL, 0, REASON_OK, "mongos"},
    {MONGOS, WRITE, NULL, 0, REASON_OK, "mongos"},
    {MONGOS, PRIM, NULL, 0, REASON_MISMATCH, "is mongos, wanted the primary of a set"},
    {MONGOS, PING, "rs0", 0, REASON_MISMATCH, "is mongos, wanted set rs0"},
    {EMPTY, PING, NULL, 0, REASON_OK, "member"},
    {EMPTY, WRITE, NULL, 0, REASON_NOT_WRITABLE, "wanted a writable server"},
    {LIES, WRITE, NULL, 0, REASON_NOT_WRITABLE, "wanted a writable server"},
    {LIES, DATA, NULL, 0, REASON_MISMATCH, "wanted a member with data"},
};

static void verdicts(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bson_error_t error;
        bson_t *doc = bson_new_from_json((const uint8_t *)rows[i].reply, -1, &error);
        if (!doc)
            fail_msg("%s: %s", rows[i].reply, error.message);
        if (!bson_has_field(doc, "maxWireVersion"))
            BSON_APPEND_INT32(doc, "maxWireVersion", 21);
        struct mongo_hello hello;
        mongo_hello_read(&hello, NULL, doc);
        bson_destroy(doc);
        struct mongo_wish wish = {.require = (enum mongo_require)rows[i].require,
                                  .set_name = rows[i].set,
                                  .max_lag = rows[i].max_lag_s * NS_PER_S};
        char detail[PROBE_DETAIL_MAX];
        enum reason reason = mongo_hello_judge(&hello, &wish, "h:1", detail);
        if (reason != rows[i].reason || !strstr(detail, rows[i].says))
            fail_msg("row %zu, %s: %s: %s", i, rows[i].reply, reason_name(reason), detail);
    }
}

/* Drivers take it for 0, which is too old. */
static void no_wire_version(void **state)
{
    (void)state;
    const struct mongo_wish wish = {.require = MONGO_REQUIRE_PING};
    char detail[PROBE_DETAIL_MAX];
    struct mongo_hello hello;
    bson_t doc = BSON_INITIALIZER;
    BSON_APPEND_BOOL(&doc, "isWritablePrimary", true);
    mongo_hello_read(&hello, NULL, &doc);
    bson_destroy(&doc);
    assert_int_equal(mongo_hello_judge(&hello, &wish, "h:1", detail), REASON_MISMATCH);
    assert_non_null(strstr(detail, "of wire versions 0 to 0: too old for drivers"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(verdicts),
                                       cmocka_unit_test(no_wire_version)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
