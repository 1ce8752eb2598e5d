/* The type mongo on a loop, against the scripted server: every state and fault with its reason, the
 * kept connection, and a cancel at any time. */
#include <mongoc/mongoc.h>

#include "mongo/mongo_conf.h"
#include "mongo_rig.h"
#include "run_harness.h"

/* ---- one check of each ---- */

static const struct {
    const char *scenario, *require;
    enum reason reason;
    const char *says;
} rows[] = {
    {"up", "ping", REASON_OK, "ping ok from 127.0.0.1:"},
    {"primary", "primary", REASON_OK, ", primary of rs0"},
    {"secondary", "secondary", REASON_OK, ", secondary of rs0"},
    {"secondary", "writable", REASON_NOT_WRITABLE, "the primary is 127.0.0.1:1"},
    {"no-primary", "writable", REASON_NO_PRIMARY, "no primary"},
    {"arbiter", "data", REASON_MISMATCH, "arbiter"},
    {"recovering", "data", REASON_MISMATCH, "recovering"},
    {"not-initiated", "ping", REASON_OK, "not initiated"},
    {"not-initiated", "data", REASON_NOT_INITIATED, "not initiated"},
    {"mongos", "writable", REASON_OK, "mongos"},
    {"old", "writable", REASON_OK, "standalone"},
    {"checksum", "ping", REASON_OK, "standalone"},
    {"half-closed", "ping", REASON_OK, "standalone"},
    {"ping-ok-int", "ping", REASON_OK, "standalone"},
    {"auth-required", "ping", REASON_AUTH, "ping: Unauthorized (13): Command ping requires"},
    {"ping-ok0", "ping", REASON_PROTOCOL, "ping: ShutdownInProgress (91)"},
    {"ping-no-ok", "ping", REASON_PROTOCOL, "ping: ok is not 1"},
    {"ping-ok-string", "ping", REASON_PROTOCOL, "ping: ok is not 1"},
    {"ping-nan", "ping", REASON_PROTOCOL, "ping: ok is not 1"},
    {"ping-ok-two", "ping", REASON_PROTOCOL, "ping: ok is not 1"},
    {"hello-ok0", "ping", REASON_PROTOCOL, "hello: ShutdownInProgress (91)"},
    {"close-mid", "ping", REASON_CLOSED, "hello: the server closed the connection"},
    {"reset-at-accept", "ping", REASON_RESET, "connection reset"},
    {"reset-at-request", "ping", REASON_RESET, "connection reset"},
    {"reset-in-header", "ping", REASON_RESET, "connection reset"},
    {"reset-mid", "ping", REASON_RESET, "connection reset"},
    {"garbage", "ping", REASON_PROTOCOL, "not a MongoDB reply"},
    {"http", "ping", REASON_PROTOCOL, "an HTTP server answers there"},
    {"tls-alert", "ping", REASON_PROTOCOL, "the port speaks TLS"},
    {"bad-length", "ping", REASON_PROTOCOL, "not a MongoDB reply"},
    {"huge-length", "ping", REASON_PROTOCOL, "not a MongoDB reply"},
    {"negative-length", "ping", REASON_PROTOCOL, "not a MongoDB reply"},
    {"short-length", "ping", REASON_PROTOCOL, "does not fill"},
    {"long-length", "ping", REASON_PROTOCOL, "does not fill"},
    {"wrong-request-id", "ping", REASON_PROTOCOL, "a reply to request 1001"},
    {"wrong-opcode", "ping", REASON_PROTOCOL, "not a MongoDB reply"},
    {"more-to-come", "ping", REASON_PROTOCOL, "announces more"},
    {"unknown-flag", "ping", REASON_PROTOCOL, "unknown flags"},
    {"no-body", "ping", REASON_PROTOCOL, "without a body"},
    {"broken-document", "ping", REASON_PROTOCOL, "broken document"},
    {"deep-document", "ping", REASON_PROTOCOL, "nested over"},
    {"checksum-bit", "ping", REASON_PROTOCOL, "does not fill"},
    {"extra-bytes", "ping", REASON_PROTOCOL, "more bytes"},
};

static void scenarios(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *words[] = {rows[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_for(&s, rows[i].require, "");
        harness_open(&h);
        check(conf, NULL, LONG_MS);
        expect(rows[i].scenario, rows[i].reason, rows[i].says);
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

static void timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *says;
    } silent[] = {
        {"silent", "no reply to hello"},
        {"hello-then-silent", "hello answered, no reply to ping"},
        {"drip", "no reply to hello"},
    };
    for (size_t i = 0; i < ARRAY_LEN(silent); i++) {
        const char *words[] = {"--delay", "0.1", silent[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_for(&s, "ping", "");
        harness_open(&h);
        check(conf, NULL, SHORT_MS);
        expect(silent[i].scenario, REASON_TIMEOUT, silent[i].says);
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

/* A server whose replies come in pieces, but in time. */
static void dripped_in_time(void **state)
{
    (void)state;
    const char *words[] = {"--delay", "0.0001", "drip", NULL};
    struct server s = serve(words);
    void *conf = conf_for(&s, "ping", "");
    harness_open(&h);
    check(conf, NULL, LONG_MS);
    expect("drip", REASON_OK, "standalone");
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

static void refused(void **state)
{
    (void)state;
    const char *words[] = {"up", NULL};
    struct server s = serve(words);
    end(&s);
    void *conf = conf_for(&s, "ping", "");
    harness_open(&h);
    check(conf, NULL, LONG_MS);
    expect("down", REASON_REFUSED, "127.0.0.1:");
    assert_true(h.gone);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
}

/* ---- the kept connection: what two checks of one agent say ---- */

static void kept_connection(void **state)
{
    (void)state;
    static const struct {
        const char *first, *then; /* what the first connection is, and those after it */
        enum reason reason;       /* of the second check */
        const char *says;
    } pairs[] = {
        {"up", "silent", REASON_OK, "standalone"}, /* the same connection served both */
        {"close-idle", "up", REASON_OK, "standalone"},
        {"reset-idle", "up", REASON_OK, "standalone"},
        {"garbage-idle", "up", REASON_OK, "standalone"},
        {"garbage-idle", "reset-at-request", REASON_RESET, "connection reset"},
        {"close-idle", "ping-ok0", REASON_PROTOCOL, "ShutdownInProgress"},
        {"sick-later", "up", REASON_PROTOCOL, "ShutdownInProgress"}, /* its own verdict stands */
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        const char *words[] = {pairs[i].first, pairs[i].then, NULL};
        struct server s = serve(words);
        void *conf = conf_for(&s, "ping", "");
        harness_open(&h);
        struct probe_kept *kept = harness_kept_open(&h, &probe_type_mongo, conf);
        check(conf, kept, LONG_MS);
        expect(pairs[i].first, REASON_OK, "standalone");
        check(conf, kept, LONG_MS);
        expect(pairs[i].first, pairs[i].reason, pairs[i].says);
        harness_kept_close(&h, &probe_type_mongo, kept);
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

/* The server ends the connection while it idles: seen at once, and the next check is a fresh one.
 */
static void ends_while_idle(void **state)
{
    (void)state;
    const char *words[] = {"close-idle", NULL};
    struct server s = serve(words);
    void *conf = conf_for(&s, "ping", "");
    harness_open(&h);
    struct probe_kept *kept = harness_kept_open(&h, &probe_type_mongo, conf);
    for (int i = 0; i < 3; i++) {
        check(conf, kept, LONG_MS);
        expect("close-idle", REASON_OK, "standalone");
        uv_run(&h.loop, UV_RUN_DEFAULT); /* ends when the connection did */
    }
    harness_kept_close(&h, &probe_type_mongo, kept);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

static void cancel_at_any_time(void **state)
{
    (void)state;
    const char *words[] = {"--delay", "0.002", "slow", NULL};
    struct server s = serve(words);
    void *conf = conf_for(&s, "ping", "");
    for (int turns = 0; turns < 8; turns++) {
        harness_open(&h);
        struct probe_kept *kept = harness_kept_open(&h, &probe_type_mongo, conf);
        harness_start(&h, &probe_type_mongo, conf, kept);
        for (int i = 0; i < turns && !h.released; i++)
            uv_run(&h.loop, UV_RUN_ONCE);
        if (!h.released)
            harness_cancel(&h);
        harness_kept_close(&h, &probe_type_mongo, kept);
        harness_close(&h);
    }
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* ---- the settings ---- */

static const struct {
    const char *pairs[9];
    bool good;
    const char *says;
} cases[] = {
    {{"uri", "mongodb://db/"}, true, ""},
    {{"uri", "mongodb://localhost/"}, true, "uri: localhost is loopback"},
    {{"uri", "mongodb://[::1]/"}, true, "uri: ::1 is loopback"},
    {{"uri", "mongodb://0.0.0.0/"}, true, "uri: 0.0.0.0 is loopback"},
    {{"uri", "mongodb://[::ffff:127.0.0.1]/"}, true, "uri: ::ffff:127.0.0.1 is loopback"},
    {{"uri", "mongodb://db/?colour=red"}, true, "does not know the option colour"},
    {{"uri", "mongodb://db:99999/"}, false, "uri: "},
    {{"uri", "mongodb://db,,/"}, false, "uri: the driver does not take the hosts"},
    {{"uri", "mongodb://u@db/"}, false, "user: a user name without a password"},
    {{"uri", "mongodb://u@db/", "password", "x"}, true, ""},
    {{"uri", "mongodb://db/", "password", "x"}, false, "password: a password without"},
    {{"uri", "mongodb://u:p@db/", "user", "v"}, false, "user: given twice"},
    {{"uri", "mongodb://db/", "user", "u", "password", "x\n"}, true, "ends in a line end"},
    {{"uri", "mongodb://db/?authMechanism=SCRAM-SHA-1", "user", "u", "password", "x"}, true, ""},
    {{"uri", "mongodb://db/?authMechanism=SCRAM-SHA-1"}, false, "without a user name"},
    {{"uri", "mongodb://db/?loadBalanced=true"}, true, ""},
    {{"uri", "mongodb://db/?replicaSet=a", "set_name", "b"}, false, "set_name: differs"},
    {{"uri", "mongodb://db/?tls=false", "tls_ca", "/nonexistent"}, false, "tls_ca: "},
    {{"uri", "mongodb://db/?tls=true&tlsInsecure=true"}, true, "takes any certificate"},
    {{"uri", "mongodb://db/", "family", "6"}, true, ""},
    {{"uri", "mongodb://db/", "warn_lag", "9s", "require", "primary"},
     true,
     "warn_lag: has no effect on a primary"},
    {{"uri", "mongodb://a,b/", "family", "6"}, true, ""},
    {{"uri", "mongodb://a,b/?tls=true", "tls_min_days", "7"}, true, ""},
    {{"uri", "mongodb+srv://a.b.c/", "tls_min_days", "7"}, true, ""},
    {{"uri", "mongodb+srv://a.b.c/", "tls_server_name", "c"}, true, ""},
    {{"uri", "mongodb+srv://a.b.c/", "family", "6"}, true, ""},
    {{"uri", "mongodb+srv://a.b.c/", "min_members", "2"}, true, ""},
    {{"uri", "mongodb+srv://a.b.c/?loadBalanced=true", "min_members", "2"},
     false,
     "min_members: this uri names one server"},
    {{"uri", "mongodb://db/?authMechanism=MONGODB-X509&tls=true"}, true, ""},
    {{"uri", "mongodb://u:p@db/?authMechanism=PLAIN"}, false, "sends the password as it is"},
    {{"uri", "mongodb://u:p@db/?authMechanism=PLAIN&tls=true"}, true, ""},
    {{"uri", "mongodb://u:p@db/?authMechanism=PLAIN&tls=false"}, true, ""},
    {{"uri", "mongodb+srv://u:p@db/?authMechanism=PLAIN"}, true, ""},
    {{"uri", "mongodb://u:%EE%80%80@db/"}, true, "none for SCRAM-SHA-256: it holds"},
    {{"uri", "mongodb://db/", "user", "u", "password", "\xee\x80\x80"}, true, "password: the"},
    {{"uri", "mongodb://u:%EE%80%80@db/?authMechanism=SCRAM-SHA-256"}, false, "it holds"},
    {{"uri", "mongodb://u:%EE%80%80@db/?authMechanism=SCRAM-SHA-1"}, true, ""},
#ifdef MONGOC_ENABLE_MONGODB_AWS_AUTH
    {{"uri", "mongodb://db/?authMechanism=MONGODB-AWS", "family", "6"}, false, "family: does"},
    {{"uri", "mongodb+srv://db/?authMechanism=MONGODB-AWS", "tls_min_days", "1"},
     false,
     "tls_min_days: does"},
    {{"uri", "mongodb://db/?authMechanism=MONGODB-AWS", "warn_lag", "9s"}, false, "warn_lag: does"},
#endif
};

static void settings(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe_report report;
        void *conf = make_conf(cases[i].pairs, &report);
        if ((conf != NULL) != cases[i].good || !strstr(report.text, cases[i].says))
            fail_msg("%s: %s", cases[i].pairs[1], report.text);
        if (conf)
            probe_type_mongo.dispose(conf);
    }
}

/* As the driver has it, some options ask for TLS by themselves. */
static void tls_is_on(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[5];
        bool on;
    } rows_[] = {
        {{"uri", "mongodb://db/"}, false},
        {{"uri", "mongodb://db/?tls=true"}, true},
        {{"uri", "mongodb://db/?tlsInsecure=true"}, true},
        {{"uri", "mongodb://db/?tlsDisableOCSPEndpointCheck=true"}, true},
        {{"uri", "mongodb://db/?tlsDisableCertificateRevocationCheck=true"}, true},
        {{"uri", "mongodb://db/?tls=false&tlsDisableOCSPEndpointCheck=true"}, false},
        {{"uri", "mongodb://db/", "tls_verify", "no"}, true},
        {{"uri", "mongodb://db/?tls=false"}, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows_); i++) {
        struct probe_report report;
        struct mongo_conf *conf = make_conf(rows_[i].pairs, &report);
        if (!conf || conf->tls_on != rows_[i].on)
            fail_msg("%s: %s", rows_[i].pairs[1], report.text);
        probe_type_mongo.dispose(conf);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),           cmocka_unit_test(tls_is_on),
        cmocka_unit_test(scenarios),          cmocka_unit_test(timeouts),
        cmocka_unit_test(dripped_in_time),    cmocka_unit_test(refused),
        cmocka_unit_test(kept_connection),    cmocka_unit_test(ends_while_idle),
        cmocka_unit_test(cancel_at_any_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
