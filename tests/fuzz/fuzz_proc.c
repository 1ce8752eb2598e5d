/* Any bytes as what a process says of itself in /proc (stat, status, cmdline) and as a pid file. A
 * process names itself as it likes: whatever stands there, it is counted only where its name or its
 * command line is the wanted one, and a pid file is taken only for the number it begins with. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/pattern.h"
#include "process/proc_fs.h"
#include "process/proc_pidfile.h"
#include "process/process_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum { STAT, STATUS, CMDLINE, PIDFILE, N_FILES };

#define PID 7

static const char *const names[N_FILES] = {"stat", "status", "cmdline", "pidfile"};
static char root[] = "/tmp/probe-fuzz-proc-XXXXXX", pidfile[64];
static int files[N_FILES];
static struct pattern *wanted;

static void path_of(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%d%s%s", root, PID, name ? "/" : "", name ? name : "");
}

static void clean_up(void)
{
    char path[128];
    for (size_t i = 0; i < N_FILES; i++) {
        path_of(path, sizeof path, names[i]);
        unlink(path);
    }
    path_of(path, sizeof path, NULL);
    rmdir(path);
    rmdir(root);
}

/* The files are in memory; links in a folder of /proc's shape lead to them. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    char path[128], target[64];
    struct err e;
    wanted = pattern_new("java .*kafka", &e);
    if (!wanted || !mkdtemp(root))
        abort();
    atexit(clean_up);
    path_of(path, sizeof path, NULL);
    if (mkdir(path, 0755))
        abort();
    for (size_t i = 0; i < N_FILES; i++) {
        files[i] = memfd_create(names[i], MFD_CLOEXEC);
        snprintf(target, sizeof target, "/proc/%d/fd/%d", (int)getpid(), files[i]);
        path_of(path, sizeof path, names[i]);
        if (files[i] < 0 || symlink(target, path))
            abort();
    }
    path_of(pidfile, sizeof pidfile, "pidfile");
    return 0;
}

static void put(int which, const uint8_t *data, size_t size)
{
    if (ftruncate(files[which], 0) || pwrite(files[which], data, size, 0) != (ssize_t)size)
        abort();
}

/* The rule in other words: blanks, digits, white space up to the first line's end. */
static long number_at_start(const uint8_t *data, size_t size)
{
    size_t i = 0;
    long n = 0;
    while (i < size && (data[i] == ' ' || data[i] == '\t'))
        i++;
    size_t first = i;
    for (; i < size && data[i] >= '0' && data[i] <= '9'; i++)
        n = n > 100000000 ? n : n * 10 + data[i] - '0';
    if (i == first)
        return -1;
    for (; i < size && data[i] != '\n'; i++)
        if (!strchr(" \t\r\v\f", data[i]) || !data[i])
            return -1;
    return n;
}

static void read_pidfile(const uint8_t *data, size_t size)
{
    struct proc_pidfile file;
    bool missing;
    struct err e;
    enum reason reason = proc_pidfile_read(pidfile, &file, &missing, &e);
    if (missing || reason == REASON_INTERNAL)
        abort();
    long n = size > 4096 ? -1 : number_at_start(data, size);
    bool right = n >= 1 && n <= PROC_PID_MAX;
    if ((reason == REASON_OK) != right || (right && file.pid != n))
        abort();
}

static void count(struct process_conf *c, bool may)
{
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_search search;
    atomic_int reading = 0;
    struct process_crowd crowd = {.search = &search, .reading = &reading};
    c->root = root;
    pattern_search_init(&search, c->cmdline, &budget);
    process_count(c, &crowd, PID);
    pattern_search_fini(&search);
    if (crowd.count + crowd.zombies > 1 || (!may && crowd.count + crowd.zombies > 0))
        abort();
    if (crowd.count && strchr("ZXx", crowd.first.state) && crowd.first.threads <= 1)
        abort();
}

/* Does the text hold the name at all? Less can never be a match. */
static bool holds(const uint8_t *data, size_t size, const char *name)
{
    return memmem(data, size, name, strlen(name)) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char name[] = "nginx", long_name[] = "a-name-of-over-fifteen-bytes", user[] = "7";
    const uint8_t *part[N_FILES];
    size_t len[N_FILES];
    for (int i = 0; i < N_FILES; i++) {
        size_t n = size >= 2 ? (size_t)data[0] | (size_t)data[1] << 8 : 0;
        if (size >= 2)
            data += 2, size -= 2;
        n = n < size ? n : size;
        part[i] = data;
        len[i] = n;
        put(i, data, n);
        data += n;
        size -= n;
    }
    read_pidfile(part[PIDFILE], len[PIDFILE]);
    bool seen = holds(part[STAT], len[STAT], name) || holds(part[CMDLINE], len[CMDLINE], name);
    count(&(struct process_conf){.by = BY_NAME, .name = name}, seen);
    seen = holds(part[STAT], len[STAT], "a-name-of-over-") ||
           holds(part[CMDLINE], len[CMDLINE], long_name);
    count(&(struct process_conf){.by = BY_NAME, .name = long_name}, seen);
    seen =
        holds(part[CMDLINE], len[CMDLINE], "java") && holds(part[CMDLINE], len[CMDLINE], "kafka");
    count(&(struct process_conf){.by = BY_CMDLINE, .cmdline = wanted, .user = user, .uid = 7},
          seen);
    return 0;
}
