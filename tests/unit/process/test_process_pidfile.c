/* Pid files of every kind: what is in them, where they are, and when they were written. */
#include "process_fake.h"
#include "process_rig.h"
#include "run_harness.h"

#include <time.h>

static void date(const char *path, int64_t wall)
{
    struct timespec t[2] = {{.tv_nsec = UTIME_OMIT},
                            {.tv_sec = wall / NS_PER_S, .tv_nsec = wall % NS_PER_S}};
    assert_int_equal(utimensat(AT_FDCWD, path, t, 0), 0);
}

static void test_pidfile_contents(void **state)
{
    (void)state;
    static char big[5000];
    memset(big, '1', sizeof big - 1);
    pid_t pid = child_start("named");
    char good[16], padded[24], postgres[64];
    sprintf(good, "%d", (int)pid);
    sprintf(padded, " \t%d \r\n", (int)pid);
    sprintf(postgres, "%d\n/var/lib/data\n1700000000\n5432\n", (int)pid);
    const struct {
        const char *content;
        enum reason reason;
        const char *words;
    } rows[] = {
        {good, REASON_OK, "(named) has been running for"},
        {padded, REASON_OK, "(named) has been running for"},
        {postgres, REASON_OK, "(named) has been running for"},
        {"", REASON_NOT_RUNNING, " is empty"},
        {" \n\n\t", REASON_NOT_RUNNING, " is empty"},
        {"garbage\n", REASON_MISMATCH, " does not hold a process number in its first line"},
        {"\x80\xff\x01", REASON_MISMATCH, " does not hold a process number"},
        {"-1\n", REASON_MISMATCH, " does not hold a process number"},
        {"+1\n", REASON_MISMATCH, " does not hold a process number"},
        {"1 2\n", REASON_MISMATCH, " does not hold a process number"},
        {"12x", REASON_MISMATCH, " does not hold a process number"},
        {"0x10", REASON_MISMATCH, " does not hold a process number"},
        {"\n12", REASON_MISMATCH, " does not hold a process number"},
        {"0\n", REASON_MISMATCH, " holds a number that is not in 1-4194304"},
        {"4194305", REASON_MISMATCH, "not in 1-4194304"},
        {"18446744073709551617", REASON_MISMATCH, "not in 1-4194304"},
        {big, REASON_MISMATCH, " is longer than 4 KiB"},
    };
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        write_file(path, rows[i].content, strlen(rows[i].content));
        judges(CONF("pidfile", path), rows[i].reason, false, rows[i].words);
    }
    write_file(path, good, strlen(good));
    child_reap(pid);
    char words[160];
    snprintf(words, sizeof words, "pidfile %s names %d, no such process", path, (int)pid);
    judges(CONF("pidfile", path), REASON_NOT_RUNNING, true, words);
    scratch_close(dir);
}

static void test_pidfile_places(void **state)
{
    (void)state;
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    judges(CONF("pidfile", path), REASON_NOT_RUNNING, true, "is not there");
    judges(CONF("pidfile", "/dev/null/x"), REASON_NOT_RUNNING, true, "is not there");
    judges(CONF("pidfile", dir), REASON_MISMATCH, false, "expected a regular file");
    assert_int_equal(mkfifo(path, 0600), 0); /* must not wait for a writer */
    judges(CONF("pidfile", path), REASON_MISMATCH, false, "expected a regular file");
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink(path, path), 0);
    judges(CONF("pidfile", path), REASON_INTERNAL, false, "cannot be read: ");
    assert_int_equal(unlink(path), 0);

    write_file(path, "1\n", 2);
    assert_int_equal(chmod(path, 0), 0);
    uid_t uid = geteuid();
    if (uid == 0)
        assert_int_equal(chmod(dir, 0755) + seteuid(65534), 0);
    judges(CONF("pidfile", path), REASON_INTERNAL, false, "cannot be read: Permission denied");
    assert_int_equal(seteuid(uid), 0);
    scratch_close(dir);
}

/* Over the real /proc: a file that is over a year old is nobody's that runs now. The first of all:
 * a file of 5 s ago has to be of before this program's first look at the clock. */
static void test_pidfile_dates(void **state)
{
    (void)state;
    char dir[64], path[100];
    pid_t pid = child_start("late");
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    write_file(path, number(pid), strlen(number(pid)));
    /* A file of 5 s ago may be a leftover, or the clock was set since: that is neither yes nor no.
     */
    const struct {
        int64_t age_s;
        enum reason reason;
        const char *words;
    } rows[] = {{0, REASON_OK, "has been running"},
                {5, REASON_INTERNAL, "which cannot be told"},
                {86400 * 400, REASON_NOT_RUNNING, " is stale: "},
                {-3600, REASON_OK, "has been running"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        date(path, clock_wall() - rows[i].age_s * NS_PER_S);
        judges(CONF("pidfile", path), rows[i].reason, rows[i].reason == REASON_NOT_RUNNING,
               rows[i].words);
    }
    child_reap(pid);
    scratch_close(dir);
}

/* A process is started an hour after boot; its file is dated by another clock when the machine was
 * asleep in between, or restored from a snapshot, and its clock was then set forward. */
static void test_clock_set_forward(void **state)
{
    (void)state;
    static const struct {
        int64_t proc_s, file_s; /* when /proc was made and the file written, s after now's boot */
        enum reason reason;
    } rows[] = {
        {0, 30, REASON_OK},              /* written with the process */
        {0, 23, REASON_INTERNAL},        /* by so little a clock may have been set */
        {0, 15, REASON_NOT_RUNNING},     /* the process is younger */
        {0, -86400, REASON_NOT_RUNNING}, /* written before the boot */
        {-86400, 15, REASON_INTERNAL},   /* the clock was a day behind once: it cannot be told */
        {-86400, 31 - 86400, REASON_OK},
        {-86400, 15 - 86400, REASON_NOT_RUNNING}, /* younger by that clock as well */
        {7200, 15, REASON_NOT_RUNNING},           /* /proc was mounted anew, which tells nothing */
    };
    /* Half a minute after the boot is in the past of any machine that tests. */
    char root[64], file[128];
    fake_open(root);
    fake_add(root, 20, "server", 'S', 1, 30 * sysconf(_SC_CLK_TCK), NULL, 0);
    snprintf(file, sizeof file, "%s/x.pid", root);
    write_file(file, "20\n", 3);
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    int64_t boot = clock_wall() - t.tv_sec * NS_PER_S - t.tv_nsec;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        date(root, boot + rows[i].proc_s * NS_PER_S);
        date(file, boot + rows[i].file_s * NS_PER_S);
        judges(CONF("pidfile", file, "proc_root", root), rows[i].reason,
               rows[i].reason == REASON_NOT_RUNNING,
               rows[i].reason == REASON_OK         ? "has been running"
               : rows[i].reason == REASON_INTERNAL ? "it is another process, or the clock was set"
                                                   : " is stale: 20 (server) was started ");
    }
    scratch_close(root);
}

/* A file that was written while we watched the clock, and a process that began after it. */
static void test_younger_than_its_file(void **state)
{
    (void)state;
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    pid_t first = child_start("first");
    write_file(path, number(first), strlen(number(first)));
    judges(CONF("pidfile", path), REASON_OK, false, "has been running");
    int64_t written = clock_wall() + NS_PER_MS;
    while (clock_wall() < written + 100 * NS_PER_MS) /* several ticks of a process's start */
        continue;
    pid_t second = child_start("second");
    write_file(path, number(second), strlen(number(second)));
    date(path, written);
    judges(CONF("pidfile", path), REASON_NOT_RUNNING, true, "(second) was started ");
    child_reap(first);
    child_reap(second);
    scratch_close(dir);
}

/* From a volume that another container writes: its number is ours by chance. */
static void test_own_number(void **state)
{
    (void)state;
    char dir[64], path[100];
    scratch_open(dir);
    snprintf(path, sizeof path, "%s/x.pid", dir);
    write_file(path, number(getpid()), strlen(number(getpid())));
    judges(CONF("pidfile", path), REASON_MISMATCH, false, "is probe itself");
    scratch_close(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pidfile_dates),  cmocka_unit_test(test_younger_than_its_file),
        cmocka_unit_test(test_own_number),     cmocka_unit_test(test_pidfile_contents),
        cmocka_unit_test(test_pidfile_places), cmocka_unit_test(test_clock_set_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
