/* proc_scan: several walks at the same time, on a made-up folder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "process/proc_scan.h"

enum { WALKS = 4, PROCESSES = 30 };

static char root[64];

struct walk {
    struct proc_scan scan;
    int seen, done, closed, errnum;
};

static bool on_each(struct proc_scan *scan, pid_t pid)
{
    assert_in_range(pid, 100, 100 + PROCESSES - 1);
    int64_t until = clock_now() + 100 * NS_PER_US; /* so that no walk is over in one slice */
    while (clock_now() < until)
        sched_yield();
    container_of(scan, struct walk, scan)->seen++;
    return true;
}

static bool on_first(struct proc_scan *scan, pid_t pid)
{
    on_each(scan, pid);
    return false;
}

static void on_closed(struct proc_scan *scan)
{
    container_of(scan, struct walk, scan)->closed++;
}

static void on_done(struct proc_scan *scan, int errnum)
{
    struct walk *w = container_of(scan, struct walk, scan);
    w->done++;
    w->errnum = errnum;
    proc_scan_close(scan, on_closed);
}

static void folder(const char *name, int (*act)(const char *path))
{
    char path[100];
    snprintf(path, sizeof path, "%s/%s", root, name);
    assert_int_equal(act(path), 0);
}

static int make(const char *path)
{
    return mkdir(path, 0755);
}

/* Beside the processes, what is no process's number. */
static void each_folder(int (*act)(const char *path))
{
    static const char *const others[] = {"self",    "1x", "-1", "99999999999999999999",
                                         "4194305", "0"};
    char name[16];
    for (int i = 0; i < PROCESSES; i++) {
        sprintf(name, "%d", 100 + i);
        folder(name, act);
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        folder(others[i], act);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(root, "/tmp/test-proc-scan.XXXXXX");
    assert_non_null(mkdtemp(root));
    each_folder(make);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    each_folder(rmdir);
    return rmdir(root);
}

/* They take turns; ending the one whose turn it is, or one in the middle, holds up no other. */
static void test_line(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct walk w[WALKS];
    memset(w, 0, sizeof w);
    assert_int_equal(uv_loop_init(&loop), 0);
    for (int i = 0; i < WALKS; i++)
        proc_scan_start(&w[i].scan, &loop, root, on_each, on_done);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(w[0].seen > 0 && w[0].seen < PROCESSES);
    assert_true(!w[1].seen && !w[2].seen && !w[3].seen);
    proc_scan_close(&w[2].scan, on_closed);
    proc_scan_close(&w[0].scan, on_closed);
    uv_run(&loop, UV_RUN_DEFAULT);
    for (int i = 0; i < WALKS; i++) {
        assert_int_equal(w[i].closed, 1);
        assert_int_equal(w[i].done, i % 2);
        assert_true(i % 2 == 0 || w[i].seen == PROCESSES);
    }
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_ended_early(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct walk w = {.seen = 0};
    assert_int_equal(uv_loop_init(&loop), 0);
    proc_scan_start(&w.scan, &loop, root, on_first, on_done);
    assert_true(w.seen == 1 && w.done == 1 && w.closed == 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_no_folder(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct walk w = {.seen = 0};
    assert_int_equal(uv_loop_init(&loop), 0);
    proc_scan_start(&w.scan, &loop, "/no/such/folder", on_each, on_done);
    assert_true(w.seen == 0 && w.done == 1 && w.closed == 1);
    assert_int_equal(w.errnum, ENOENT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_ended_early),
        cmocka_unit_test(test_no_folder),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
