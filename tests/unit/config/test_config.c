/* The configuration's errors and warnings, a table: each INI text with every problem it has, to the
 * letter. What a good one becomes is in test_config_load.c. */
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
#include "base/str.h"
#include "config/config.h"
#include "fake_types.h"

#define PROBE "[probe a]\naddress = h:1\n"

static const struct {
    const char *ini;
    const char *problems; /* a line each; warnings begin with "warning: " */
} cases[] = {
    {"", ""},
    {PROBE, ""},
    /* Sections. */
    {"[agnt]\n", "f:1: [agnt]: unknown section, expected [agent], [defaults] or [probe NAME]; did "
                 "you mean [agent]?\n"},
    {"[probes x]\n", "f:1: [probes x]: unknown section, expected [agent], [defaults] or [probe "
                     "NAME]; did you mean [probe NAME]?\n"},
    {"[http]\n", "f:1: [http]: unknown section, expected [agent], [defaults] or [probe NAME]; did "
                 "you mean [probe http]?\n"},
    {"[a b]\n", "f:1: [a b]: unknown section, expected [agent], [defaults] or [probe NAME]\n"},
    {"[probe]\n", "f:1: [probe]: not a name, expected [probe NAME] with letters, digits, '.', '_' "
                  "and '-', at most 63\n"},
    {"[probe a b]\n", "f:1: [probe a b]: not a name, expected [probe NAME] with letters, digits, "
                      "'.', '_' and '-', at most 63\n"},
    {"[agent]\n[defaults]\n[agent]\n[defaults]\n" PROBE PROBE,
     "f:3: [agent]: a section given twice, first on line 1\n"
     "f:4: [defaults]: a section given twice, first on line 2\n"
     "f:7: [probe a]: a section given twice, first on line 5\n"},
    /* Keys. */
    {PROBE "intervall = 5s\n", "f:3: probe a.intervall: unknown key, did you mean interval?\n"},
    {PROBE "zzzzzzzz = 5s\n", "f:3: probe a.zzzzzzzz: unknown key\n"},
    /* Words of other programs: only keys that the type has. */
    {PROBE "periodSeconds = 5\nfailure_threshold = 3\nhost = x\nhttpHeaders = x\n",
     "f:3: probe a.periodSeconds: unknown key, did you mean interval?\n"
     "f:4: probe a.failure_threshold: unknown key, did you mean retries?\n"
     "f:5: probe a.host: unknown key, did you mean address?\n"
     "f:6: probe a.httpHeaders: unknown key\n"},
    {"[probe a]\nhost = x\n", "f:2: probe a.host: unknown key, did you mean address or url?\n"},
    {PROBE "enabled = maybe\n",
     "f:3: probe a.enabled: unknown key; a probe is off where its section is not in the file, and "
     "reported but not counted with required = no\n"},
    /* As YAML has it: nothing is said of what the line would have set. */
    {"[probe a]\nurl: web://h:1/\n",
     "f:2: a colon behind the key, expected 'url = ...', not 'url: ...'\n"},
    {PROBE "send : a = b\nretries = 0\n",
     "f:3: a colon behind the key, expected 'send = ...', not 'send: ...'\n"
     "f:4: probe a.retries: \"0\" is out of range, expected 1 to 1000000\n"},
    {PROBE "url = x\nlisten = x\n",
     "f:1: probe a.type: the keys name targets of several types, expected tcp or web\n"
     "f:4: probe a.listen: unknown key here, it belongs to [agent]\n"},
    /* A target of both types: the first that has all keys, so a second type changes no file. */
    {"[probe a]\nsocket = x\n", "f:1: probe a.address: not given, expected it here\n"},
    {"[probe a]\nsocket = x\nmax_lag = 1s\n",
     "f:1: probe a.url: not given, expected it or url_file here\n"},
    {"[probe a]\nsocket = x\nsend = x\nmax_lag = 1s\n",
     "f:1: probe a.type: the keys name targets of several types, expected tcp or web\n"},
    {PROBE "max_lag = 1s\n", "f:3: probe a.max_lag: unknown key here, it is one of type web\n"},
    {PROBE "send_file = x\n", "f:3: probe a.send_file: unknown key\n"},
    {"[agent]\ninterval = 5s\naddress = x\nlog_levl = info\n",
     "f:2: agent.interval: unknown key here, it belongs to [defaults] or [probe NAME]\n"
     "f:3: agent.address: unknown key here, it is one of type tcp\n"
     "f:4: agent.log_levl: unknown key, did you mean log_level?\n"},
    {"[defaults]\nintervl = 5s\ntarget = x\n",
     "f:2: defaults.intervl: unknown key, did you mean interval?\n"
     "f:3: defaults.target: unknown key\n"},
    {PROBE "retries = 3\nretries = 4\n", "f:4: probe a.retries: given twice, first on line 3\n"},
    {PROBE "address = h:2\n", "f:3: probe a.address: given twice, first on line 2\n"},
    /* Values. */
    {PROBE "interval = 5\ntimeout = 0s\nretries = 0\njitter = 200%\nrequired = perhaps\n"
           "level = redy\nmode = fst\nstart_period = -1s\n",
     "f:3: probe a.interval: \"5\": missing unit, expected a duration such as 500ms, 5s or 1m30s\n"
     "f:4: probe a.timeout: \"0s\" is out of range, expected at least 1ms\n"
     "f:5: probe a.retries: \"0\" is out of range, expected 1 to 1000000\n"
     "f:6: probe a.jitter: \"200%\" is out of range, expected 0% to 100%\n"
     "f:7: probe a.required: \"perhaps\" is neither yes nor no\n"
     "f:8: probe a.level: \"redy\" is unknown, expected alive, ready or both\n"
     "f:9: probe a.mode: \"fst\" is unknown, expected fast or slow; did you mean fast?\n"
     "f:10: probe a.start_period: \"-1s\" is out of range, expected at least 0s\n"},
    {PROBE "fail_interval = 500us\nlevel =\n",
     "f:3: probe a.fail_interval: \"500us\" is out of range, expected at least 1ms\n"
     "f:4: probe a.level: has no value, expected alive, ready or both\n"},
    {"[agent]\ntoken = ${NONE:-short}\nlisten = :1\n",
     "f:2: agent.token: cannot be used, expected 16 to 1024 letters, digits and -._~+/=\n"},
    {"[agent]\ntoken = ${NONE:-}\n",
     "f:2: agent.token: cannot be used, expected 16 to 1024 letters, digits and -._~+/=\n"},
    {"[agent]\ntoken = ${NONE:-0123456789abcde f}\n",
     "f:2: agent.token: cannot be used, expected 16 to 1024 letters, digits and -._~+/=\n"},
    {PROBE "labels = member=x, state=y, members=z\n",
     "f:3: probe a.labels: \"member=x\" has a name that the metrics have already, expected "
     "another\n"
     "f:3: probe a.labels: \"state=y\" has a name that the metrics have already, expected "
     "another\n"},
    {PROBE "labels = team=shop, env, 1a=b, type=x, team=y, __a=b, b=, =c, ok=1\n",
     "f:3: probe a.labels: \"env\" is not a label, expected NAME=VALUE with letters, digits and _ "
     "in "
     "the name\n"
     "f:3: probe a.labels: \"1a=b\" is not a label, expected NAME=VALUE with letters, digits and _ "
     "in "
     "the name\n"
     "f:3: probe a.labels: \"type=x\" has a name that the metrics have already, expected another\n"
     "f:3: probe a.labels: \"team=y\" is given twice\n"
     "f:3: probe a.labels: \"__a=b\" has a name that the metrics have already, expected another\n"
     "f:3: probe a.labels: \"b=\" is not a label, expected NAME=VALUE with letters, digits and _ "
     "in "
     "the "
     "name\n"
     "f:3: probe a.labels: \"=c\" is not a label, expected NAME=VALUE with letters, digits and _ "
     "in "
     "the "
     "name\n"},
    {"[agent]\nshard = 4/3\n",
     "f:2: agent.shard: \"4/3\" is not a share, expected I/N with I from 0 to N, e.g. 2/5\n"},
    {"[agent]\nshard = 0/0\n",
     "f:2: agent.shard: \"0/0\" is not a share, expected I/N with I from 0 to N, e.g. 2/5\n"},
    {"[agent]\nlisten = :0\nagent_check = db:80\n",
     "f:2: agent.listen: \"0\" is not a port, expected 1 to 65535\n"
     "f:3: agent.agent_check: \"db\" is no IP address: what is listened on is an address, as in "
     "127.0.0.1:9797, [::1]:9797 or :9797\n"},
    {"[agent]\nlisten = 127.0.0.1:99999\nsocket_mode = 999\nmax_workers = 0\nlog_format = xml\n",
     "f:2: agent.listen: \"99999\" is not a port, expected 1 to 65535\n"
     "f:3: agent.socket_mode: \"999\" is not a mode, expected octal digits such as 0660\n"
     "f:4: agent.max_workers: \"0\" is out of range, expected 1 to 256\n"
     "f:5: agent.log_format: \"xml\" is unknown, expected logfmt or json\n"},
    {"[agent]\nlisten = :0\nagent_check = 127.0.0.1:0\n[probe a]\ntype = tcp\naddress = h:1\n",
     "f:2: agent.listen: \"0\" is not a port, expected 1 to 65535\n"
     "f:3: agent.agent_check: \"0\" is not a port, expected 1 to 65535\n"},
    /* The type. */
    {"[probe a]\n", "f:1: probe a.type: not given, expected tcp or web\n"},
    {"[probe a]\ntype = htp\naddress = h:1\n",
     "f:2: probe a.type: \"htp\" is no type, expected tcp or web; did you mean tcp?\n"},
    {"[probe a]\ntype = unix\naddress = h:1\n[probe b]\ntype = wbe\n",
     "f:2: probe a.type: \"unix\" is no type, expected tcp or web; did you mean tcp?\n"
     "f:5: probe b.type: \"wbe\" is no type, expected tcp or web; did you mean web?\n"},
    {"[probe a]\npassword = ${NONE:-x}\n", "f:1: probe a.type: not given, expected tcp or web\n"},
    {"[probe a]\ntype = tcp\n", "f:1: probe a.address: not given, expected it here\n"},
    {"[probe a]\ntype = web\n", "f:1: probe a.url: not given, expected it or url_file here\n"},
    {"[probe a]\naddress =\n", "f:2: probe a.address: has no value, expected it here\n"},
    {"[probe a]\ntarget = ftp://x\n", "f:2: probe a.target: not a URL that is known, expected "
                                      "tcp://, unix://, s4:, web://, web:, s6:...\n"},
    {"[probe a]\ntype = web\ntarget = tcp://h:1\n",
     "f:3: probe a.target: is of type tcp, but type says web\n"},
    {"[probe a]\ntarget = tcp://h:1\naddress = h:1\n",
     "f:3: probe a.address: target and address are both given, expected one of them\n"},
    {"[defaults]\ntype = foo\n", "f:2: defaults.type: \"foo\" is no type, expected tcp or web\n"},
    /* The type's own checks, together with all others. */
    {"[probe a]\naddress = nocolon\ninterval = x\n",
     "f:2: probe a.address: no port, expected HOST:PORT\n"
     "f:3: probe a.interval: \"x\": not a duration, expected a duration such as 500ms, 5s or "
     "1m30s\n"},
    {"[probe a]\naddress = localhost:1\n",
     "warning: f:2: probe a.address: localhost may be another\n"},
    /* Variables and secrets. */
    {PROBE "send = ${CFG_NONE}\n",
     "f:3: probe a.send: ${CFG_NONE} is not set, expected it in the environment, or "
     "${CFG_NONE:-default}, or ${CFG_NONE:-} for nothing\n"},
    {"[agent]\nshard = ${CFG_NONE}\n[probe a]\ntype = ${CFG_NONE}\n[probe b]\naddress = "
     "${CFG_NONE}\n",
     "f:2: agent.shard: ${CFG_NONE} is not set, expected it in the environment, or "
     "${CFG_NONE:-default}, or ${CFG_NONE:-} for nothing\n"
     "f:4: probe a.type: ${CFG_NONE} is not set, expected it in the environment, or "
     "${CFG_NONE:-default}, or ${CFG_NONE:-} for nothing\n"
     "f:6: probe b.address: ${CFG_NONE} is not set, expected it in the environment, or "
     "${CFG_NONE:-default}, or ${CFG_NONE:-} for nothing\n"},
    {"[agent]\nshard = ${CFG_NONE:-}\n", ""},
    {PROBE "send = ${CFG_NONE:?say it}\npassword = ${\n",
     "f:3: probe a.send: ${CFG_NONE} must be set: say it\n"
     "f:4: probe a.password: ${ without its }; a plain $ is $$\n"},
    {PROBE "password = hunter2\n",
     "warning: f:3: probe a.password: a secret is written in the file, expected password_file "
     "with the path of a file that holds it\n"
     "warning: f: holds secrets and can be read by everybody, expected mode 0640 or less\n"},
    {PROBE "password = ${CFG_NONE:-}\n", ""},
    {"[probe a]\nurl = web://u:pw@h:1\nheader = Accept: x\n",
     "warning: f:2: probe a.url: a secret is written in the file, expected url_file with the path "
     "of a file that holds it\n"
     "warning: f: holds secrets and can be read by everybody, expected mode 0640 or less\n"},
    {PROBE "password_file = /nonexistent/x\n",
     "f:3: probe a.password_file: /nonexistent/x cannot be read: No such file or directory\n"},
    {PROBE "password = ${CFG_NONE:-x}\npassword_file = /nonexistent/x\n",
     "f:4: probe a.password_file: password and password_file are both given, expected one of "
     "them\n"},
    /* A comment behind a value, a URL of another type. */
    {PROBE "start_period = 5s  # slow\nsend = x ; y\n",
     "f:3: probe a.start_period: \"5s  # slow\": no blank belongs in it, expected a duration such "
     "as 500ms, 5s or 1m30s; a comment needs a line of its own\n"},
    {"[probe a]\naddress = h:1 # x\nsend = a # b\n",
     "warning: f:2: probe a.address: what follows the blank is part of the value: a comment needs "
     "a line of its own\n"},
    {PROBE "type = tcp # x\n", "f:3: probe a.type: \"tcp # x\" is no type, expected tcp or web; a "
                               "comment needs a line of its "
                               "own\n"},
    {"[probe a]\naddress = nocolon # x\n",
     "f:2: probe a.address: no port, expected HOST:PORT; a comment needs a line of its own\n"},
    /* Schedules. */
    {PROBE "start_interval = 1s\n",
     "warning: f:3: probe a.start_interval: has no effect without start_period, expected both\n"},
    {PROBE "start_interval = 1s\nstart_period = 1s\n", ""},
    {PROBE "interval = 5s\n",
     "warning: f:3: probe a.timeout: is 30s where it is not written, over the interval of 5s: a "
     "target that hangs is checked less often than that, expected timeout = 5s or less\n"},
    {"[defaults]\ninterval = 5s\n" PROBE "[probe b]\naddress = h:1\n",
     "warning: f:2: defaults.timeout: is 30s where it is not written, over the interval of 5s: a "
     "target that hangs is checked less often than that, expected timeout = 5s or less\n"},
    {"[defaults]\ntimeout = 20s\n" PROBE "interval = 10s\n",
     "warning: f:5: probe a.timeout: 20s is over the interval of 10s: a target that hangs is "
     "checked less often than that, expected at most the interval\n"},
    /* after. */
    {PROBE "after = a\n", "f:3: probe a.after: names this probe itself\n"},
    {PROBE "after = b, bb\n[probe bc]\naddress = h:1\n",
     "f:3: probe a.after: no probe is named \"b\", did you mean a?\n"
     "f:3: probe a.after: no probe is named \"bb\", did you mean bc?\n"},
    {PROBE "after = b\n[probe b]\naddress = h:1\nafter = c\n[probe c]\naddress = h:1\nafter = a\n",
     "f:9: probe c.after: probes wait for each other: a after b after c after a\n"},
    {PROBE "after = none\n", ""},
    /* A section with errors is still one that others may wait for. */
    {PROBE "after = b\n[probe b]\naddress = nocolon\n",
     "f:5: probe b.address: no port, expected HOST:PORT\n"},
    /* Everything at once, in the order of the lines. */
    {"[probe a]\ntimeout = 5\nfoo\n[agent]\nlisten = x\n[probe b]\naddress = x\n",
     "f:2: probe a.timeout: \"5\": missing unit, expected a duration such as 500ms, 5s or 1m30s\n"
     "f:3: expected [SECTION], KEY = VALUE, or # and a comment; a line that continues a value is "
     "indented\n"
     "f:5: agent.listen: \"x\" has no port, expected an address and port as 127.0.0.1:9797 or "
     ":9797\n"
     "f:7: probe b.address: no port, expected HOST:PORT\n"},
};

static char dir[] = "/tmp/probe-config-XXXXXX";
static char path[64];

/* The problems, a line each, with the file called "f". */
static char *problems_of(const char *ini, enum config_rc *rc)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(ini, f);
    fclose(f);
    chmod(path, 0644);
    struct config_report r;
    struct config *c;
    config_report_init(&r);
    *rc = config_load(&(struct config_source){.path = path}, &c, &r);
    assert_true((*rc == CONFIG_OK) == (c != NULL));
    assert_true((*rc == CONFIG_OK) == (r.errors == 0));
    struct buf out;
    buf_init(&out, 1 << 20);
    buf_puts(&out, "");
    for (size_t i = 0; i < r.n; i++) {
        const char *text = r.problems[i].text;
        size_t n = strlen(path);
        buf_printf(&out, "%sf%s\n", r.problems[i].is_error ? "" : "warning: ",
                   strncmp(text, path, n) == 0 ? text + n : text);
    }
    config_report_fini(&r);
    config_free(c);
    assert_int_equal(fake_alive, 0);
    return buf_take(&out);
}

static void test_problems(void **state)
{
    (void)state;
    unsetenv("CFG_NONE");
    unsetenv("NONE");
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        enum config_rc rc;
        char *got = problems_of(cases[i].ini, &rc);
        if (strcmp(got, cases[i].problems) != 0)
            fail_msg("of\n%s\ngot\n%s\nexpected\n%s", cases[i].ini, got, cases[i].problems);
        free(got);
    }
}

/* A file of nothing but errors: a bounded report that counts them all, soon. */
static void test_many(void **state)
{
    (void)state;
    struct buf ini;
    buf_init(&ini, 16 * 1024 * 1024);
    buf_puts(&ini, "[probe a]\naddress = h:1\n");
    for (int i = 0; i < 200000; i++)
        buf_puts(&ini, "interva = 5s\n");
    enum config_rc rc;
    char *got = problems_of(ini.data, &rc);
    assert_int_equal(rc, CONFIG_BAD);
    assert_non_null(strstr(got, "and 199000 more, not shown"));
    free(got);
    buf_fini(&ini);
}

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/f.ini", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_problems),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
