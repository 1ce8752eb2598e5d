/* Where a connection string is judged otherwise than by MongoDB's specifications
 * (connection-string, uri-options, auth), with the reason; and that all else is judged as there. A
 * row stands for all strings of its kind. */
#include <mongoc/mongoc.h>

#include "mongo_rig.h"
#include "run_harness.h"

#ifdef MONGOC_ENABLE_MONGODB_AWS_AUTH
#define HAS_AWS 1
#else
#define HAS_AWS 0
#endif
#ifdef MONGOC_ENABLE_SASL
#define HAS_SASL 1
#else
#define HAS_SASL 0
#endif

enum word { REFUSED, TAKEN, WARNED };

/* Why it is not as the specification has it. */
#define AGREED   NULL
#define STRICT   "the driver refuses what the specification would warn of, and its word counts"
#define RELATIVE "a socket's path that depends on the folder of the application is another's"
#define NO_OIDC  "the driver has no MONGODB-OIDC"
#define NAMES    "the dialler takes names of DNS and addresses alone"
#define BLANKS   "a blank in a string is a slip more often than a path"
#define DOTS     "the driver takes no database with a dot"
#define BARE     "a user name without a password cannot log in"
#define CLEAR    "PLAIN without TLS shows the password to everybody on the way"
#define PROXY    "the driver knows no proxy, so that its options cannot contradict each other"
#define LATER    "the driver finds out when it logs in"
#define QUIET    "the driver takes it without a word, and it changes nothing that a check does"
#define FILES    "files that are not there are errors of the configuration"

static const struct {
    const char *uri;
    enum word specification, ours;
    const char *why;
} rows[] = {
    {"mongodb://db.shop.test", TAKEN, TAKEN, AGREED},
    {"mongodb://db.shop.test:27018,other.shop.test/shop?w=1", TAKEN, TAKEN, AGREED},
    {"mongodb://[2001:db8::1]:27018", TAKEN, TAKEN, AGREED},
    {"mongodb://192.0.2.1", TAKEN, TAKEN, AGREED},
    {"mongodb://u%40x:p%2Fq@db.shop.test/shop", TAKEN, TAKEN, AGREED},
    {"mongodb://%2Frun%2Fmongodb-27017.sock", TAKEN, TAKEN, AGREED},
    {"mongodb://db.shop.test/?replicaSet=rs0&readPreference=secondary", TAKEN, TAKEN, AGREED},
    {"mongodb://db.shop.test/?unheardOf=1", WARNED, WARNED, AGREED},
    {"mongodb://u:p@db.shop.test/?authMechanism=SCRAM-SHA-256", TAKEN, TAKEN, AGREED},
    {"mongodb://CN%3Du@db.shop.test/?authMechanism=MONGODB-X509", TAKEN, TAKEN, AGREED},
    {"mongodb://u:p@db.shop.test/?authMechanism=MONGODB-X509", REFUSED, REFUSED, AGREED},
    {"mongodb://u@db.shop.test/?authMechanism=SCRAM-SHA-1", REFUSED, REFUSED, AGREED},
    {"mongodb://", REFUSED, REFUSED, AGREED},
    {"mongo://db.shop.test", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test:0", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test:65536", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test/?directConnection=true&loadBalanced=true", REFUSED, REFUSED, AGREED},
    {"mongodb://a.test,b.test/?directConnection=true", REFUSED, REFUSED, AGREED},
    {"mongodb://a.test,b.test/?loadBalanced=true", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test/?tls=true&ssl=false", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test/?tlsInsecure=true&tlsAllowInvalidHostnames=true", REFUSED, REFUSED,
     AGREED},
    {"mongodb+srv://db.shop.test/?srvMaxHosts=2&replicaSet=rs0", REFUSED, REFUSED, AGREED},
    {"mongodb://db.shop.test/?srvMaxHosts=2", REFUSED, REFUSED, AGREED},

    {"mongodb://db.shop.test/?wTimeoutMS=soon", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?wTimeoutMS=-2", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?journal=perhaps", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?connectTimeoutMS=soon", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?heartbeatFrequencyMS=1", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?retryWrites=perhaps", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?directConnection=perhaps", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?readPreferenceTags=none", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?maxStalenessSeconds=long", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?tlsInsecure=perhaps", WARNED, REFUSED, STRICT},
    {"mongodb://db.shop.test/?compressors=zlib&zlibCompressionLevel=99", WARNED, REFUSED, STRICT},
    {"mongodb+srv://db.shop.test/?srvMaxHosts=-1", WARNED, REFUSED, STRICT},
    {"mongodb://run%2Fmongodb-27017.sock", TAKEN, REFUSED, RELATIVE},
    {"mongodb://db.shop.test,run%2Fmongodb-27017.sock", TAKEN, REFUSED, RELATIVE},
    {"mongodb://db.shop.test/?authMechanism=MONGODB-OIDC&authMechanismProperties=ENVIRONMENT:gcp,"
     "TOKEN_RESOURCE:x",
     TAKEN, REFUSED, NO_OIDC},
    {"mongodb://300.0.2.1", TAKEN, REFUSED, NAMES},
    {"mongodb://caf\xc3\xa9.shop.test", TAKEN, REFUSED, NAMES},
    {"mongodb://%2Frun%2F %2Fmongodb-27017.sock", TAKEN, REFUSED, BLANKS},
    {"mongodb://%2Frun%2Fmongodb-27017.sock/shop.sock", TAKEN, REFUSED, DOTS},
    {"mongodb://u@db.shop.test", TAKEN, REFUSED, BARE},
    {"mongodb://u:p@db.shop.test/?authMechanism=PLAIN", TAKEN, REFUSED, CLEAR},
    {"mongodb://db.shop.test/?proxyPort=1080", REFUSED, WARNED, PROXY},
    {"mongodb://db.shop.test/?proxyHost=a&proxyHost=b", REFUSED, WARNED, PROXY},
    {"mongodb://db.shop.test/?replicaSet=rs0&replicaSet=rs0", WARNED, TAKEN, QUIET},
    {"mongodb://db.shop.test/?socketTimeoutMS=-2", WARNED, TAKEN, QUIET},
#if !MONGOC_CHECK_VERSION(1, 30, 0) /* that one warns of the option, whatever its value */
    {"mongodb://db.shop.test/?maxIdleTimeMS=-2", WARNED, TAKEN, QUIET},
#endif
    {"mongodb://db.shop.test/?maxStalenessSeconds=-2", WARNED, TAKEN, QUIET},
    {"mongodb://db.shop.test/?loadBalanced=1", WARNED, TAKEN, QUIET},
#if HAS_AWS
    {"mongodb://u:p@db.shop.test/?authMechanism=MONGODB-AWS", REFUSED, TAKEN, LATER},
#endif
#if HAS_SASL
    {"mongodb://u%40X@db.shop.test/?authMechanism=GSSAPI&authMechanismProperties="
     "CANONICALIZE_HOST_NAME:perhaps",
     REFUSED, TAKEN, LATER},
#endif
    {"mongodb://db.shop.test/?tls=true&tlsCAFile=/nonexistent/ca.pem", TAKEN, REFUSED, FILES},
};

static void agreement(void **state)
{
    (void)state;
    static const char *const words[] = {"refused", "taken", "warned of"};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct probe_report report;
        void *conf = make_conf((const char *[]){"uri", rows[i].uri, NULL}, &report);
        enum word got = !conf ? REFUSED : report.text[0] ? WARNED : TAKEN;
        if (got != rows[i].ours)
            fail_msg("%s is %s: %s", rows[i].uri, words[got], report.text);
        if ((rows[i].ours == rows[i].specification) != (rows[i].why == AGREED))
            fail_msg("%s: listed with the wrong reason", rows[i].uri);
        if (conf)
            probe_type_mongo.dispose(conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(agreement)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
