/* Logins over our own codec, and what goes through the driver's child, which is this program. */
#include <errno.h>
#include <mongoc/mongoc.h>

#include "child/worker.h"
#include "mongo_rig.h"
#include "no_threads.h"
#include "run_harness.h"

/* ---- logins ---- */

#define PLAIN "?authMechanism=PLAIN&tls=false"

static const struct {
    const char *scenario, *user, *more;
    enum reason reason;
    const char *says;
} logins[] = {
    {"login", "user:pencil@", "", REASON_OK, "standalone"},
    {"login", "user:pencil@", "?authMechanism=SCRAM-SHA-1", REASON_OK, "standalone"},
    {"login", "user:pencil@", "?authMechanism=SCRAM-SHA-256", REASON_OK, "standalone"},
    {"login-sha-1", "user:pencil@", "", REASON_OK, "standalone"},
    {"login-unnamed", "user:pencil@", "", REASON_OK, "standalone"},
    {"login-cafe", "user:caf%C3%A9%20IX@", "", REASON_OK, "standalone"},
    {"login-cafe", "user:cafe%CC%81%C2%A0%E2%85%A8@", "", REASON_OK, "standalone"},
    {"login-cafe", "user:cafe%20IX@", "", REASON_AUTH, "login: AuthenticationFailed (18)"},
    {"login-sha-1-raw", "user:cafe%CC%81%C2%A0%E2%85%A8@", "", REASON_OK, "standalone"},
    {"login-cafe", "user:%EE%80%80@", "", REASON_AUTH, "forbids a character"},
    {"plain", "user:pencil@", PLAIN, REASON_OK, "standalone"},
    {"plain", "user:wrong@", PLAIN, REASON_AUTH, "login: AuthenticationFailed (18)"},
    {"up", "user:pencil@", PLAIN, REASON_PROTOCOL, "CommandNotFound (59)"},
    {"login-empty", "user:pencil@", "", REASON_OK, "standalone"},
    {"login", "user:wrong@", "", REASON_AUTH, "login: AuthenticationFailed (18)"},
    {"login", "", "", REASON_AUTH, "ping: Unauthorized (13)"},
    {"up", "user:pencil@", "", REASON_PROTOCOL, "login: CommandNotFound (59)"},
    {"login-false", "user:pencil@", "", REASON_AUTH, "proof that it knows the password is wrong"},
    {"login-silent", "user:pencil@", "", REASON_AUTH, "does not prove"},
    {"login-endless", "user:pencil@", "", REASON_PROTOCOL, "a login without end"},
    {"login-no-payload", "user:pencil@", "", REASON_PROTOCOL, "without a payload"},
    {"login-garbage", "user:pencil@", "", REASON_PROTOCOL, "not a login challenge"},
    {"login-nonce", "user:pencil@", "", REASON_PROTOCOL, "another nonce"},
    {"login-weak", "user:pencil@", "", REASON_PROTOCOL, "iterations not in"},
    {"login-costly", "user:pencil@", "", REASON_PROTOCOL, "iterations not in"},
    {"login-atlas", "user:pencil@", "", REASON_AUTH, "login: AtlasError (8000): bad auth"},
    {"login-off", "user:pencil@", "", REASON_AUTH, "login: MechanismUnavailable (334)"},
    {"login-not-initiated", "user:pencil@", "?replicaSet=rs0", REASON_NOT_INITIATED, ""},
    {"login-not-initiated", "user:pencil@", "?replicaSet=rs0&directConnection=true",
     REASON_NOT_INITIATED, "not initiated"},
    {"login-not-initiated", "user:pencil@", "", REASON_AUTH, "login: AuthenticationFailed (18)"},
    {"login-starting-up", "user:pencil@", "?replicaSet=rs0", REASON_MISMATCH, "starting up"},
    {"login-starting-up", "user:pencil@", "", REASON_AUTH, "login: AuthenticationFailed (18)"},
    {"silent", "user:pencil@", "", REASON_TIMEOUT, "no reply to hello"},
};

static void *conf_with_user(const struct server *s, const char *user, const char *more)
{
    struct probe_report report;
    char uri[256];
    snprintf(uri, sizeof uri, "mongodb://%s127.0.0.1:%d/%s", user, s->port, more);
    const char *pairs[] = {"uri", uri, NULL};
    void *conf = make_conf(pairs, &report);
    if (!conf)
        fail_msg("%s", report.text);
    return conf;
}

static void login(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(logins); i++) {
        const char *words[] = {logins[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_with_user(&s, logins[i].user, logins[i].more);
        harness_open(&h);
        check(conf, NULL, logins[i].reason == REASON_TIMEOUT ? SHORT_MS : LONG_MS);
        expect(logins[i].scenario, logins[i].reason, logins[i].says);
        assert_null(strstr(h.detail, "pencil"));
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

/* The login of one connection serves many checks, and its keys the connections after it. */
static void login_is_kept(void **state)
{
    (void)state;
    const char *words[] = {"login", NULL};
    struct server s = serve(words);
    void *conf = conf_with_user(&s, "user:pencil@", "");
    harness_open(&h);
    struct probe_kept *kept = harness_kept_open(&h, &probe_type_mongo, conf);
    for (int i = 0; i < 3; i++) {
        check(conf, kept, LONG_MS);
        expect("login", REASON_OK, "standalone");
    }
    harness_kept_close(&h, &probe_type_mongo, kept);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* A member that was asked without a login has to be logged in to once it serves somebody. */
static void login_is_made_up_for(void **state)
{
    (void)state;
    const char *words[] = {"login-later", NULL};
    struct server s = serve(words);
    void *conf = conf_with_user(&s, "user:pencil@", "?replicaSet=rs0");
    harness_open(&h);
    struct probe_kept *kept = harness_kept_open(&h, &probe_type_mongo, conf);
    check(conf, kept, LONG_MS);
    expect("login-later", REASON_MISMATCH, "starting up");
    check(conf, kept, LONG_MS);
    expect("login-later", REASON_AUTH, "login: AuthenticationFailed (18)");
    harness_kept_close(&h, &probe_type_mongo, kept);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* As a token of a directory may be. */
static void long_password(void **state)
{
    (void)state;
    char password[60001];
    struct probe_report report;
    const char *words[] = {"plain", NULL};
    struct server s = serve(words);
    char *uri = str_format("mongodb://127.0.0.1:%d/" PLAIN, s.port);
    memset(password, 'x', sizeof password - 1);
    password[sizeof password - 1] = '\0';
    void *conf = make_conf((const char *[]){"uri", uri, "user", "user", "password", password, NULL},
                           &report);
    harness_open(&h);
    check(conf, NULL, LONG_MS);
    expect("a long password", REASON_AUTH, "login: AuthenticationFailed (18)");
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    free(uri);
    end(&s);
}

static void login_cancelled_at_any_time(void **state)
{
    (void)state;
    const char *words[] = {"login", NULL};
    struct server s = serve(words);
    void *conf = conf_with_user(&s, "user:pencil@", "");
    for (int turns = 0; turns < 12; turns++) {
        harness_open(&h);
        harness_start(&h, &probe_type_mongo, conf, NULL);
        for (int i = 0; i < turns && !h.released; i++)
            uv_run(&h.loop, UV_RUN_ONCE);
        if (!h.released)
            harness_cancel(&h);
        harness_close(&h);
    }
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* A login needs a thread: without one it cannot be found out, and nothing is aborted. */
static void login_without_threads(void **state)
{
    (void)state;
    static const int errnums[] = {EAGAIN, EPERM};
    const char *words[] = {"login", NULL};
    struct server s = serve(words);
    void *conf = conf_with_user(&s, "user:pencil@", "");
    for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
        pid_t child = fork();
        if (child == 0) {
            refuse_threads(errnums[i]);
            harness_open(&h);
            check(conf, NULL, LONG_MS);
            harness_close(&h);
            _exit(h.reason == REASON_INTERNAL && strstr(h.detail, "cannot make a thread") ? 0 : 1);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 77)
            assert_int_equal(status, 0);
    }
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* ---- deployments ---- */

static void deployment(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *more, *require;
        enum reason reason;
        const char *says;
    } cases[] = {
        {"primary", "?replicaSet=rs0", "writable", REASON_OK, "primary of rs0"},
        {"primary", "?directConnection=false", "ping", REASON_OK, "primary of rs0"},
        {"up", "?directConnection=false", "writable", REASON_OK, "primary of rs0"},
        {"no-primary", "?replicaSet=rs0", "primary", REASON_NO_PRIMARY, "secondary"},
        {"not-initiated", "?replicaSet=rs0", "data", REASON_NOT_INITIATED, "not initiated"},
        {"wrong-set", "?replicaSet=rs0", "ping", REASON_MISMATCH, "of another set"},
        {"mongos", "?replicaSet=rs0", "ping", REASON_MISMATCH, "no member of a set"},
        {"mongos", "?directConnection=false", "writable", REASON_OK, "mongos"},
        {"arbiter", "?replicaSet=rs0", "data", REASON_MISMATCH, "arbiter"},
        {"auth-required", "?replicaSet=rs0", "ping", REASON_AUTH, "ping: Unauthorized"},
        {"ping-ok0", "?replicaSet=rs0", "ping", REASON_PROTOCOL, "ShutdownInProgress"},
        {"reset-at-accept", "?replicaSet=rs0", "ping", REASON_RESET, ""},
        {"silent", "?replicaSet=rs0", "ping", REASON_TIMEOUT, "127.0.0.1:"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *words[] = {"--set", "rs0", cases[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_for(&s, cases[i].require, cases[i].more);
        harness_open(&h);
        check(conf, NULL, cases[i].reason == REASON_TIMEOUT ? SHORT_MS : LONG_MS);
        expect(cases[i].scenario, cases[i].reason, cases[i].says);
        assert_false(h.gone);
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

/* ---- the driver's child: this program, see main ---- */

#define AWS "?authMechanism=MONGODB-AWS"

#ifdef MONGOC_ENABLE_MONGODB_AWS_AUTH

static void driver(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *user;
        enum reason reason;
        const char *says;
    } cases[] = {
        {"aws", "user:pencil@", REASON_OK, "standalone"},
        {"aws", "other:pencil@", REASON_AUTH, ""},
        {"ping-ok0", "user:pencil@", REASON_PROTOCOL, "no such command"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *words[] = {cases[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_with_user(&s, cases[i].user, AWS);
        harness_open(&h);
        check(conf, NULL, LONG_MS);
        expect(cases[i].scenario, cases[i].reason, cases[i].says);
        harness_close(&h);
        probe_type_mongo.dispose(conf);
        end(&s);
    }
}

static void driver_is_killed(void **state)
{
    (void)state;
    const char *words[] = {"silent", NULL};
    struct server s = serve(words);
    void *conf = conf_with_user(&s, "user:pencil@", AWS);
    harness_open(&h);
    check(conf, NULL, SHORT_MS);
    assert_int_equal(h.reason, REASON_TIMEOUT);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

#else
static void driver(void **state)
{
    (void)state;
    skip();
}
#define driver_is_killed driver
#endif

int main(int argc, char **argv)
{
    int child = worker_child_main(argc, argv);
    if (child >= 0)
        return child;
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(login),
        cmocka_unit_test(login_is_kept),
        cmocka_unit_test(login_is_made_up_for),
        cmocka_unit_test(long_password),
        cmocka_unit_test(login_cancelled_at_any_time),
        cmocka_unit_test(login_without_threads),
        cmocka_unit_test(deployment),
        cmocka_unit_test(driver),
        cmocka_unit_test(driver_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
