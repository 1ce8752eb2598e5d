/* The process type over real processes: what lives, what has ended, and whose end is seen at once.
 */
#include "process_rig.h"
#include "run_harness.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- By number ---- */

static void test_pid(void **state)
{
    (void)state;
    pid_t pid = child_start("some)one (x");
    judges(CONF("pid", number(pid)), REASON_OK, false, " (some)one (x) has been running for ");
    kill(pid, SIGSTOP);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
    judges(CONF("pid", number(pid)), REASON_OK, false, " is stopped by a signal, started ");
    child_zombify(pid);
    char words[160];
    snprintf(words, sizeof words,
             "pid %d (some)one (x) is a zombie (exited, not reaped by its parent %d)", (int)pid,
             (int)getpid());
    judges(CONF("pid", number(pid)), REASON_NOT_RUNNING, true, words);
    child_reap(pid);
    snprintf(words, sizeof words, "pid %d: no such process", (int)pid);
    judges(CONF("pid", number(pid)), REASON_NOT_RUNNING, true, words);
}

static void test_self_by_pid(void **state)
{
    (void)state;
    judges(CONF("pid", number(getpid())), REASON_MISMATCH, false, "is probe itself");
}

static void test_pid_of_a_user(void **state)
{
    (void)state;
    pid_t pid = child_start("owned");
    const char *mine = number(geteuid()), *other = number((long)geteuid() + 1);
    judges(CONF("pid", number(pid), "user", mine), REASON_OK, false, "has been running");
    char words[100];
    snprintf(words, sizeof words, "(owned) runs as user %s, expected %s", mine, other);
    judges(CONF("pid", number(pid), "user", other), REASON_MISMATCH, false, words);
    child_reap(pid);
}

static int tid_pipe[2];

static void *tell_tid(void *arg)
{
    (void)arg;
    pid_t tid = (pid_t)syscall(SYS_gettid);
    if (write(tid_pipe[1], &tid, sizeof tid) != sizeof tid)
        _exit(1);
    for (;;)
        pause();
}

/* A process whose first thread has ended looks like a zombie and is none; and a thread's number is
 * no process's. */
static void test_threads(void **state)
{
    (void)state;
    pid_t tid;
    assert_int_equal(pipe(tid_pipe), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pthread_t thread;
        prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
        if (pthread_create(&thread, NULL, tell_tid, NULL) != 0)
            _exit(1);
        syscall(SYS_exit, 0); /* of this thread alone */
    }
    assert_int_equal(read(tid_pipe[0], &tid, sizeof tid), sizeof tid);
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do { /* until the first thread has ended */
        FILE *f = fopen(path, "r");
        assert_non_null(f);
        assert_non_null(fgets(text, sizeof text, f));
        fclose(f);
    } while (!strstr(text, ") Z "));
    judges(CONF("pid", number(pid)), REASON_OK, false, "has been running for");
    judges(CONF("pid", number(tid)), REASON_NOT_RUNNING, true,
           "no such process, it is a thread of");
    child_reap(pid);
    close(tid_pipe[0]);
    close(tid_pipe[1]);
}

/* ---- By name and command line ---- */

static void test_name(void **state)
{
    (void)state;
    char name[16], words[100];
    snprintf(name, sizeof name, "pt%d", (int)getpid());
    snprintf(words, sizeof words, "no process named %s is running", name);
    judges(CONF("name", name), REASON_NOT_RUNNING, true, words);
    judges(CONF("name", name, "min_count", "0"), REASON_OK, false, words);
    pid_t one = child_start(name);
    judges(CONF("name", name), REASON_OK, false, "has been running for");
    pid_t two = child_start(name);
    snprintf(words, sizeof words, "2 processes named %s are running, the oldest, pid %d (%s), for",
             name, (int)one, name);
    judges(CONF("name", name), REASON_OK, false, words);
    snprintf(words, sizeof words, "2 processes named %s are running, expected at least 3", name);
    judges(CONF("name", name, "min_count", "3"), REASON_MISMATCH, false, words);
    snprintf(words, sizeof words, "2 processes named %s are running, expected at most 1", name);
    judges(CONF("name", name, "max_count", "1"), REASON_MISMATCH, false, words);
    judges(CONF("name", name, "min_count", "2", "max_count", "2"), REASON_OK, false, "2 processes");
    snprintf(words, sizeof words, "of user %ld is running", (long)geteuid() + 1);
    judges(CONF("name", name, "user", number((long)geteuid() + 1)), REASON_NOT_RUNNING, true,
           words);
    child_zombify(one);
    judges(CONF("name", name), REASON_OK, false, "has been running for");
    child_zombify(two);
    judges(CONF("name", name), REASON_NOT_RUNNING, true, "is a zombie (exited, not reaped");
    judges(CONF("name", name, "min_count", "0", "max_count", "0"), REASON_OK, false, "no process");
    child_reap(one);
    child_reap(two);
}

/* Waits on its stdin for ever; its name to the kernel is that of `file`. */
/* The kernel closes descriptors at an exec before the new command line can be read. */
static void await_cmdline(pid_t pid)
{
    char path[64], c;
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    for (ssize_t n = 0; n != 1;) {
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        n = read(fd, &c, 1);
        close(fd);
    }
}

static pid_t exec_cat(const char *file, const char *argv0, const char *argv1, int *stdin_fd)
{
    int in[2], gone[2];
    char c;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe2(gone, O_CLOEXEC), 0); /* ends when the exec is done */
    pid_t pid = fork();
    if (pid == 0) {
        close(in[1]);
        dup2(in[0], 0);
        execl(file, argv0, argv1, (char *)NULL);
        _exit(1);
    }
    close(in[0]);
    close(gone[1]);
    assert_int_equal(read(gone[0], &c, 1), 0);
    close(gone[0]);
    await_cmdline(pid);
    *stdin_fd = in[1];
    return pid;
}

static void test_other_names(void **state)
{
    (void)state;
    char dir[64], link[128], name[40], other[64];
    int in, in2;
    scratch_open(dir);
    snprintf(name, sizeof name, "probe-test-name-%d", (int)getpid()); /* over 15 bytes */
    snprintf(other, sizeof other, "%s-and-more", name);
    snprintf(link, sizeof link, "%s/%s", dir, name);
    assert_int_equal(symlink("/bin/cat", link), 0);
    pid_t pid = exec_cat(link, link, "-", &in); /* comm is cut to 15 bytes */
    judges(CONF("name", name), REASON_OK, false, "(probe-test-name) has been running");
    judges(CONF("name", other), REASON_NOT_RUNNING, true, "is running");
    judges(CONF("name", "probe-test-name", "max_count", "1"), REASON_OK, false, "has been running");
    pid_t second = exec_cat("/bin/cat", other, "-", &in2); /* its first argument alone */
    judges(CONF("name", other), REASON_OK, false, "(cat) has been running");
    child_reap(pid);
    child_reap(second);
    close(in);
    close(in2);
    scratch_close(dir);
}

static void test_cmdline(void **state)
{
    (void)state;
    char unique[40], regex[64], words[128];
    int in;
    snprintf(unique, sizeof unique, "probe-cmdline-%d", (int)getpid());
    snprintf(regex, sizeof regex, "^%s -u$", unique);
    judges(CONF("cmdline", regex), REASON_NOT_RUNNING, true, "is running");
    pid_t pid = exec_cat("/bin/cat", unique, "-u", &in);
    judges(CONF("cmdline", regex, "max_count", "1"), REASON_OK, false, "(cat) has been running");
    child_zombify(pid);
    snprintf(words, sizeof words, "no process with /%s/ in the command line is running", regex);
    judges(CONF("cmdline", regex), REASON_NOT_RUNNING, true, words);
    child_reap(pid);
    close(in);
}

/* A class path of Java's is many pages long, and what tells programs apart is at its end. */
static void test_long_cmdline(void **state)
{
    (void)state;
    static char path[40000];
    char regex[64];
    int in;
    memset(path, 'x', sizeof path);
    snprintf(path + sizeof path - 40, 40, " end-%d", (int)getpid());
    snprintf(regex, sizeof regex, "^[^ ]*xxxx end-%d -u$", (int)getpid());
    pid_t pid = exec_cat("/bin/cat", path, "-u", &in);
    judges(CONF("cmdline", regex), REASON_OK, false, "(cat) has been running");
    child_reap(pid);
    close(in);
}

/* What ps shows, and what it does not: whole paths, names with a slash, threads of the kernel. */
static void test_names_as_ps_shows_them(void **state)
{
    (void)state;
    char name[16], path[32];
    snprintf(name, sizeof name, "p/%d", (int)getpid());
    snprintf(path, sizeof path, "/bin/p%d", (int)getpid());
    judges(CONF("name", name), REASON_NOT_RUNNING, true, "no process");
    pid_t pid = child_start(name);
    judges(CONF("name", name), REASON_OK, false, "has been running");
    child_reap(pid);
    int in;
    pid = exec_cat("/bin/cat", path, "-", &in);
    judges(CONF("name", path), REASON_OK, false, "(cat) has been running");
    judges(CONF("name", path + 1), REASON_NOT_RUNNING, true, "no process");
    child_reap(pid);
    close(in);
}

/* A process of a namespace below is a container's. */
static void test_namespace(void **state)
{
    (void)state;
    char name[16];
    snprintf(name, sizeof name, "ns%d", (int)getpid());
    int ready[2];
    char c;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t outer = fork();
    if (outer == 0) {
        prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
        if (unshare(CLONE_NEWPID) < 0)
            _exit(77);
        pid_t inner = fork();
        if (inner == 0) {
            prctl(PR_SET_PDEATHSIG, (unsigned long)SIGKILL);
            prctl(PR_SET_NAME, name);
            if (write(ready[1], "r", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        pause();
    }
    close(ready[1]);
    bool privileged = read(ready[0], &c, 1) == 1;
    if (privileged) {
        judges(CONF("name", name), REASON_NOT_RUNNING, true, "no process");
        judges(CONF("name", name, "namespace", "all"), REASON_OK, false, "has been running");
        judges(CONF("name", name, "min_count", "0", "max_count", "0"), REASON_OK, false, "no ");
    }
    close(ready[0]);
    child_reap(outer);
    if (!privileged) {
        print_message("SKIPPED: no privilege for a pid namespace\n");
        skip();
    }
}

/* This program's own command line holds its name; it never counts. */
static void test_self_never_counts(void **state)
{
    (void)state;
    char comm[16] = {0}, name[16];
    prctl(PR_GET_NAME, comm);
    snprintf(name, sizeof name, "self%d", (int)getpid());
    prctl(PR_SET_NAME, name);
    judges(CONF("name", name), REASON_NOT_RUNNING, true, "no process");
    prctl(PR_SET_NAME, comm);
}

/* ---- Watching ---- */

static void wait_for_wakes(struct harness *h, int wakes)
{
    int64_t limit = clock_now() + 20 * NS_PER_S;
    while (h->wakes < wakes && clock_now() < limit)
        uv_run(&h->loop, UV_RUN_NOWAIT);
    assert_int_equal(h->wakes, wakes);
}

static void test_end_is_seen(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    for (int by = 0; by < 3; by++) {
        struct harness h;
        char name[16];
        snprintf(name, sizeof name, "w%d", (int)getpid());
        pid_t pid = child_start(name);
        write_file(path, number(pid), strlen(number(pid)));
        void *conf = by == 0   ? CONF("pid", number(pid))
                     : by == 1 ? CONF("pidfile", path)
                               : CONF("name", name);
        harness_open(&h);
        struct probe_kept *kept = harness_kept_open(&h, TYPE, conf);
        for (int i = 0; i < 3; i++) {
            run_kept(&h, conf, kept);
            expect(&h, REASON_OK, "has been running for");
        }
        assert_int_equal(h.wakes, 0);
        child_zombify(pid);
        wait_for_wakes(&h, 1);
        run_kept(&h, conf, kept);
        expect(&h, REASON_NOT_RUNNING, "is a zombie");
        child_reap(pid);
        run_kept(&h, conf, kept);
        expect(&h, REASON_NOT_RUNNING, by == 2 ? "no process" : "no such process");
        assert_int_equal(h.wakes, 1);
        harness_kept_close(&h, TYPE, kept);
        harness_close(&h);
        TYPE->dispose(conf);
    }
    scratch_close(dir);
    assert_int_equal(open_descriptors(), before);
}

/* Many: the end of one matters only when too few are left. */
static void test_ends_that_matter(void **state)
{
    (void)state;
    enum { MANY = 20 };
    struct harness h;
    pid_t pids[MANY];
    char name[16], words[64];
    snprintf(name, sizeof name, "m%d", (int)getpid());
    for (int i = 0; i < MANY; i++)
        pids[i] = child_start(name);
    void *conf = CONF("name", name, "min_count", "15");
    harness_open(&h);
    struct probe_kept *kept = harness_kept_open(&h, TYPE, conf);
    run_kept(&h, conf, kept);
    snprintf(words, sizeof words, "%d processes named", MANY);
    expect(&h, REASON_OK, words);
    run_kept(&h, conf, kept); /* by those that are watched */
    expect(&h, REASON_OK, "at least 16 processes named");
    child_reap(pids[0]);
    run_kept(&h, conf, kept); /* the loop turned: 15 of 16 are left, nobody was woken */
    assert_int_equal(h.wakes, 0);
    expect(&h, REASON_OK, "processes named");
    child_reap(pids[1]);
    child_reap(pids[2]);
    wait_for_wakes(&h, 1);
    run_kept(&h, conf, kept); /* others are found and watched in their place */
    expect(&h, REASON_OK, "17 processes named");
    for (int i = 3; i < MANY; i++)
        child_reap(pids[i]);
    wait_for_wakes(&h, 2);
    run_kept(&h, conf, kept);
    expect(&h, REASON_NOT_RUNNING, "no process");
    harness_kept_close(&h, TYPE, kept);
    harness_close(&h);
    TYPE->dispose(conf);
}

/* Out of descriptors nothing can be said, least of all that nothing runs. */
static void test_no_descriptors(void **state)
{
    (void)state;
    pid_t pid = child_start("starved");
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    write_file(path, number(pid), strlen(number(pid)));
    void *confs[] = {CONF("pid", number(pid)), CONF("pidfile", path), CONF("name", "starved"),
                     CONF("cmdline", "starved"),
                     CONF("name", "starved", "min_count", "0", "max_count", "0")};
    struct rlimit old, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    for (size_t i = 0; i < sizeof confs / sizeof *confs; i++)
        for (rlim_t spare = 0; spare < 2; spare++) { /* one is enough for /proc, not for a file */
            struct harness h;
            harness_open(&h);
            int lowest = open("/dev/null", O_RDONLY);
            close(lowest);
            none = (struct rlimit){.rlim_cur = (rlim_t)lowest + spare, .rlim_max = old.rlim_max};
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
            run_kept(&h, confs[i], NULL);
            assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
            if (i > 1 || spare == 0)
                expect(&h, REASON_INTERNAL, strerror(EMFILE));
            harness_close(&h);
        }
    for (size_t i = 0; i < sizeof confs / sizeof *confs; i++)
        TYPE->dispose(confs[i]);
    child_reap(pid);
    scratch_close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pid),
        cmocka_unit_test(test_self_by_pid),
        cmocka_unit_test(test_pid_of_a_user),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_name),
        cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_cmdline),
        cmocka_unit_test(test_long_cmdline),
        cmocka_unit_test(test_names_as_ps_shows_them),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_self_never_counts),
        cmocka_unit_test(test_end_is_seen),
        cmocka_unit_test(test_ends_that_matter),
        cmocka_unit_test(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
