/* The type mongo on a loop, against the scripted server: every state and fault with its reason, the
 * kept connection, and a cancel at any time. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/value.h"
#include "run_harness.h"
#include "worker.h"

extern const struct probe_type probe_type_mongo;

#define LONG_MS  10000 /* for what must come to its own end */
#define SHORT_MS 200   /* for what never does */

struct probe_report {
    int errors;
    char text[1024];
};

static void add(struct probe_report *report, size_t key, const char *fmt, va_list ap)
{
    size_t n = strlen(report->text);
    n += (size_t)snprintf(report->text + n, sizeof report->text - n,
                          "%s: ", probe_type_mongo.keys[key].name);
    vsnprintf(report->text + n, sizeof report->text - n, fmt, ap);
}

void probe_error(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(report, key, fmt, ap);
    va_end(ap);
    report->errors++;
}

void probe_warn(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(report, key, fmt, ap);
    va_end(ap);
}

/* `pairs`: key, value, ..., NULL. NULL when refused. */
static void *make_conf(const char *const *pairs, struct probe_report *report)
{
    const struct probe_type *type = &probe_type_mongo;
    struct probe_value values[32];
    struct err e;
    char *target = NULL;
    memset(values, 0, sizeof values);
    memset(report, 0, sizeof *report);
    assert_true(type->n_keys <= ARRAY_LEN(values));
    for (size_t k = 0; k < type->n_keys; k++) {
        const char *text = type->keys[k].def;
        for (size_t i = 0; pairs[i]; i += 2)
            if (strcmp(pairs[i], type->keys[k].name) == 0)
                text = pairs[i + 1];
        bool given = text && text != type->keys[k].def;
        if (text && value_parse(&values[k], &type->keys[k], text, &e))
            fail_msg("%s: %s", type->keys[k].name, e.text);
        values[k].given = given;
    }
    void *conf = type->prepare(values, report, &target);
    for (size_t k = 0; k < type->n_keys; k++)
        value_fini(&values[k]);
    assert_true((conf != NULL) == (report->errors == 0));
    assert_true((conf != NULL) == (target != NULL));
    free(target);
    return conf;
}

/* ---- the server ---- */

struct server {
    pid_t pid;
    int port;
};

/* `scenarios`: words of the scripted server's command line. */
static struct server serve(const char *const *scenarios)
{
    char script[512];
    const char *file = strrchr(__FILE__, '/');
    snprintf(script, sizeof script, "%.*s/../servers/mongo_scripted.py", (int)(file - __FILE__),
             __FILE__);
    const char *argv[16] = {"python3", script};
    for (size_t i = 0; scenarios[i] && i < 12; i++)
        argv[i + 2] = scenarios[i];
    int out[2];
    assert_int_equal(pipe(out), 0);
    struct server s = {.pid = fork()};
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        dup2(out[1], 1);
        close(out[0]);
        close(out[1]);
        execv("/usr/bin/python3", (char **)(uintptr_t)argv);
        _exit(127);
    }
    close(out[1]);
    FILE *f = fdopen(out[0], "r");
    assert_int_equal(fscanf(f, "%d", &s.port), 1);
    fclose(f);
    return s;
}

static void end(struct server *s)
{
    kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

static void *conf_for(const struct server *s, const char *require, const char *more)
{
    struct probe_report report;
    char uri[256];
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%d/%s", s->port, more);
    const char *pairs[] = {"uri", uri, "require", require, NULL};
    void *conf = make_conf(pairs, &report);
    if (!conf)
        fail_msg("%s", report.text);
    return conf;
}

static struct harness h;

static void check(const void *conf, struct probe_kept *kept, int timeout_ms)
{
    harness_start(&h, &probe_type_mongo, conf, kept);
    harness_wait(&h, timeout_ms);
}

static void expect(const char *what, enum reason reason, const char *says)
{
    if (h.reason != reason || !strstr(h.detail, says))
        fail_msg("%s: %s: %s; wanted %s: %s", what, reason_name(h.reason), h.detail,
                 reason_name(reason), says);
}

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

/* ---- logins ---- */

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

/* ---- the driver's child: this program, see main ---- */

static void driver(void **state)
{
    (void)state;
    static const struct {
        const char *scenario, *more, *require;
        enum reason reason;
        const char *says;
    } cases[] = {
        {"primary", "?replicaSet=rs0", "writable", REASON_OK, "primary of rs0"},
        {"primary", "?directConnection=false", "ping", REASON_OK, "primary of rs0"},
        {"no-primary", "?replicaSet=rs0", "primary", REASON_NO_PRIMARY, "RSSecondary"},
        {"not-initiated", "?replicaSet=rs0", "data", REASON_NOT_INITIATED, "RSGhost"},
        {"wrong-set", "?replicaSet=rs0", "ping", REASON_MISMATCH, "belongs to the set rs0"},
        {"ping-ok0", "?replicaSet=rs0", "ping", REASON_PROTOCOL, ""},
        {"close-at-accept", "?replicaSet=rs0", "ping", REASON_CLOSED, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const char *words[] = {"--set", "rs0", cases[i].scenario, NULL};
        struct server s = serve(words);
        void *conf = conf_for(&s, cases[i].require, cases[i].more);
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
    void *conf = conf_for(&s, "ping", "?replicaSet=rs0");
    harness_open(&h);
    check(conf, NULL, SHORT_MS);
    assert_int_equal(h.reason, REASON_TIMEOUT);
    harness_close(&h);
    probe_type_mongo.dispose(conf);
    end(&s);
}

/* ---- the settings ---- */

static void settings(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[9];
        bool good;
        const char *says;
    } cases[] = {
        {{"uri", "mongodb://db/"}, true, ""},
        {{"uri", "mongodb://localhost/"}, true, "uri: localhost is loopback"},
        {{"uri", "mongodb://[::1]/"}, true, "uri: ::1 is loopback"},
        {{"uri", "mongodb://db/?colour=red"}, true, "does not know the option colour"},
        {{"uri", "mongodb://db:99999/"}, false, "uri: "},
        {{"uri", "mongodb://db,,/"}, false, "uri: a host name is empty"},
        {{"uri", "mongodb://u@db/"}, false, "user: a user name without a password"},
        {{"uri", "mongodb://u@db/", "password", "x"}, true, ""},
        {{"uri", "mongodb://db/", "password", "x"}, false, "password: a password without"},
        {{"uri", "mongodb://u:p@db/", "user", "v"}, false, "user: given twice"},
        {{"uri", "mongodb://db/?replicaSet=a", "set_name", "b"}, false, "set_name: differs"},
        {{"uri", "mongodb://db/?tls=false", "tls_ca", "/nonexistent"}, false, "tls_ca: "},
        {{"uri", "mongodb://db/?tls=true&tlsInsecure=true"}, true, "takes any certificate"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct probe_report report;
        void *conf = make_conf(cases[i].pairs, &report);
        if ((conf != NULL) != cases[i].good || !strstr(report.text, cases[i].says))
            fail_msg("%s: %s", cases[i].pairs[1], report.text);
        if (conf)
            probe_type_mongo.dispose(conf);
    }
}

int main(int argc, char **argv)
{
    int child = worker_child_main(argc, argv);
    if (child >= 0)
        return child;
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings),
        cmocka_unit_test(scenarios),
        cmocka_unit_test(timeouts),
        cmocka_unit_test(dripped_in_time),
        cmocka_unit_test(refused),
        cmocka_unit_test(kept_connection),
        cmocka_unit_test(ends_while_idle),
        cmocka_unit_test(cancel_at_any_time),
        cmocka_unit_test(login),
        cmocka_unit_test(login_is_kept),
        cmocka_unit_test(login_cancelled_at_any_time),
        cmocka_unit_test(driver),
        cmocka_unit_test(driver_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
