/* proc_pidfile: see proc_pidfile.h. */
#include "process/proc_pidfile.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

/* Some servers (PostgreSQL) write more lines than the first; a log or a core is no pid file. */
#define FILE_BYTES 4096

/* How much later than its file a process may have been started. A process is older than the file
 * that it, or who started it, writes; this much is left for the rounding of its start (10 ms), for
 * a clock that is being set right and for a file server's own clock. */
#define MARGIN (10 * NS_PER_S)

/* The first line: blanks, digits, blanks. -1 with the words. */
static int parse(const char *text, size_t len, pid_t *pid, struct err *e)
{
    char shown[40];
    const char *end = memchr(text, '\n', len);
    size_t n = end ? (size_t)(end - text) : len;
    str_excerpt(text, n, shown, sizeof shown);
    size_t i = 0;
    while (i < n && isblank((unsigned char)text[i]))
        i++;
    size_t first = i;
    long value = 0;
    for (; i < n && isdigit((unsigned char)text[i]); i++)
        if (value <= PROC_PID_MAX)
            value = value * 10 + (text[i] - '0');
    size_t digits = i - first;
    while (i < n && isspace((unsigned char)text[i]))
        i++;
    if (!digits || i < n)
        return err_set(e, "holds \"%s\", not a process number", shown);
    if (value < 1 || value > PROC_PID_MAX)
        return err_set(e, "holds \"%s\", not in 1-%d", shown, PROC_PID_MAX);
    *pid = (pid_t)value;
    return 0;
}

static bool is_blank(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!isspace((unsigned char)text[i]))
            return false;
    return true;
}

static enum reason examine(int fd, struct proc_pidfile *file, struct err *e)
{
    struct stat st;
    char text[FILE_BYTES + 1];
    ssize_t len = -1;
    if (fstat(fd, &st) == 0) {
        if (!S_ISREG(st.st_mode)) {
            err_set(e, "is not a regular file");
            return REASON_MISMATCH;
        }
        len = read(fd, text, sizeof text);
    }
    if (len < 0) {
        err_errno(e, errno, "cannot be read");
        return REASON_INTERNAL;
    }
    if (len > FILE_BYTES) {
        err_set(e, "is over %d bytes long, no pid file", FILE_BYTES);
        return REASON_MISMATCH;
    }
    if (is_blank(text, (size_t)len)) {
        err_set(e, "is empty");
        return REASON_NOT_RUNNING;
    }
    file->dev = st.st_dev;
    file->ino = st.st_ino;
    file->written = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
    return parse(text, (size_t)len, &file->pid, e) < 0 ? REASON_MISMATCH : REASON_OK;
}

enum reason proc_pidfile_read(const char *path, struct proc_pidfile *file, bool *missing,
                              struct err *e)
{
    struct err words = {{0}};
    enum reason reason;
    /* A pipe in its place must not block. */
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    *missing = fd < 0 && (errno == ENOENT || errno == ENOTDIR);
    if (fd >= 0) {
        reason = examine(fd, file, &words);
        close(fd);
    } else if (*missing) {
        reason = REASON_NOT_RUNNING;
        err_set(&words, "is not there");
    } else {
        reason = REASON_INTERNAL;
        err_errno(&words, errno, "cannot be read");
    }
    if (reason != REASON_OK)
        err_set(e, "pidfile %s %s", path, words.text);
    return reason;
}

bool proc_pidfile_same(const struct proc_pidfile *a, const struct proc_pidfile *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->written == b->written && a->pid == b->pid;
}

/* Wall time of the boot, as now's clock has it, the least that was ever seen. A clock that is set
 * forward makes every process seem younger than the files of its time. */
static int64_t boot_wall(void)
{
    static int64_t least = INT64_MAX;
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    int64_t now = clock_wall() - ((int64_t)boot.tv_sec * NS_PER_S + boot.tv_nsec);
    if (now < least)
        least = now;
    return least;
}

/* The same as the clock had it when the first process was started: that is when its /proc was made,
 * and dated. A machine that was asleep or restored from a snapshot since (its clock was then set
 * forward by hours or days) is told by this. A /proc that was mounted later only tells less. */
static int64_t boot_wall_of_first(const char *root)
{
    struct stat st;
    struct proc_info first;
    if (stat(root, &st) < 0 || proc_look(root, 1, &first, NULL) != PROC_FOUND)
        return INT64_MAX;
    return (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec - proc_start_boot(&first.id);
}

int64_t proc_pidfile_lag(const char *root, const struct proc_pidfile *file,
                         const struct proc_id *id)
{
    int64_t before = file->written - proc_start_boot(id) + MARGIN; /* a boot before it is no sign */
    int64_t boot = boot_wall();
    if (boot <= before)
        return 0;
    int64_t first = boot_wall_of_first(root);
    if (first < boot)
        boot = first;
    return boot > before ? boot - before + MARGIN : 0;
}
