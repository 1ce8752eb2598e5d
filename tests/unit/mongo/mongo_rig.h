/* mongo_rig: what the tests of the mongo type share: settings as the configuration hands them over,
 * the scripted server, and one check against it. Included by one file a program. */
#ifndef PROBE_TESTS_MONGO_RIG_H
#define PROBE_TESTS_MONGO_RIG_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/value.h"
#include "run_harness.h"

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

bool probe_file(struct probe_report *report, const char *path)
{
    (void)report;
    (void)path;
    return true;
}

/* Each setting of these tests is as given. */
bool probe_is_missing(const struct probe_report *report, size_t key)
{
    (void)report;
    (void)key;
    return false;
}

/* There is no [defaults]. */
bool probe_leave_out(struct probe_report *report, size_t key)
{
    (void)report;
    (void)key;
    return false;
}

/* `pairs`: key, value, ..., NULL. NULL when refused. */
__attribute__((unused)) static void *make_conf(const char *const *pairs,
                                               struct probe_report *report)
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
__attribute__((unused)) static struct server serve(const char *const *scenarios)
{
    const char *argv[16] = {"python3", TESTS_DIR "/servers/mongo_scripted.py"};
    for (size_t i = 0; scenarios[i] && i < 12; i++)
        argv[i + 2] = scenarios[i];
    int out[2];
    assert_int_equal(pipe(out), 0);
    struct server s = {.pid = fork()};
    assert_true(s.pid >= 0);
    if (s.pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none behind */
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

__attribute__((unused)) static void end(struct server *s)
{
    kill(s->pid, SIGKILL);
    assert_int_equal(waitpid(s->pid, NULL, 0), s->pid);
}

__attribute__((unused)) static void *conf_for(const struct server *s, const char *require,
                                              const char *more)
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

__attribute__((unused)) static void check(const void *conf, struct probe_kept *kept, int timeout_ms)
{
    harness_start(&h, &probe_type_mongo, conf, kept);
    harness_wait(&h, timeout_ms);
}

__attribute__((unused)) static void expect(const char *what, enum reason reason, const char *says)
{
    if (h.reason != reason || !strstr(h.detail, says))
        fail_msg("%s: %s: %s; wanted %s: %s", what, reason_name(h.reason), h.detail,
                 reason_name(reason), says);
}

#endif
