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
        {"mongodb://a?tls=true", "mongodb://a:27017", true},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e = {""};
        if (mongo_uri_parse(&u, rows[i].text, &e))
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
        {"mongodb://", "host name is empty"},
        {"mongodb:///tmp/x.sock", "host name is empty"},
        {"mongodb://a,,b", "host name is empty"},
        {"mongodb://u:s3cr@t@a", "must be written %XX"},
        {"mongodb://u:s3c:r@a", "must be written %XX"},
        {"mongodb://u:s3c/r@a", "must be written %XX"},
        {"mongodb://u:s3c%r@a", "two hex digits"},
        {"mongodb://u:s3c%2@a", "two hex digits"},
        {"mongodb://u:s3c%00@a", "two hex digits"},
        {"mongodb://:s3cr@a", "user name is empty"},
        {"mongodb://a b", "blank or control"},
        {"mongodb://a\n", "blank or control"},
        {"mongodb+srv://a,b", "one host name"},
        {"mongodb+srv://a:27017", "one host name"},
        {"mongodb+srv://a.b", "three parts"},
        {"mongodb://a/?tls=maybe", "tls must be true or false"},
        {"mongodb://a/?tls", "name=value"},
        {"mongodb://a/?=true", "name=value"},
        {"mongodb://a/?replicaSet=", "is empty"},
        {"mongodb://a,b/?directConnection=true", "takes one host"},
        {"mongodb://a,b/?loadBalanced=true", "takes one host"},
        {"mongodb://a/d$b", "database name"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct mongo_uri u;
        struct err e = {""};
        if (mongo_uri_parse(&u, rows[i].text, &e) == 0)
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
                        &e),
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
    mongo_uri_fini(&u);
    assert_int_equal(mongo_uri_parse(&u, "mongodb://u@a/app", &e), 0);
    assert_string_equal(u.auth_db, "app");
    assert_null(u.password);
    mongo_uri_fini(&u);
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
        mongo_uri_parse(&u, cut, &e);
        mongo_uri_fini(&u);
        free(cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_strings),
        cmocka_unit_test(bad_strings),
        cmocka_unit_test(every_field),
        cmocka_unit_test(every_prefix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
