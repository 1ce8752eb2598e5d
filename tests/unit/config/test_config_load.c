/* What a good configuration becomes: policies, defaults, targets, overrides, the fingerprint that a
 * reload goes by, and the values that are kept for explain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/str.h"
#include "config/config.h"
#include "config/keys.h"
#include "fake_types.h"

static char dir[] = "/tmp/probe-load-XXXXXX";
static char path[64], secret[64];

static void write_to(const char *file, const char *text)
{
    FILE *f = fopen(file, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

/* Loads the text with the targets (separated by blanks); the problems are in *problems. */
static enum config_rc load(const char *ini, const char *targets,
                           const struct config_override *overrides, struct config **c,
                           char **problems)
{
    write_to(path, ini);
    char *words = strdup(targets), *list[8];
    size_t n = 0;
    assert_non_null(words);
    for (char *w = strtok(words, " "); w && n < ARRAY_LEN(list); w = strtok(NULL, " "))
        list[n++] = w;
    struct config_source source = {
        .path = path, .targets = list, .n_targets = n, .overrides = overrides, .keep_values = true};
    struct config_report r;
    struct buf out;
    config_report_init(&r);
    enum config_rc rc = config_load(&source, c, &r);
    buf_init(&out, 1 << 16);
    buf_puts(&out, "");
    for (size_t i = 0; i < r.n; i++)
        if (r.problems[i].is_error)
            buf_printf(&out, "%s\n", r.problems[i].text);
    *problems = buf_take(&out);
    config_report_fini(&r);
    free(words);
    return rc;
}

static struct config *good(const char *ini, const char *targets)
{
    struct config *c;
    char *problems;
    if (load(ini, targets, NULL, &c, &problems) != CONFIG_OK)
        fail_msg("%s", problems);
    free(problems);
    return c;
}

static void bad(const char *ini, const char *targets, enum config_rc want, const char *words)
{
    struct config *c;
    char *problems;
    assert_int_equal(load(ini, targets, NULL, &c, &problems), want);
    assert_null(c);
    assert_string_equal(problems, words);
    free(problems);
}

static void test_defaults_of_all(void **state)
{
    (void)state;
    struct config *c = good("[probe a]\naddress = h:1\n", "");
    const struct check_conf *a = c->checks[0];
    assert_int_equal(c->n_checks, 1);
    assert_string_equal(a->name, "a");
    assert_string_equal(a->target, "shown?"); /* whatever a type makes of it, it is one line */
    assert_ptr_equal(a->type, &fake_tcp);
    assert_string_equal(a->conf, "h:1");
    assert_int_equal(a->policy.interval, 30 * NS_PER_S);
    assert_int_equal(a->policy.timeout, 30 * NS_PER_S);
    assert_int_equal(a->policy.retries, 3);
    assert_int_equal(a->policy.start_period, 0);
    assert_int_equal(a->policy.start_interval, 5 * NS_PER_S);
    assert_int_equal(a->policy.success_threshold, 1);
    assert_int_equal(a->policy.initial_delay, 0);
    assert_int_equal(a->policy.fail_interval, 0);
    assert_int_equal(a->policy.jitter_percent, 0);
    assert_int_equal(a->levels, LEVEL_READY);
    assert_true(a->required);
    assert_false(a->timeout_given);
    assert_int_equal(a->n_after, 0);
    assert_string_equal(c->agent.socket, "/run/probe/probe.sock");
    assert_string_equal(c->agent.listen, "127.0.0.1:9797");
    assert_int_equal(c->agent.socket_mode, 0660);
    assert_int_equal(c->agent.max_workers, 4);
    assert_false(c->agent.log_json);
    assert_int_equal(c->agent.log_level, 1);
    config_free(c);
}

/* N agents with one file share its probes: each runs on one of them, none twice. */
static void test_shard(void **state)
{
    (void)state;
    size_t seen[26] = {0}, total = 0;
    for (unsigned shard = 1; shard <= 3; shard++) {
        struct buf ini;
        buf_init(&ini, 1 << 16);
        buf_printf(&ini, "[agent]\nshard = %u/3\n", shard);
        for (char n = 'a'; n <= 'z'; n++)
            buf_printf(&ini, "[probe %c]\nurl = web://h:1\n%s", n, n > 'a' ? "after = a\n" : "");
        struct config *c = good(ini.data, "");
        bool has_a = false;
        assert_true(c->n_checks > 2);
        for (size_t i = 0; i < c->n_checks; i++) {
            const struct check_conf *one = c->checks[i];
            has_a |= one->name[0] == 'a';
            /* What is watched elsewhere holds nothing back here. */
            assert_int_equal(one->n_after, has_a && one->name[0] != 'a' ? 1 : 0);
            seen[one->name[0] - 'a']++;
            total++;
        }
        config_free(c);
        c = good(ini.data, "a b"); /* named ones are run wherever they are asked for */
        assert_int_equal(c->n_checks, 2);
        config_free(c);
        buf_fini(&ini);
    }
    assert_int_equal(total, 26);
    for (size_t i = 0; i < 26; i++)
        assert_int_equal(seen[i], 1);
}

static void test_all_given(void **state)
{
    (void)state;
    struct config *c = good("[agent]\nsocket = off\nlisten = [::1]:80\nsocket_mode = 600\n"
                            "max_workers = 9\nlog_format = json\nlog_level = error\n"
                            "[defaults]\ninterval = 2m\nsend = x\npassword = ${L_NONE:-def}\n"
                            "[probe b]\nurl = web://h:1\nmax_lag = off\n"
                            "[probe a]\ntype = tcp\naddress = h:1\ninterval = 10s\ntimeout = 1s\n"
                            "retries = 4\nstart_period = 1w\nstart_interval = 1ms\n"
                            "success_threshold = 5\ninitial_delay = 6s\nfail_interval = 7s\n"
                            "jitter = 8%\nlevel = alive, ready\nrequired = no\nafter = b, b\n"
                            "password =\n",
                            "");
    assert_null(c->agent.socket);
    assert_string_equal(c->agent.listen, "[::1]:80");
    assert_int_equal(c->agent.socket_mode, 0600);
    assert_int_equal(c->agent.max_workers, 9);
    assert_true(c->agent.log_json);
    assert_int_equal(c->agent.log_level, 3);
    const struct check_conf *b = c->checks[0], *a = c->checks[1];
    assert_int_equal(b->policy.interval, 120 * NS_PER_S);
    assert_string_equal(b->values[2].text, "def"); /* of [defaults], which web has too */
    assert_null(b->values[3].text);
    assert_int_equal(a->policy.interval, 10 * NS_PER_S);
    assert_int_equal(a->policy.timeout, NS_PER_S);
    assert_int_equal(a->policy.retries, 4);
    assert_int_equal(a->policy.start_period, 7 * 24 * 3600 * NS_PER_S);
    assert_int_equal(a->policy.start_interval, NS_PER_MS);
    assert_int_equal(a->policy.success_threshold, 5);
    assert_int_equal(a->policy.initial_delay, 6 * NS_PER_S);
    assert_int_equal(a->policy.fail_interval, 7 * NS_PER_S);
    assert_int_equal(a->policy.jitter_percent, 8);
    assert_int_equal(a->levels, LEVEL_READY | LEVEL_ALIVE);
    assert_false(a->required);
    assert_true(a->timeout_given);
    assert_int_equal(a->n_after, 1);
    assert_string_equal(a->after[0], "b");
    assert_string_equal(a->values[1].text, "x");
    assert_int_equal(a->values[1].line, 10);
    assert_null(a->values[2].text); /* cleared against [defaults] */
    assert_string_equal(a->common[COMMON_TYPE].text, "tcp");
    assert_string_equal(b->common[COMMON_TYPE].text, "web"); /* known by its url */
    config_free(c);
}

static void test_types(void **state)
{
    (void)state;
    static const struct {
        const char *ini;
        const struct probe_type *type;
    } cases[] = {
        {"[probe a]\ntype = tcp\naddress = h:1\n", &fake_tcp},
        {"[probe a]\nurl = web://h:1\npassword = ${L_NONE:-}\n", &fake_web},
        {"[probe a]\ntarget = tcp://h:1\n", &fake_tcp},
        {"[probe a]\ntarget = unix:///x\n", &fake_tcp},
        {"[probe a]\ntarget = ${L_NONE:-web://h:1}\n", &fake_web},
        {"[defaults]\ntype = web\n[probe a]\nurl = x:1\n", &fake_web},
        {"[defaults]\ntype = web\n[probe a]\ntype = tcp\naddress = x:1\n", &fake_tcp},
        {"[defaults]\ntype = web\n[probe a]\ntarget = tcp://x:1\n", &fake_tcp},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *c = good(cases[i].ini, "");
        assert_ptr_equal(c->checks[0]->type, cases[i].type);
        config_free(c);
    }
    /* What a variable brought is not expanded again. */
    setenv("L_URL", "tcp://${L_X}$$:1", 1);
    struct config *c = good("[probe a]\ntarget = ${L_URL}\n", "");
    assert_string_equal(c->checks[0]->conf, "${L_X}$$:1");
    config_free(c);
}

#define FILE_OF_TWO                                                                                \
    "[defaults]\ninterval = 7s\ntimeout = 7s\n"                                                    \
    "[probe web]\nurl = web://h:1\nafter = db\n[probe db]\naddress = h:1\n"

static void expect_names(struct config *c, const char *names)
{
    struct buf out;
    buf_init(&out, 1000);
    buf_puts(&out, "");
    for (size_t i = 0; i < c->n_checks; i++)
        buf_printf(&out, "%s%s", i ? " " : "", c->checks[i]->name);
    assert_string_equal(out.data, names);
    buf_fini(&out);
}

static void test_targets(void **state)
{
    (void)state;
    static const struct {
        const char *targets, *names;
    } cases[] = {
        {"", "web db"},
        {"db", "db"},
        {"db web", "db web"},
        {"db db", "db"},
        {"web tcp://x:1", "web tcp://x:1"},
        {"n=tcp://x:1", "n"},
        {"db=web://x:1", "db"},
        {"tcp://x:1 tcp://x:1", "tcp://x:1"},
        {"tcp://x:\x1b tcp://x:\x7f", "tcp://x:? tcp://x:?#2"},
        {"web://u:p@x:1/a=b", "web://***@x:1/a=b"},
        {"web://u:p@x:1 web://v:p@x:1", "web://***@x:1 web://***@x:1#2"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct config *c = good(FILE_OF_TWO, cases[i].targets);
        expect_names(c, cases[i].names);
        config_free(c);
    }
    struct config *c = good(FILE_OF_TWO, "web");
    assert_int_equal(c->checks[0]->n_after, 0); /* db was not chosen: nobody would watch it */
    config_free(c);
    c = good(FILE_OF_TWO, "web tcp://x:1");
    assert_int_equal(c->checks[1]->policy.interval, 7 * NS_PER_S);
    config_free(c);
    /* On the command line the shell has expanded already. */
    c = good("", "tcp://${L_NONE}$$:1");
    assert_string_equal(c->checks[0]->conf, "${L_NONE}$$:1");
    config_free(c);
}

static void test_bad_targets(void **state)
{
    (void)state;
    bad(FILE_OF_TWO, "wob", CONFIG_BAD_TARGET,
        "wob: neither a probe of the configuration nor a URL, did you mean web?\n");
    bad(FILE_OF_TWO, "tcp://x", CONFIG_BAD_TARGET, "tcp://x: no port, expected HOST:PORT\n");
    bad(FILE_OF_TWO, "tpc://x:1", CONFIG_BAD_TARGET,
        "tpc://x:1: neither a probe of the configuration nor a URL, did you mean tcp://x:1?\n");
    bad(FILE_OF_TWO, "tcp:/x:1", CONFIG_BAD_TARGET,
        "tcp:/x:1: neither a probe of the configuration nor a URL, did you mean tcp://x:1?\n");
    bad(FILE_OF_TWO, "tcp//x:1", CONFIG_BAD_TARGET,
        "tcp//x:1: neither a probe of the configuration nor a URL, did you mean tcp://x:1?\n");
    bad(FILE_OF_TWO, "unix:/x", CONFIG_BAD_TARGET,
        "unix:/x: neither a probe of the configuration nor a URL, did you mean unix:///x?\n");
    bad(FILE_OF_TWO, "localhost:80", CONFIG_BAD_TARGET,
        "localhost:80: neither a probe of the configuration nor a URL, did you mean "
        "tcp://localhost:80?\n");
    bad(FILE_OF_TWO, "zzz://u:secret@zzz", CONFIG_BAD_TARGET,
        "zzz://***@zzz: neither a probe of the configuration nor a URL; a URL begins with "
        "http://, tcp:// or such, see 'probe help targets'\n");
    bad(FILE_OF_TWO, "one= two=three", CONFIG_BAD_TARGET,
        "one=: no URL after the =; a URL begins with http://, tcp:// or such, see 'probe help "
        "targets'\n"
        "two=three: not a URL after the =; a URL begins with http://, tcp:// or such, see 'probe "
        "help targets'\n");
    bad(FILE_OF_TWO, "a=tcp://x:1 a=tcp://x:2", CONFIG_BAD_TARGET,
        "a=tcp://x:2: a second target of that name\n");
    bad(FILE_OF_TWO, "db db=tcp://x:2", CONFIG_BAD_TARGET,
        "db=tcp://x:2: a second target of that name\n");
    bad(FILE_OF_TWO, "web:x one two", CONFIG_BAD_TARGET,
        "web:x: \"x\" is not a whole number, expected decimal digits\n"
        "one: neither a probe of the configuration nor a URL; a URL begins with "
        "http://, tcp:// or such, see 'probe help targets'\n"
        "two: neither a probe of the configuration nor a URL; a URL begins with "
        "http://, tcp:// or such, see 'probe help targets'\n");
    /* A bad file comes before bad targets. */
    char *words = str_format("%s:1: probe a.type: not given, expected tcp or web\n", path);
    bad("[probe a]\n", "wob", CONFIG_BAD, words);
    free(words);
}

static void test_overrides(void **state)
{
    (void)state;
    struct config *c;
    char *problems;
    const struct config_override three[] = {{"timeout", "3s"}, {"interval", "1s"}, {NULL, NULL}};
    assert_int_equal(load(FILE_OF_TWO, "web tcp://x:1", three, &c, &problems), CONFIG_OK);
    free(problems);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(c->checks[i]->policy.timeout, 3 * NS_PER_S);
        assert_int_equal(c->checks[i]->policy.interval, NS_PER_S);
        assert_true(c->checks[i]->timeout_given);
        assert_true(c->checks[i]->common[COMMON_TIMEOUT].given);
        assert_int_equal(c->checks[i]->common[COMMON_TIMEOUT].line, 0);
    }
    config_free(c);
    const struct config_override wrong[] = {{"timeout", "3"}, {NULL, NULL}};
    assert_int_equal(load(FILE_OF_TWO, "web", wrong, &c, &problems), CONFIG_BAD_TARGET);
    assert_string_equal(problems, "--timeout: \"3\": missing unit, expected a duration such as "
                                  "500ms, 5s or 1m30s\n");
    free(problems);
}

static char *fingerprint(const char *ini)
{
    struct config *c = good(ini, "");
    char *text = strdup(c->checks[0]->fingerprint);
    config_free(c);
    return text;
}

static void compare(const char *one, const char *other, bool same)
{
    char *a = fingerprint(one), *b = fingerprint(other);
    if ((strcmp(a, b) == 0) != same)
        fail_msg("%s\nand\n%s\nexpected %s", one, other, same ? "the same" : "different");
    free(a);
    free(b);
}

static void test_fingerprint(void **state)
{
    (void)state;
    const char *plain = "[probe a]\naddress = h:1\n";
    compare(plain, "[agent]\nlisten = off\n[probe z]\ntarget = tcp://h:1\ninterval = 30s\n", true);
    compare(plain, "[defaults]\nretries = 3\n[probe a]\ntype = tcp\naddress = ${L_NONE:-h:1}\n",
            true);
    compare("[probe a]\naddress = h:1\ninterval = 60s\n",
            "[defaults]\ninterval = 1m\n[probe a]\naddress = h:1\n", true);
    compare(plain, "[probe a]\naddress = h:2\n", false);
    compare(plain, "[probe a]\naddress = h:1\nretries = 2\n", false);
    compare(plain, "[probe a]\naddress = h:1\nlevel = both\n", false);
    compare(plain, "[probe a]\naddress = h:1\nmode = slow\n", false);
    compare(plain, "[probe a]\naddress = h:1\nsend = x\n", false);
    compare("[probe a]\nurl = h:1\nheader = A: b\n  C: d\n",
            "[probe a]\nurl = h:1\nheader =\n  A: b\n\n  C: d\n", true);
    compare("[probe a]\nurl = h:1\nheader = A: b\n  C: d\n",
            "[probe a]\nurl = h:1\nheader = C: d\n  A: b\n", false);
}

static void test_files(void **state)
{
    (void)state;
    char *ini = str_format("[probe a]\naddress = h:1\npassword_file = %s\n", secret);
    write_to(secret, "one\n");
    char *one = fingerprint(ini);
    struct config *c = good(ini, "");
    assert_string_equal(c->checks[0]->values[2].text, "one");
    assert_string_equal(c->checks[0]->values[2].file, secret);
    config_free(c);
    write_to(secret, "two\n");
    char *two = fingerprint(ini);
    assert_string_not_equal(one, two);
    free(one);
    free(two);
    free(ini);
    /* A file that is only named is known by its identity, size and time. */
    ini = str_format("[probe a]\naddress = h:1\ntls_ca = %s\n", secret);
    one = fingerprint(ini);
    write_to(secret, "longer than before\n");
    two = fingerprint(ini);
    assert_string_not_equal(one, two);
    free(one);
    free(two);
    free(ini);
    unlink(secret);
}

static void test_default_path(void **state)
{
    (void)state;
    setenv("PROBE_CONFIG", path, 1);
    assert_string_equal(config_default_path(), path);
    unlink(path);
    struct config *c;
    struct config_report r;
    config_report_init(&r);
    /* The one that was named must be there. */
    assert_int_equal(config_load(&(struct config_source){0}, &c, &r), CONFIG_BAD);
    char *want = str_format("%s: cannot be read: No such file or directory", path);
    assert_string_equal(r.problems[0].text, want);
    config_report_fini(&r);
    free(want);
    unsetenv("PROBE_CONFIG");
    const char *installed = config_default_path();
    if (installed)
        assert_string_equal(installed, "/etc/probe/probe.ini");
}

/* Many probes and a long chain of `after`: no recursion, no quadratic scan. */
static void test_many(void **state)
{
    (void)state;
    struct buf ini;
    buf_init(&ini, 16 * 1024 * 1024);
    for (int i = 0; i < 20000; i++)
        buf_printf(&ini, "[probe p%d]\naddress = h:1\nafter = p%d\n", i, i + 1);
    buf_puts(&ini, "[probe p20000]\naddress = h:1\n");
    struct config *c = good(ini.data, "");
    assert_int_equal(c->n_checks, 20001);
    assert_string_equal(c->checks[19999]->after[0], "p20000");
    config_free(c);
    buf_fini(&ini);
}

static int setup(void **state)
{
    (void)state;
    unsetenv("L_NONE");
    unsetenv("PROBE_CONFIG");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/f.ini", dir);
    snprintf(secret, sizeof secret, "%s/secret", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir) || fake_alive;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_of_all),
        cmocka_unit_test(test_shard),
        cmocka_unit_test(test_all_given),
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_bad_targets),
        cmocka_unit_test(test_overrides),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_default_path),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
