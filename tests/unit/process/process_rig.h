/* process_rig: what the tests of the process type share: settings out of pairs of text, children
 * and files. Included by one file a program. */
#ifndef TEST_PROCESS_RIG_H
#define TEST_PROCESS_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "host.h"
#include "probe.h"
#include "run_harness.h"

extern const struct probe_type probe_type_process;

#define TYPE (&probe_type_process)

struct probe_report {
    char text[2048];
    int errors, warnings;
};

static void report_add(struct probe_report *report, size_t key, const char *fmt, va_list ap)
{
    size_t used = strlen(report->text), size = sizeof report->text;
    used += (size_t)snprintf(report->text + used, size - used, "%s: ", TYPE->keys[key].name);
    used += (size_t)vsnprintf(report->text + used, size - used, fmt, ap);
    snprintf(report->text + used, size - used, "\n");
}

void probe_error(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, key, fmt, ap);
    va_end(ap);
    report->errors++;
}

void probe_warn(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, key, fmt, ap);
    va_end(ap);
    report->warnings++;
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

/* Pairs of key and value, ended by NULL; NULL when refused, with the report filled. */
static void *settings(const char *const *pairs, struct probe_report *report, char **target)
{
    struct probe_value values[9] = {{0}};
    assert_int_equal(TYPE->n_keys, ARRAY_LEN(values));
    memset(report, 0, sizeof *report);
    *target = NULL;
    for (size_t k = 0; k < TYPE->n_keys; k++) {
        const char *text = TYPE->keys[k].def;
        for (size_t i = 0; pairs[i]; i += 2)
            if (strcmp(pairs[i], TYPE->keys[k].name) == 0) {
                text = pairs[i + 1];
                values[k].given = true;
            }
        values[k].text = text;
        if (text && TYPE->keys[k].kind == KEY_INT)
            values[k].num = strtoll(text, NULL, 10);
        else if (text && TYPE->keys[k].kind == KEY_CHOICE)
            values[k].num = strcmp(text, TYPE->keys[k].choices[0]) != 0;
    }
    return TYPE->prepare(values, report, target);
}

#define CONF(...) must_conf((const char *const[]){__VA_ARGS__, NULL})
static void *must_conf(const char *const *pairs)
{
    struct probe_report report;
    char *target;
    void *conf = settings(pairs, &report, &target);
    if (!conf)
        fail_msg("%s", report.text);
    assert_non_null(target);
    free(target);
    return conf;
}

static const char *number(long n)
{
    static char texts[8][24];
    static size_t next;
    char *text = texts[next++ % 8];
    sprintf(text, "%ld", n);
    return text;
}

/* ---- Running it ---- */

static void expect(const struct harness *h, enum reason reason, const char *words)
{
    if (h->reason != reason || !strstr(h->detail, words))
        fail_msg("expected %s: \"%s\", got %s: \"%s\"", reason_name(reason), words,
                 reason_name(h->reason), h->detail);
}

static void run_kept(struct harness *h, const void *conf, struct probe_kept *kept)
{
    harness_start(h, TYPE, conf, kept);
    harness_wait(h, 20000);
}

/* One shot, in a harness of its own; `gone` is also what is expected. */
static void judges(void *conf, enum reason reason, bool gone, const char *words)
{
    struct harness h;
    harness_open(&h);
    run_kept(&h, conf, NULL);
    expect(&h, reason, words);
    if (h.gone != gone)
        fail_msg("gone is %d for \"%s\"", h.gone, h.detail);
    harness_close(&h);
    TYPE->dispose(conf);
}

__attribute__((unused)) static size_t open_descriptors(void)
{
    size_t n = 0;
    DIR *dir = opendir("/proc/self/fd");
    assert_non_null(dir);
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

/* ---- Children ---- */

static pid_t child_start(const char *comm)
{
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t parent = getpid(), pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
        if (getppid() != parent)
            _exit(1);
        if (comm)
            prctl(PR_SET_NAME, comm);
        if (write(ready[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void child_reap(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* Dead, and not taken away. */
__attribute__((unused)) static void child_zombify(pid_t pid)
{
    siginfo_t info;
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

/* ---- Files ---- */

static void write_file(const char *path, const void *data, size_t len)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, len), (ssize_t)len);
    close(fd);
}

static void scratch_open(char dir[64])
{
    strcpy(dir, "/tmp/test-process.XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void scratch_close(const char *dir)
{
    char command[256];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

#endif
