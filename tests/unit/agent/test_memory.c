/* Each allocation of reading a configuration and of putting it in use fails in turn: nothing
 * crashes or leaks, what is refused says so, and what is in use stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <uv.h>

#include "base/str.h"
#include "config/config.h"
#include "engine/engine.h"
#include "failing_heap.h"
#include "reports/reports.h"

static char dir[] = "/tmp/probe-memory-XXXXXX";
static char good[64], types[64], bad[64], changed[64], secret[64], ready[64];

static void put(char *path, const char *name, const char *fmt, ...)
{
    va_list ap;
    snprintf(path, sizeof good, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    va_start(ap, fmt);
    vfprintf(f, fmt, ap);
    va_end(ap);
    fclose(f);
}

static const char probes[] = "[defaults]\ninterval = 1h\ninitial_delay = 1h\nfamily = 4\n"
                             "[probe tcp]\naddress = 127.0.0.1:1\nsend = x\nexpect = a.*b|c\n"
                             "[probe web]\nurl = https://localhost/x\nafter = tcp\n"
                             "header = A: b\n  C: d\nexpect_status = 200-299, 304\n"
                             "expect_json = /a/b = 1\nreject_body = [e-g]+\n"
                             "[probe db]\nuri = mongodb://u@h:1/x\n"
                             "password_file = %s\nafter = tcp, web\nlevel = both\n"
                             "[probe app]\ncmdline = ^java .*kafka$\nuser = 0\nafter = db\n"
                             "[probe one]\ntarget = pidfile:/run/x.pid\n";

/* Every type, and the keys that have texts, lines or files of their own. */
static const char more_types[] =
    "[probe redis]\nuri = rediss://u:p@h:1/3\nrequire = replica\nmax_lag = 3s\nlabels = a=b, c=d\n"
    "[probe pg]\nuri = postgres://u@h:1/d?sslmode=verify-full\npassword_file = %s\n"
    "require = primary\nhistory = 1h\nwarn_after = 1s\n"
    "[probe my]\nuri = mysql://u@h:1/d?ssl-mode=REQUIRED\npassword = x\nrequire = writable\n"
    "[probe grpc]\nurl = grpcs://h:1/svc\nmetadata = a: b\n  c: ${file:%s}\n"
    "[probe dns]\nquery = dns://127.0.0.1/example.org?type=A\nexpect = 1.2.3.4\n"
    "[probe exec]\ntype = exec\ncommand = /bin/true a 'b c'\nenv = A=b\n"
    "[probe exec2]\ntype = exec\ncommand = /bin/true\nenv_file = %s\n"
    "[probe talk]\naddress = h:1\ndialogue = expect ^220\n  send EHLO x\\r\\n\n  tls\n  expect ok\n"
    "[probe tcp2]\naddress = h:1\nsend = ${file:%s}\nreject = bad\nexpect = good\n"
    "[probe web2]\nurl = http://u:p@h:1/x?a=b\nproxy = http://x:y@h:2\nheader = A: ${file:%s}\n"
    "expect_header = A: b\n  C: [d-f]\nreject_header = D: e\nexpect_body = a\n  b|c\n"
    "expect_json = /a ~ b.*c\n  /b length > 3\n  /c exists\nfollow_redirects = yes\nbody = {}\n";

static int make_files(void **state)
{
    (void)state;
    char text[2000], more[4000];
    if (!mkdtemp(dir))
        return -1;
    put(secret, "secret", "HUNTER=hunter2-and-more\n");
    snprintf(ready, sizeof ready, "%s/ready", dir);
    snprintf(text, sizeof text, probes, secret);
    snprintf(more, sizeof more, more_types, secret, secret, secret, secret, secret);
    put(types, "types.ini", "[agent]\nsocket = off\n[defaults]\ninterval = 1h\n%s", more);
    put(good, "good.ini",
        "[agent]\nsocket = off\nlisten = off\nagent_check = off\nready_file = %s\n"
        "on_transition = /bin/true a 'b c'\n%s",
        ready, text);
    put(changed, "changed.ini",
        "[agent]\nsocket = off\non_transition_url = http://h/x\n%s%s[probe more]\npid = 1\n", text,
        more);
    put(bad, "bad.ini",
        "[agnt]\n[agent]\nlisen = x\nlisten = y\nshard = x\n[defaults]\nintervl = 1s\n"
        "[probe a]\naddress = ::\ntls_ca = /nonexistent\nafter = b, zz\ncolour = 1\n"
        "[probe b]\naddress = h:1\nafter = a\nlevel = x\n[probe a]\n[probe c]\ntype = tpc\n"
        "[probe d]\ntarget = tpc://h:1\n[probe e]\npassword_file = /nonexistent\nuri = m://x\n"
        "[probe f]\nurl = http://${UNSET}/\n[probe g]\ncmdline = (\nuser = nobody-at-all\n");
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return system(command);
}

static struct config *load(const char *path, char *const *targets, bool keep_values)
{
    const struct config_source source = {.path = path,
                                         .targets = targets,
                                         .n_targets = targets ? 3 : 0,
                                         .keep_values = keep_values,
                                         .for_agent = !targets};
    struct config_report report;
    struct config *config;
    config_report_init(&report);
    enum config_rc rc = config_load(&source, &config, &report);
    if (rc != CONFIG_OK && !report.errors)
        fail_msg("refused without a word");
    if ((rc == CONFIG_OK) != (config != NULL))
        fail_msg("%d, with a configuration: %d", (int)rc, config != NULL);
    config_report_fini(&report);
    return config;
}

/* Calls `what` with each of its allocations failing in turn: alone, and with all that follow. */
static void fail_each(void (*what)(void))
{
    for (int rest = 0; rest < 2; rest++) {
        size_t at = 0;
        do {
            at++;
            heap.at = at;
            heap.rest = rest;
            heap.made = 0;
            what();
            heap.at = 0;
        } while (heap.made >= at);
        assert_true(at > 100);
    }
}

static void load_good(void)
{
    config_free(load(good, NULL, true));
}

static void load_types(void)
{
    config_free(load(types, NULL, true));
}

static void load_bad(void)
{
    assert_null(load(bad, NULL, false));
}

static void load_targets(void)
{
    static char name[] = "web", url[] = "x=tcp://user:secret@h:1", wrong[] = "tpc://h:1";
    char *const targets[] = {name, url, wrong, NULL};
    assert_null(load(good, targets, false));
}

static void test_reading(void **state)
{
    (void)state;
    fail_each(load_good);
    fail_each(load_types);
    fail_each(load_bad);
    fail_each(load_targets);
}

/* ---- Putting it in use ---- */

static uv_loop_t loop;
static struct engine engine;
static struct notify notify;
static struct reports reports;

static void on_stopped(struct engine *e)
{
    (void)e;
}

/* A life of an agent: a configuration, another one, the end. Failing begins with the second. */
static void live(void)
{
    struct err e;
    size_t at = heap.at;
    struct reports_draft draft;
    heap.at = 0;
    struct config *first = load(good, NULL, false), *second = load(changed, NULL, false);
    assert_non_null(first);
    assert_non_null(second);
    notify.fd = -1;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(engine_init(&engine, &loop, true, 1, &(struct engine_hooks){0}), 0);
    assert_int_equal(engine_load(&engine, first, &e), 0);
    assert_int_equal(reports_open(&reports, &engine, &first->agent, &notify, &e), 0);
    size_t n = engine.n_checks, n_second = second->n_checks;
    heap.at = at;
    heap.made = 0;
    struct check *kept = engine_find(&engine, "tcp");
    if (reports_prepare(&reports, &second->agent, &draft, &e) == 0) {
        if (engine_load(&engine, second, &e) == 0) {
            reports_commit(&reports, &second->agent, &draft);
            n = n_second;
        } else {
            reports_discard(&draft);
        }
    }
    assert_int_equal(engine.n_checks, n);
    assert_ptr_equal(engine_find(&engine, "tcp"), kept);
    reports_close(&reports);
    engine_stop(&engine, on_stopped);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
    config_free(first);
    config_free(second);
}

static void test_taking_into_use(void **state)
{
    (void)state;
    size_t at = 0;
    do {
        heap.at = ++at;
        live();
        heap.at = 0;
    } while (heap.made >= at);
    assert_true(at > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading),
        cmocka_unit_test(test_taking_into_use),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
