/* The process type over proc file systems of odd kinds: made-up ones, huge ones, one that hides
 * processes (hidepid), and a pid namespace in which a number is used again. */
#include "process_fake.h"
#include "process_rig.h"
#include "run_harness.h"

#include <errno.h>
#include <grp.h>
#include <sched.h>
#include <sys/mount.h>

#include "loop/work.h"
#include "process/proc_fs.h"

/* ---- Made-up ones ---- */

static void fake_remove(const char *root, pid_t pid)
{
    char dir[128];
    snprintf(dir, sizeof dir, "%s/%d", root, (int)pid);
    scratch_close(dir);
}

static void test_parse_stat(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        const char *comm;
        char state;
        uint64_t start;
    } rows[] = {
        {"7 (a) S 1 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0 99 1 2\n", true, "a", 'S', 99},
        {"7 () S 1 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0 99\n", true, "", 'S', 99},
        {"7 (a) Z 1 (b)) R 1 7 7 0 -1 4 9 0 0 0 0 0 0 0 2 0 3 0 98 1\n", true, "a) Z 1 (b)", 'R',
         98},
        {"7 (a\n\x80) S 1 7 7 0 -1 4 9 0 0 0 0 0 0 0 2 0 3 0 99 1\n", true, "a??", 'S', 99},
        {"7 (kworker/R-a-very-long-name-of-sixty-three-bytes-and-some-more-of-it-xx) S 1 7 7 0 -1 "
         "4 "
         "9 0 0 0 0 0 0 0 2 0 3 0 99 1\n",
         true, "kworker/R-a-very-long-name-of-sixty-three-bytes-and-some-more-o", 'S', 99},
        {"", false, NULL, 0, 0},
        {"7", false, NULL, 0, 0},
        {"7 (a", false, NULL, 0, 0},
        {"7 )a( S 1", false, NULL, 0, 0},
        {"7 (a)", false, NULL, 0, 0},
        {"7 (a) S", false, NULL, 0, 0},
        {"7 (a) S 1 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0", false, NULL, 0, 0},
        {"7 (a) S x 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0 99", false, NULL, 0, 0},
        {"-7 (a) S 1 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0 99", false, NULL, 0, 0},
        {"x (a) S 1 7 7 0 -1 4 90 0 0 0 0 0 0 0 20 0 3 0 99", false, NULL, 0, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct proc_info info;
        if (proc_parse_stat(rows[i].text, &info) != rows[i].ok)
            fail_msg("%s", rows[i].text);
        if (!rows[i].ok)
            continue;
        assert_string_equal(info.comm, rows[i].comm);
        assert_int_equal(info.state, rows[i].state);
        assert_int_equal(info.id.start, rows[i].start);
        assert_int_equal(info.id.pid, 7);
        assert_int_equal(info.parent, 1);
        assert_int_equal(info.threads, 3);
    }
}

static void test_users(void **state)
{
    (void)state;
    uid_t uid = 1;
    struct err e;
    assert_int_equal(proc_user_id("root", &uid, &e), 0);
    assert_int_equal(uid, 0);
    assert_int_equal(proc_user_id("4294967294", &uid, &e), 0);
    assert_int_equal(uid, 4294967294);
    static const char *const bad[] = {"4294967295", "12x", "roo", "root:x", "", "-1", "x:0"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(proc_user_id(bad[i], &uid, &e), -1);
    assert_string_equal(e.text, "no user 'x:0' in /etc/passwd");
}

static void test_settings(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[7];
        const char *words; /* NULL: fine */
    } rows[] = {
        {{"name", "x"}, NULL},
        {{"cmdline", "^x [0-9]+$", "min_count", "0", "max_count", "0"}, NULL},
        {{"pid", "1", "proc_root", "/host/proc///", "user", "root"}, NULL},
        {{NULL}, "pid: none is given, expected exactly one of"},
        {{"pid", "1", "name", "x"}, "name: more than one is given"},
        {{"pidfile", "/x", "cmdline", "x"}, "cmdline: more than one is given"},
        {{"name", ""}, "name: is empty"},
        {{"pidfile", ""}, "pidfile: is empty"},
        {{"name", "/usr/bin/x"}, NULL},
        {{"pid", "1", "namespace", "all"}, "namespace: only goes with name or cmdline"},
        {{"cmdline", "("}, "cmdline: "},
        {{"pid", "1", "min_count", "2"}, "min_count: only goes with name or cmdline"},
        {{"pidfile", "/x", "max_count", "2"}, "max_count: only goes with name or cmdline"},
        {{"name", "x", "max_count", "0"}, "max_count: is 0, less than min_count, which is 1"},
        {{"name", "x", "user", "no-such-user"}, "user: no user 'no-such-user'"},
        {{"name", "x", "proc_root", "proc"}, "proc_root: expected an absolute path"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct probe_report report;
        char *target;
        void *conf = settings(rows[i].pairs, &report, &target);
        assert_int_equal(conf == NULL, rows[i].words != NULL);
        assert_int_equal(conf == NULL, report.errors > 0);
        if (!conf && !strstr(report.text, rows[i].words))
            fail_msg("expected \"%s\" in \"%s\"", rows[i].words, report.text);
        free(target);
        if (conf)
            TYPE->dispose(conf);
    }
}

/* In a proc file system that is not ours, numbers mean nothing to the kernel here. */
static void test_made_up(void **state)
{
    (void)state;
    char root[64], path[128];
    fake_open(root);
    fake_add(root, 10, "nginx", 'S', 1, 100, "nginx: master\0x", 15);
    fake_add(root, 11, "java", 'S', 50, 90, "/usr/bin/java\0-cp\0x.jar\0Kafka\0", 30);
    fake_add(root, 12, "java", 'Z', 1, 95, NULL, 0);
    fake_add(root, 13, "a-name-over-fif", 'S', 1, 80, NULL, 0); /* nothing tells the rest */
    fake_add(root, 14, "worker", 'S', 1, 70, NULL, 0);
    judges(CONF("pid", "10", "proc_root", root), REASON_OK, false,
           "pid 10 (nginx) has been running");
    judges(CONF("pid", "99", "proc_root", root), REASON_NOT_RUNNING, true,
           "pid 99: no such process");
    judges(CONF("pid", "12", "proc_root", root), REASON_NOT_RUNNING, true, "zombie");
    judges(CONF("name", "nginx", "proc_root", root), REASON_OK, false, "pid 10 (nginx)");
    judges(CONF("name", "java", "proc_root", root), REASON_OK, false, "pid 11 (java)");
    judges(CONF("name", "a-name-over-fifteen", "proc_root", root), REASON_OK, false, "pid 13 ");
    judges(CONF("cmdline", "^/usr/bin/java -cp x[.]jar Kafka$", "proc_root", root), REASON_OK,
           false, "pid 11 (java)");
    judges(CONF("name", "worker", "user", "8", "proc_root", root), REASON_OK, false, "pid 14 ");
    judges(CONF("name", "worker", "user", "7", "proc_root", root), REASON_NOT_RUNNING, true,
           "no process named worker, of user 7 is running");

    snprintf(path, sizeof path, "%s/14/stat", root);
    write_file(path, "rubbish", 7);
    judges(CONF("pid", "14", "proc_root", root), REASON_INTERNAL, false,
           "is not what proc(5) says");
    judges(CONF("name", "worker", "proc_root", root), REASON_INTERNAL, false, "proc(5)");

    /* Where process 1 cannot be seen, others may be hidden as well. */
    fake_remove(root, 14);
    fake_remove(root, 1);
    judges(CONF("pid", "99", "proc_root", root), REASON_INTERNAL, false, "hides it from us");
    judges(CONF("name", "apache", "proc_root", root), REASON_INTERNAL, false, "hides processes");
    judges(CONF("name", "nginx", "proc_root", root, "max_count", "1"), REASON_INTERNAL, false,
           "they cannot be counted");
    judges(CONF("name", "nginx", "proc_root", root), REASON_OK, false, "pid 10 (nginx)");
    judges(CONF("name", "java", "proc_root", root, "min_count", "0", "max_count", "0"),
           REASON_MISMATCH, false, "1 process named java is running, expected at most 0");
    scratch_close(root);

    judges(CONF("pid", "1", "proc_root", "/etc"), REASON_INTERNAL, false, "/etc is no proc file");
    judges(CONF("name", "x", "proc_root", "/etc"), REASON_INTERNAL, false, "/etc is no proc file");
    judges(CONF("name", "x", "proc_root", "/nowhere"), REASON_INTERNAL, false,
           "cannot read /nowhere: No such file");
}

/* A number that another process has now, by every way to notice it. */
static void test_reused(void **state)
{
    (void)state;
    struct harness h;
    char root[64], file[128];
    fake_open(root);
    fake_add(root, 20, "first", 'S', 1, 1000, NULL, 0);
    snprintf(file, sizeof file, "%s/x.pid", root);
    write_file(file, "20\n", 3);
    void *by_pid = CONF("pid", "20", "proc_root", root);
    void *by_file = CONF("pidfile", file, "proc_root", root);
    harness_open(&h);
    struct probe_kept *kept_pid = harness_kept_open(&h, TYPE, by_pid);
    struct probe_kept *kept_file = harness_kept_open(&h, TYPE, by_file);
    run_kept(&h, by_pid, kept_pid);
    expect(&h, REASON_OK, "pid 20 (first) has been running");
    run_kept(&h, by_file, kept_file);
    expect(&h, REASON_OK, "pid 20 (first) has been running");
    fake_add(root, 20, "second", 'S', 1, 2000, NULL, 0);
    for (int i = 0; i < 2; i++) {
        run_kept(&h, by_pid, kept_pid);
        expect(&h, REASON_NOT_RUNNING, "pid 20 is another process now (second, started ");
        assert_true(h.gone);
        run_kept(&h, by_file, kept_file);
        expect(&h, REASON_NOT_RUNNING, "pid 20 is another process now (second, started ");
    }
    struct timespec t[2] = {{.tv_nsec = UTIME_NOW}, {.tv_sec = time(NULL) + 5}};
    assert_int_equal(utimensat(AT_FDCWD, file, t, 0), 0); /* as written anew */
    run_kept(&h, by_file, kept_file);
    expect(&h, REASON_OK, "pid 20 (second) has been running");
    harness_kept_close(&h, TYPE, kept_pid);
    harness_kept_close(&h, TYPE, kept_file);
    harness_close(&h);
    TYPE->dispose(by_pid);
    TYPE->dispose(by_file);
    scratch_close(root);
}

/* ---- Huge ones ---- */

enum { HUGE = 1500 };

static void on_tick(uv_timer_t *timer)
{
    ++*(int *)timer->data;
}

/* A walk is done on a thread, beside which the loop turns; it can be given up at any time. */
static void test_huge(void **state)
{
    (void)state;
    struct harness h;
    char root[64];
    int ticks = 0;
    size_t before = open_descriptors();
    fake_open(root);
    for (int i = 0; i < HUGE; i++)
        fake_add(root, 1000 + i, i == 321 ? "needle" : "hay", 'S', 1, 100 + i, "x", 1);
    void *all = CONF("name", "hay", "proc_root", root);
    void *needle = CONF("cmdline", "^x", "proc_root", root, "min_count", "1500");
    harness_open(&h);
    uv_timer_t timer;
    uv_timer_init(&h.loop, &timer);
    timer.data = &ticks;
    uv_timer_start(&timer, on_tick, 0, 1);
    harness_start(&h, TYPE, all, NULL);
    assert_false(h.finished);
    harness_wait(&h, 60000);
    expect(&h, REASON_OK, "1499 processes named hay are running, the oldest, pid 1000 (hay)");
    harness_start(&h, TYPE, needle, NULL);
    harness_wait(&h, 60000);
    expect(&h, REASON_OK, "1500 processes with /^x/ in the command line are running");
    for (int turns = 0; turns < 20; turns++) {
        harness_start(&h, TYPE, all, NULL);
        for (int i = 0; i < turns && !h.finished; i++)
            uv_run(&h.loop, UV_RUN_NOWAIT);
        harness_cancel(&h);
    }
    while (work_any_running())
        sched_yield();
    uv_close((uv_handle_t *)&timer, NULL);
    harness_close(&h);
    TYPE->dispose(all);
    TYPE->dispose(needle);
    scratch_close(root);
    assert_int_equal(open_descriptors(), before);
}

/* The kernel does not answer for one process, as when it is stuck with its memory locked: a FIFO
 * that nobody writes to does as much. The run ends in time and says for whom it waited; from then
 * on that process alone cannot be told. */
static void test_stuck(void **state)
{
    (void)state;
    struct harness h;
    char root[64], path[128];
    fake_open(root);
    fake_add(root, 10, "fine", 'S', 1, 100, "fine --serve", 12);
    fake_add(root, 11, "stuck", 'D', 1, 100, NULL, 0);
    snprintf(path, sizeof path, "%s/11/cmdline", root);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    void *fine = CONF("cmdline", "fine --serve", "proc_root", root);
    void *other = CONF("cmdline", "other", "proc_root", root);
    void *none = CONF("name", "other", "proc_root", root, "min_count", "0", "max_count", "0");
    void *stuck = CONF("name", "stuck", "proc_root", root);
    harness_open(&h);
    harness_start(&h, TYPE, other, NULL);
    harness_wait(&h, 300);
    assert_true(h.deadline_passed);
    char note[PROBE_DETAIL_MAX];
    snprintf(note, sizeof note, "%s", harness_note(&h));
    assert_non_null(strstr(note, "the kernel does not answer for the command line of process 11"));
    harness_start(&h, TYPE, other, NULL);
    harness_wait(&h, 20000);
    expect(&h, REASON_INTERNAL,
           "cannot tell whether process 11 is one: the kernel does not answer");
    harness_start(&h, TYPE, none, NULL);
    harness_wait(&h, 20000);
    expect(&h, REASON_INTERNAL, "cannot tell whether process 11 is one");
    harness_start(&h, TYPE, fine, NULL);
    harness_wait(&h, 20000);
    expect(&h, REASON_OK, "pid 10 (fine)");
    harness_start(&h, TYPE, stuck, NULL);
    harness_wait(&h, 20000);
    expect(&h, REASON_OK, "pid 11 (stuck)");
    harness_close(&h);
    TYPE->dispose(fine);
    TYPE->dispose(other); /* the thread that hangs has it still */
    TYPE->dispose(none);
    TYPE->dispose(stuck);
    assert_true(work_any_running());
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    close(fd);
    while (work_any_running())
        sched_yield();
    scratch_close(root);
}

/* ---- Real ones, set up by root in a child of the test ---- */

#define NO_PRIVILEGE 77

/* Runs `play` in a child; its asserts end the child with another code than 0. */
static void in_child(void (*play)(void))
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        play();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PRIVILEGE) {
        print_message("SKIPPED: no privilege to mount a proc file system\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* What a child saw, with its words on stderr when it is not what was expected. */
static void child_judges(void *conf, enum reason reason, const char *words, int code)
{
    struct harness h;
    harness_open(&h);
    run_kept(&h, conf, NULL);
    if (h.reason != reason || !strstr(h.detail, words)) {
        fprintf(stderr, "expected %s: \"%s\", got %s: \"%s\"\n", reason_name(reason), words,
                reason_name(h.reason), h.detail);
        _exit(code);
    }
    harness_close(&h);
    TYPE->dispose(conf);
}

static char mount_point[64];
static pid_t alive, dead; /* children of the test itself, which root can end */

/* With hidepid another user's processes are not shown; that they are hidden is not that they are
 * gone. */
static void play_hidepid(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", mount_point, "proc", 0, "hidepid=2") < 0 || setgroups(0, NULL) < 0 ||
        setgid(65534) < 0 || setuid(65534) < 0)
        _exit(NO_PRIVILEGE);
    child_judges(CONF("pid", number(alive), "proc_root", mount_point), REASON_OK,
                 "hides its name and age from us", 2);
    child_judges(CONF("pid", number(dead), "proc_root", mount_point), REASON_NOT_RUNNING,
                 "no such process", 3);
    child_judges(CONF("pid", number(alive), "proc_root", mount_point, "user", "0"), REASON_INTERNAL,
                 "hides it from us", 4);
    child_judges(CONF("pid", "4194304", "proc_root", mount_point), REASON_NOT_RUNNING,
                 "no such process", 5);
    child_judges(CONF("name", "hidden", "proc_root", mount_point), REASON_INTERNAL,
                 "hides processes from us", 6);
    child_judges(CONF("cmdline", "hidden", "proc_root", mount_point), REASON_INTERNAL,
                 "hides processes from us", 7);
}

static void test_hidepid(void **state)
{
    (void)state;
    scratch_open(mount_point);
    alive = child_start("hidden");
    dead = child_start("hidden");
    child_zombify(dead);
    in_child(play_hidepid);
    child_reap(alive);
    child_reap(dead);
    scratch_close(mount_point);
}

/* Only a clock tick later can a new process be told from the old one by its start. */
static void pass_ticks(void)
{
    int64_t until = clock_now() + 50 * NS_PER_MS;
    while (clock_now() < until)
        sched_yield();
}

/* As process 1 of a pid namespace: a number is free again once its process was reaped, and the next
 * one to give out can be set. */
static void play_reuse(void)
{
    struct harness h;
    if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("proc", mount_point, "proc", 0, NULL) < 0)
        _exit(NO_PRIVILEGE);
    char last[128];
    snprintf(last, sizeof last, "%s/sys/kernel/ns_last_pid", mount_point);
    pid_t pid = child_start("first");
    void *conf = CONF("pid", number(pid), "proc_root", mount_point);
    harness_open(&h);
    struct probe_kept *kept = harness_kept_open(&h, TYPE, conf);
    run_kept(&h, conf, kept);
    if (h.reason != REASON_OK)
        _exit(2);
    child_reap(pid);
    int64_t limit = clock_now() + 20 * NS_PER_S;
    while (h.wakes == 0 && clock_now() < limit)
        uv_run(&h.loop, UV_RUN_NOWAIT);
    if (h.wakes != 1)
        _exit(3);
    pass_ticks();
    write_file(last, number(pid - 1), strlen(number(pid - 1)));
    if (child_start("second") != pid)
        _exit(4);
    run_kept(&h, conf, kept);
    if (h.reason != REASON_NOT_RUNNING || !strstr(h.detail, "is another process now (second"))
        _exit(5);
    harness_kept_close(&h, TYPE, kept);
    harness_close(&h);
    TYPE->dispose(conf);
}

static void play_namespace(void)
{
    int status = 0;
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
        _exit(NO_PRIVILEGE);
    pid_t init = fork();
    if (init == 0) {
        play_reuse();
        _exit(0);
    }
    if (waitpid(init, &status, 0) != init || !WIFEXITED(status))
        _exit(1);
    _exit(WEXITSTATUS(status));
}

static void test_reuse_in_a_namespace(void **state)
{
    (void)state;
    scratch_open(mount_point);
    in_child(play_namespace);
    scratch_close(mount_point);
}

/* Another pid namespace's processes under a proc_root: its numbers are not ours to watch. */
static void play_foreign(void)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0)
        _exit(NO_PRIVILEGE);
    pid_t init = fork();
    if (init == 0) {
        if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(NO_PRIVILEGE);
        bool ours = true;
        pid_t self = -1;
        if (getpid() != 1 || proc_self("/proc", &self, &ours) != 0 || ours || self == 1)
            _exit(2); /* the outer /proc: it sees us by another number */
        child_judges(CONF("pid", "4194304"), REASON_NOT_RUNNING, "no such process", 3);
        if (mount("proc", "/proc", "proc", 0, NULL) < 0 || proc_self("/proc", &self, &ours) != 0 ||
            !ours || self != 1)
            _exit(4);
        _exit(0);
    }
    int status = 0;
    waitpid(init, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void test_foreign(void **state)
{
    (void)state;
    in_child(play_foreign);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parse_stat),
        cmocka_unit_test(test_users),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_made_up),
        cmocka_unit_test(test_reused),
        cmocka_unit_test(test_huge),
        cmocka_unit_test(test_stuck),
        cmocka_unit_test(test_hidepid),
        cmocka_unit_test(test_reuse_in_a_namespace),
        cmocka_unit_test(test_foreign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
