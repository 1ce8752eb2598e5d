/* Connection strings: what is taken out of them, what is refused, and that no secret comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "mongo/mongo_uri.h"

#define SECRET "s3cr%40t" /* "s3cr@t" */

/* Each row: the string, its redacted form, and whether it names one member. */
static void good_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *redacted;
        bool direct;
    } rows[] = {
        {"mongodb://localhost", "mongodb://localhost:27017", true},
        {"mongodb://localhost/", "mongodb://localhost:27017", true},
        {"mongodb://db:27018/app?retryWrites=true", "mongodb://db:27018", true},
        {"mongodb://[::1]", "mongodb://[::1]:27017", true},
        {"mongodb://[::1]:1/?appname=x", "mongodb://[::1]:1", true},
        {"mongodb://%2Ftmp%2Fmongodb-27017.sock", "mongodb:///tmp/mongodb-27017.sock", true},
        {"mongodb://u:" SECRET "@a,b:2/?replicaSet=rs0", "mongodb://a:27017,b:2/?replicaSet=rs0",
         false},
        {"mongodb://a,b", "mongodb://a:27017,b:27017", false},
        {"mongodb://a/?replicaSet=rs0", "mongodb://a:27017/?replicaSet=rs0", false},
        {"mongodb://a/?REPLICASET=rs0&directConnection=true", "mongodb://a:27017/?replicaSet=rs0",
         true},
        {"mongodb://a/?directConnection=false", "mongodb://a:27017", false},
        {"mongodb+srv://u:" SECRET "@cluster0.example.net/db?w=majority",
         "mongodb+srv://cluster0.example.net", false},
        {"mongodb://a/?loadBalanced=true", "mongodb://a:27017", true},
        {"mongodb://a/?authMechanism=DEFAULT&w=1", "mongodb://a:27017", true},
        {"mongodb://u:p@a?tls=true", "mongodb://a:27017", true},
        {"mongodb://a/?tls=true&ssl=true", "mongodb://a:27017", true},
        {"mongodb+srv://A.Example.NET/", "mongodb+srv://A.Example.NET", false},
        {"mongodb+srv://cluster/?tls=false", "mongodb+srv://cluster", false},
        {"mongodb+srv://u:p@cluster.test./", "mongodb+srv://cluster.test.", false},
        {"MONGODB://a", "mongodb://a:27017", true},
        {"MongoDB+SRV://a.b.c", "mongodb+srv://a.b.c", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e = {""};
        if (mongo_uri_parse(&u, rows[i].text, NULL, NULL, &e))
            fail_msg("%s: %s", rows[i].text, e.text);
        char *redacted = mongo_uri_redacted(&u);
        assert_string_equal(redacted, rows[i].redacted);
        if (mongo_uri_is_direct(&u) != rows[i].direct)
            fail_msg("%s: direct is not %d", rows[i].text, rows[i].direct);
        free(redacted);
        mongo_uri_fini(&u);
    }
}

static void bad_strings(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } rows[] = {
        {"", "must begin with"},
        {"http://a", "must begin with"},
        {"mongodb://", "does not take the hosts"},
        {"mongodb:///tmp/x.sock", "does not take the hosts"},
        {"mongodb://a,,b", "does not take the hosts"},
        {"mongodb://u:s3cr@t@a", "must be written %XX"},
        {"mongodb://u:s3c:r@a", "must be written %XX"},
        {"mongodb://u:s3c/r@a", "must be written %XX"},
        {"mongodb://u:27017/s3c?r=1@a", "must be written %XX"},
        {"mongodb://u:s3c%r@a", "must be written %XX"},
        {"mongodb://:s3cr@a", "user name is empty"},
        {"mongodb://a\n", "ends in an empty line"},
        {"mongodb://a\nb", "blank or control"},
        {"mongodb://a:tcp://10.0.0.1:27017/", "NAME_SERVICE_PORT"},
        {"mongodb://a/tcp://10.0.0.1:27017", "NAME_SERVICE_PORT"},
        {"mongodb+srv://a,b", "one host name"},
        {"mongodb+srv://a.b.c,d.b.c", "one host name"},
        {"mongodb+srv://a.b.c:27017", "one host name, without a port"},
        {"mongodb://a/?tls=maybe", "Unsupported value for tls"},
        {"mongodb://a/?tls", "name=value"},
        {"mongodb://a/?replicaSet=", "replicaSet cannot be empty"},
        {"mongodb://a,b/?directConnection=true", "directConnection"},
        {"mongodb://a,b/?loadBalanced=true", "more than one host"},
        {"mongodb://a/d$b", "database name"},
        {"mongodb://a/?tls=true&ssl=false", "contradict"},
        {"mongodb://a/?ssl=false&TLS=true", "contradict"},
        {"mongodb://a/?tls=false&tls=true", "contradict"},
        {"mongodb://a/?authSource=", "authSource is empty"},
        {"mongodb://a/?readPreference=secondaryPrefered", "readPreference"},
        {"mongodb://a/?maxStalenessSeconds=120", "readPreferences"},
        {"mongodb://a/?w=0&journal=true", "Journal conflicts with w"},
        {"mongodb://a/?heartbeatFrequencyMS=100", "heartbeatFrequencyMS"},
        {"mongodb://a/?tlsInsecure=true&tlsAllowInvalidCertificates=true", "tlsinsecure"},
        {"mongodb://a/?sslClientCertificateKeyPassword=s3c&tlsCertificateKeyFilePassword=s3cr",
         "sslClientCertificateKeyPassword"},
        {"mongodb://a/?appname=x&connectTimeoutMS=s3c", "connectTimeoutMS"},
        {"mongodb://a/?connectTimeoutMS=\"s3c\"", "connectTimeoutMS"},
        {"mongodb://a/?authMechanism=SCRAM-SHA-1", "without a user name"},
        {"mongodb://u:s3c@a/?authMechanism=MONGODB-X509", "takes no password"},
        {"mongodb://u:s3c@a/?authMechanism=MONGODB-OIDC", "has no authMechanism MONGODB-OIDC"},
        {"mongodb://u:s3c@a/?authMechanism=NONSENSE", "is none of"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e = {""};
        if (mongo_uri_parse(&u, rows[i].text, NULL, NULL, &e) == 0)
            fail_msg("%s was taken", rows[i].text);
        if (!strstr(e.text, rows[i].says) || strstr(e.text, "s3c"))
            fail_msg("%s: %s", rows[i].text, e.text);
        mongo_uri_fini(&u);
    }
}

static void every_field(void **state)
{
    (void)state;
    struct mongo_uri u;
    struct err e;
    assert_int_equal(
        mongo_uri_parse(&u,
                        "mongodb://us%3Aer:" SECRET "@a/app?authSource=other&authMechanism="
                        "SCRAM-SHA-256&ssl=true&tlsCAFile=%2Fca.pem&tlsCertificateKeyFile=/c.pem&"
                        "tlsAllowInvalidCertificates=true&tlsAllowInvalidHostnames=true&"
                        "colour=blue&x-y=1&loadBalanced=false",
                        NULL, NULL, &e),
        0);
    assert_string_equal(u.user, "us:er");
    assert_string_equal(u.password, "s3cr@t");
    assert_string_equal(u.auth_db, "other");
    assert_string_equal(u.auth_mechanism, "SCRAM-SHA-256");
    assert_string_equal(u.ca_file, "/ca.pem");
    assert_string_equal(u.cert_key_file, "/c.pem");
    assert_true(u.tls == 1 && u.insecure && u.any_hostname && u.load_balanced == 0);
    assert_int_equal(u.n_unknown, 2);
    assert_string_equal(u.unknown[0], "colour");
    assert_null(strstr(u.text, "@@"));
    mongo_uri_fini(&u);
    assert_int_equal(mongo_uri_parse(&u, "mongodb://u@a/app", NULL, NULL, &e), 0);
    assert_string_equal(u.auth_db, "app");
    assert_null(u.password);
    mongo_uri_fini(&u);
}

/* The keys' login stands in for what the string lacks, before the driver judges it. */
static void login_of_keys(void **state)
{
    (void)state;
    static const struct {
        const char *text, *user, *password, *composed;
    } rows[] = {
        {"mongodb://a/?authMechanism=SCRAM-SHA-256", "us@r", "p:/\xc3\xa4",
         "mongodb://us%40r:p%3A%2F%C3%A4@a/?authMechanism=SCRAM-SHA-256"},
        {"mongodb://u@a/", NULL, "x", "mongodb://u:x@a/"},
        {"mongodb://a", "u", NULL, "mongodb://u@a"},
        {"mongodb://u:p@a/x?w=1&authMechanism=default&tls=true", NULL, NULL,
         "mongodb://u:p@a/x?w=1&tls=true"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e = {""};
        if (mongo_uri_parse(&u, rows[i].text, rows[i].user, rows[i].password, &e))
            fail_msg("%s: %s", rows[i].text, e.text);
        assert_string_equal(u.text, rows[i].composed);
        if (rows[i].user)
            assert_string_equal(u.user, rows[i].user);
        if (rows[i].password)
            assert_string_equal(u.password, rows[i].password);
        mongo_uri_fini(&u);
    }
    assert_true(mongo_uri_userinfo("mongodb://u:p@a").password);
    assert_true(mongo_uri_userinfo("mongodb+srv://u@a").user);
    assert_false(mongo_uri_userinfo("mongodb+srv://u@a").password);
    assert_false(mongo_uri_userinfo("mongodb://a/@").user);
}

/* Any string, cut anywhere: an answer without a crash or a leak. */
static void every_prefix(void **state)
{
    (void)state;
    const char *text = "mongodb://us%3Aer:" SECRET "@a:1,[::1]:2/app?authSource=o&ssl=true&x=%20";
    for (size_t n = 0; n <= strlen(text); n++) {
        struct mongo_uri u;
        struct err e;
        char *cut = str_dup_n(text, n);
        mongo_uri_parse(&u, cut, NULL, NULL, &e);
        mongo_uri_fini(&u);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_strings), cmocka_unit_test(bad_strings),
        cmocka_unit_test(every_field),  cmocka_unit_test(login_of_keys),
        cmocka_unit_test(every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
