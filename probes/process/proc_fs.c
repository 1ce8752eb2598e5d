/* proc_fs: see proc_fs.h. proc(5) has the formats. */
#include "process/proc_fs.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/account.h"
#include "base/clock.h"
#include "base/str.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

#define PATH_BYTES 320
#define STAT_BYTES 1024 /* 52 numbers and a name: about 400 at most */

static void path_of(const char *root, pid_t pid, const char *file, char path[PATH_BYTES])
{
    if (pid)
        snprintf(path, PATH_BYTES, "%s/%d/%s", root, (int)pid, file);
    else
        snprintf(path, PATH_BYTES, "%s/%s", root, file);
}

/* Reads at most size - 1 bytes of ROOT/PID/FILE and ends them with a NUL. The length, or -1. One
 * read does: each of these files is made in one piece. */
static ssize_t read_opened(const char *root, pid_t pid, const char *file, int flags, char *out,
                           size_t size)
{
    char path[PATH_BYTES];
    path_of(root, pid, file, path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | flags);
    if (fd < 0)
        return -1;
    ssize_t len;
    do
        len = read(fd, out, size - 1);
    while (len < 0 && errno == EINTR);
    int err = errno;
    close(fd);
    errno = err;
    out[len < 0 ? 0 : len] = '\0';
    return len;
}

static ssize_t read_file(const char *root, pid_t pid, const char *file, char *out, size_t size)
{
    return read_opened(root, pid, file, O_NONBLOCK, out, size);
}

/* "PID (COMM) STATE PPID ..."; COMM may hold anything, also ") Z 1". Nothing after it can hold a
 * parenthesis. */
bool proc_parse_stat(const char *text, struct proc_info *info)
{
    const char *open = strchr(text, '('), *close = strrchr(text, ')');
    if (!open || !close || close < open || close[1] != ' ')
        return false;
    *info = (struct proc_info){0};
    size_t len = (size_t)(close - open - 1);
    if (len >= sizeof info->comm)
        len = sizeof info->comm - 1;
    memcpy(info->comm, open + 1, len);
    str_printable(info->comm, sizeof info->comm - 1);
    int pid, parent, after = 0;
    unsigned long long start;
    /* Fields 3 (state), 4 (parent), 20 (threads), 22 (start). */
    int n = sscanf(close + 2,
                   "%c %d %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %ld %*s "
                   "%llu%n",
                   &info->state, &parent, &info->threads, &start, &after);
    if (n != 4 || after == 0 || sscanf(text, "%d (", &pid) != 1 || pid < 1)
        return false;
    info->id = (struct proc_id){.pid = pid, .start = start};
    info->parent = parent;
    return true;
}

enum proc_found proc_look(const char *root, pid_t pid, struct proc_info *info, struct err *e)
{
    char text[STAT_BYTES];
    ssize_t len = read_file(root, pid, "stat", text, sizeof text);
    if (len < 0 && (errno == ENOENT || errno == ESRCH || errno == ENOTDIR))
        return PROC_NONE;
    if (len < 0 && (errno == EACCES || errno == EPERM))
        return PROC_HIDDEN;
    if (len < 0) {
        err_errno(e, errno, "cannot read %s/%d/stat", root, (int)pid);
        return PROC_FAILED;
    }
    if (len == 0) /* it ended while it was being looked at */
        return PROC_NONE;
    if (!proc_parse_stat(text, info)) {
        err_set(e, "%s/%d/stat is not what proc(5) says", root, (int)pid);
        return PROC_FAILED;
    }
    return PROC_FOUND;
}

bool proc_has_ended(const struct proc_info *info)
{
    return strchr("ZXx", info->state) && info->threads <= 1;
}

int64_t proc_start_boot(const struct proc_id *id)
{
    long ticks = sysconf(_SC_CLK_TCK);
    if (ticks <= 0)
        ticks = 100;
    return (int64_t)(id->start / (uint64_t)ticks) * NS_PER_S +
           (int64_t)(id->start % (uint64_t)ticks) * (NS_PER_S / ticks);
}

int64_t proc_age(const struct proc_id *id)
{
    struct timespec ts;
    clock_gettime(CLOCK_BOOTTIME, &ts);
    int64_t age = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec - proc_start_boot(id);
    return age < 0 ? 0 : age;
}

/* One number for each namespace from that of the mount down to the process's own: is it in the
 * first? Kernels before 4.1 do not tell. */
static bool has_one_number(const char *status)
{
    const char *levels = strstr(status, "\nNSpid:");
    int first, end = 0;
    return !levels || (sscanf(levels, "\nNSpid: %d%n", &first, &end) == 1 && levels[end] == '\n');
}

int proc_status(const char *root, pid_t pid, struct proc_status *status)
{
    char text[4096];
    if (read_file(root, pid, "status", text, sizeof text) < 0)
        return -1;
    const char *tgid = strstr(text, "\nTgid:"), *uids = strstr(text, "\nUid:");
    int leader;
    unsigned effective;
    if (!tgid || sscanf(tgid, "\nTgid: %d", &leader) != 1 || !uids ||
        sscanf(uids, "\nUid: %*u %u", &effective) != 1) {
        errno = EBADMSG;
        return -1;
    }
    *status =
        (struct proc_status){.user = effective, .process = leader, .nested = !has_one_number(text)};
    return 0;
}

/* Whose command line a thread is waiting for, and since when. A thread that comes back clears its
 * place, however late. */
#define HANGS_AFTER (100 * NS_PER_MS)
static struct {
    pthread_mutex_t lock;
    struct reader {
        pid_t pid; /* 0: free */
        int64_t since;
    } readers[PROC_READERS];
} reading = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* NULL: another one hangs there, or there are too many. */
static struct reader *reader_begin(pid_t pid)
{
    struct reader *mine = NULL;
    bool hangs = false;
    int64_t now = clock_now();
    pthread_mutex_lock(&reading.lock);
    for (size_t i = 0; i < PROC_READERS; i++) {
        struct reader *r = &reading.readers[i];
        hangs = hangs || (r->pid == pid && now - r->since > HANGS_AFTER);
        mine = r->pid || mine ? mine : r;
    }
    if (mine && !hangs)
        *mine = (struct reader){.pid = pid, .since = now};
    pthread_mutex_unlock(&reading.lock);
    return hangs ? NULL : mine;
}

static void reader_end(struct reader *r)
{
    pthread_mutex_lock(&reading.lock);
    r->pid = 0;
    pthread_mutex_unlock(&reading.lock);
}

ssize_t proc_cmdline(const char *root, pid_t pid, char *out, size_t size)
{
    out[0] = '\0';
    struct reader *r = reader_begin(pid);
    if (!r) {
        errno = EBUSY;
        return -1;
    }
    ssize_t len = read_opened(root, pid, "cmdline", 0, out, size);
    int errnum = errno;
    reader_end(r);
    errno = errnum;
    return len;
}

pid_t proc_pid_of(const char *name)
{
    long n = 0;
    for (const char *p = name; *p; p++) {
        if (!isdigit((unsigned char)*p) || n > PROC_PID_MAX)
            return 0;
        n = n * 10 + (*p - '0');
    }
    return n <= PROC_PID_MAX ? (pid_t)n : 0;
}

bool proc_program(const char *root, pid_t pid, char *out, size_t size)
{
    static const char deleted[] = " (deleted)";
    char path[PATH_BYTES], target[4096];
    snprintf(path, sizeof path, "%s/%d/exe", root, (int)pid);
    ssize_t len = readlink(path, target, sizeof target - 1);
    if (len <= 0)
        return false;
    target[len] = '\0';
    size_t suffix = sizeof deleted - 1; /* the program was replaced while it runs */
    if ((size_t)len > suffix && strcmp(target + len - suffix, deleted) == 0)
        target[(size_t)len - suffix] = '\0';
    snprintf(out, size, "%s", target);
    return true;
}

int proc_root_check(const char *root, struct err *e)
{
    char path[PATH_BYTES];
    struct stat st;
    snprintf(path, sizeof path, "%s/self", root);
    /* The link is there in every proc file system, dangling where it does not see us. */
    return lstat(path, &st) == 0 ? 0 : err_set(e, "%s is no proc file system", root);
}

bool proc_is_shortage(int errnum)
{
    return errnum == EMFILE || errnum == ENFILE || errnum == ENOMEM;
}

int proc_self(const char *root, pid_t *self, bool *ours)
{
    char text[4096];
    int pid = 0;
    *self = 0;
    *ours = false;
    if (read_file(root, 0, "self/status", text, sizeof text) < 0)
        return proc_is_shortage(errno) ? -1 : 0;
    const char *line = strstr(text, "\nPid:");
    if (!line || sscanf(line, "\nPid: %d", &pid) != 1)
        return 0;
    *self = pid;
    *ours = pid == getpid() && has_one_number(text);
    return 0;
}

bool proc_sees_all(const char *root)
{
    struct proc_info info; /* the first process of a namespace is there as long as it is */
    return proc_look(root, 1, &info, NULL) == PROC_FOUND;
}

int proc_pidfd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

enum proc_found proc_ask_kernel(pid_t pid)
{
    if (kill(pid, 0) < 0 && errno == ESRCH)
        return PROC_NONE;
    int fd = proc_pidfd(pid);
    if (fd < 0)
        return errno == ESRCH ? PROC_NONE : PROC_HIDDEN;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    int n = poll(&p, 1, 0);
    close(fd);
    return n < 0 ? PROC_HIDDEN : n == 0 ? PROC_FOUND : PROC_NONE;
}

int proc_user_id(const char *name, uid_t *uid, struct err *e)
{
    struct account account;
    bool is_number = !strchr(name, ':') && account_parse(name, &account);
    if (!is_number && account_find(name, &account, e) < 0)
        return -1;
    *uid = account.uid;
    return 0;
}
