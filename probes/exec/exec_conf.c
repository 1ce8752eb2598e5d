/* exec_conf: see exec_conf.h. */
#include "exec/exec_conf.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/account.h"
#include "base/str.h"
#include "base/words.h"
#include "exec/exec_job.h"
#include "net/prepare.h"

#define USUAL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

enum { K_COMMAND, K_ENV, K_USER, K_EXPECT_EXIT, K_EXPECT_OUTPUT, K_EXIT_CODES };

static const char *const codes[] = {"plain", "nagios", NULL};

const struct probe_key exec_keys[EXEC_N_KEYS] = {
    [K_COMMAND] = {.name = "command",
                   .kind = KEY_TEXT,
                   .flags = KEY_REQUIRED,
                   .doc = "The program, by its whole path, and its arguments, split at blanks, "
                          "with '...' and \"...\" for words that have some. No shell reads it."},
    [K_ENV] = {.name = "env",
               .kind = KEY_LINES,
               .flags = KEY_SECRET,
               .doc = "Variables of its environment, one NAME=value a line."},
    [K_USER] = {.name = "user",
                .kind = KEY_TEXT,
                .doc = "User to run it as: a name of the agent's own /etc/passwd, UID or UID:GID. "
                       "Only root can."},
    [K_EXPECT_EXIT] = {.name = "expect_exit",
                       .kind = KEY_WORDS,
                       .def = "0",
                       .doc = "The exit codes that are a success, from 0 to 255."},
    [K_EXPECT_OUTPUT] = {.name = "expect_output",
                         .kind = KEY_TEXT,
                         .doc = "Regular expression that must match in its output."},
    [K_EXIT_CODES] = {.name = "exit_codes",
                      .kind = KEY_CHOICE,
                      .def = "plain",
                      .choices = codes,
                      .doc =
                          "nagios: 0 is a success, 1 one with a warning, 2 (critical) a failure; "
                          "3 (unknown) and others are neither."},
};

/* What prepare works on. */
struct build {
    struct prepare p;
    struct exec_conf *conf;
};

/* ---- The user ---- */

static void take_user(struct build *b, struct exec_ids *ids)
{
    const char *text = b->p.values[K_USER].text;
    struct account account;
    struct err e;
    if (!text)
        return;
    if (!account_parse(text, &account) && account_find(text, &account, &e) < 0)
        prepare_fail(&b->p, K_USER, e.text);
    else
        *ids = (struct exec_ids){true, account.uid, account.gid};
}

/* ---- The environment ---- */

static size_t name_len(const char *line)
{
    size_t n = 0;
    while (isalnum((unsigned char)line[n]) || line[n] == '_')
        n++;
    return line[n] == '=' && !isdigit((unsigned char)*line) ? n : 0;
}

static bool is_given(const struct probe_value *v, const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < v->n_lines; i++)
        if (name_len(v->lines[i]) == n && strncmp(v->lines[i], name, n) == 0)
            return true;
    return false;
}

/* A little of our own, and what is configured. */
static void add_env(struct build *b)
{
    static const char *const kept[] = {"LANG", "LC_ALL", "TZ"};
    const struct probe_value *v = &b->p.values[K_ENV];
    struct buf *job = &b->conf->job;
    if (!is_given(v, "PATH"))
        exec_job_add_env(job, "PATH=" USUAL_PATH);
    for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
        const char *value = getenv(kept[i]);
        char *line = value && !is_given(v, kept[i]) ? str_format("%s=%s", kept[i], value) : NULL;
        if (line)
            exec_job_add_env(job, line);
        free(line);
    }
    for (size_t i = 0; i < v->n_lines; i++) {
        if (!name_len(v->lines[i])) {
            prepare_fail(&b->p, K_ENV, "a line is not of the form NAME=value");
            return;
        }
        exec_job_add_env(job, v->lines[i]);
    }
}

/* ---- All of it ---- */

static void take_exits(struct build *b)
{
    const struct probe_value *v = &b->p.values[K_EXPECT_EXIT];
    for (size_t i = 0; i < v->n_lines; i++) {
        char *end;
        unsigned long n = strtoul(v->lines[i], &end, 10);
        if (!isdigit((unsigned char)*v->lines[i]) || *end || n > 255) {
            prepare_fail(&b->p, K_EXPECT_EXIT, "an exit code is a number from 0 to 255");
            return;
        }
        b->conf->expected[n / 8] |= (uint8_t)(1u << (n % 8));
    }
    if (!v->n_lines)
        prepare_fail(&b->p, K_EXPECT_EXIT, "it is empty: no exit code would be a success");
    if (v->given && b->p.values[K_EXIT_CODES].num)
        prepare_fail(&b->p, K_EXPECT_EXIT, "exit_codes = nagios says which are a success");
    if (!(b->conf->expected_text = strdup(v->text)))
        prepare_fail(&b->p, K_EXPECT_EXIT, "out of memory");
}

static void take_command(struct build *b)
{
    struct exec_conf *c = b->conf;
    const char *text = b->p.values[K_COMMAND].text;
    struct exec_ids ids = {0};
    struct err e;
    char **argv = NULL;
    take_user(b, &ids);
    buf_init(&c->job, EXEC_JOB_MAX);
    exec_job_begin(&c->job, &ids);
    if (!text) {
        b->p.failed = true; /* KEY_REQUIRED: reported by the configuration */
    } else if (words_split(text, &argv, &e) < 0) {
        prepare_fail(&b->p, K_COMMAND, e.text);
    } else if (argv[0][0] != '/') {
        prepare_fail(&b->p, K_COMMAND,
                     "expected the whole path of the program, such as /usr/bin/true");
    } else {
        c->path = strdup(argv[0]);
        for (size_t i = 0; argv[i]; i++)
            exec_job_add_arg(&c->job, argv[i]);
    }
    words_free(argv);
    add_env(b);
    if (!b->p.failed && (c->job.failed || !c->path))
        prepare_fail(&b->p, K_COMMAND, "it is longer than 128 KiB with its environment");
}

void *exec_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target)
{
    struct exec_conf *c = calloc(1, sizeof *c);
    struct build b = {.conf = c, .p = {.values = values, .report = report}};
    struct err e;
    if (!c)
        return NULL;
    take_command(&b);
    take_exits(&b);
    c->nagios = values[K_EXIT_CODES].num != 0;
    const char *expect = values[K_EXPECT_OUTPUT].text;
    if (expect && !(c->expect = pattern_new(expect, &e)))
        prepare_fail(&b.p, K_EXPECT_OUTPUT, e.text);
    if (!b.p.failed)
        *target = strdup(values[K_COMMAND].text);
    if (!b.p.failed)
        return c;
    exec_conf_dispose(c);
    return NULL;
}

void exec_conf_dispose(void *conf)
{
    struct exec_conf *c = conf;
    free(c->path);
    buf_wipe(&c->job);
    pattern_free(c->expect);
    free(c->expected_text);
    free(c);
}
