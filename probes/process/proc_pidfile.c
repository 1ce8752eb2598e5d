/* proc_pidfile: see proc_pidfile.h. */
#include "process/proc_pidfile.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/file.h"

/* Some servers (PostgreSQL) write more lines than the first; a log or a core is no pid file. */
#define FILE_BYTES 4096

/* A start is told in ticks, rounded down, and files are dated by a clock that moves by as much. */
#define RESOLUTION (20 * NS_PER_MS)
/* Some file systems keep whole seconds. */
#define COARSE_RESOLUTION NS_PER_S
/* What a clock may have been set by, or a file server's clock be behind. Over that nobody's is. */
#define CLOCKS_DIFFER (10 * NS_PER_S)
/* A service writes its file so soon after its start. */
#define SOON (600 * NS_PER_S)

/* The first line: blanks, digits, blanks. -1 with the words, which show nothing of the file: what
 * is at the path may be anybody's secret. */
static int parse(const char *text, size_t len, pid_t *pid, struct err *e)
{
    const char *end = memchr(text, '\n', len);
    size_t n = end ? (size_t)(end - text) : len, i = 0;
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
        return err_set(e, "does not hold a process number in its first line");
    if (value < 1 || value > PROC_PID_MAX)
        return err_set(e, "holds a number that is not in 1-%d", PROC_PID_MAX);
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

static enum reason examine(const char *text, size_t len, const struct stat *st,
                           struct proc_pidfile *file, struct err *e)
{
    if (is_blank(text, len)) {
        err_set(e, "is empty");
        return REASON_NOT_RUNNING;
    }
    file->dev = st->st_dev;
    file->ino = st->st_ino;
    file->written = (int64_t)st->st_mtim.tv_sec * NS_PER_S + st->st_mtim.tv_nsec;
    return parse(text, len, &file->pid, e) < 0 ? REASON_MISMATCH : REASON_OK;
}

enum reason proc_pidfile_read(const char *path, struct proc_pidfile *file, bool *missing,
                              struct err *e)
{
    struct err words = {{0}};
    struct stat st;
    char *text;
    size_t len;
    enum reason reason = REASON_INTERNAL;
    enum file_found found = file_read(path, FILE_BYTES, &text, &len, &st, &words);
    *missing = found == FILE_NONE;
    if (found == FILE_OPEN)
        reason = examine(text, len, &st, file, &words);
    else if (found == FILE_WRONG)
        reason = REASON_MISMATCH;
    else if (found == FILE_NONE)
        reason = REASON_NOT_RUNNING;
    if (*missing)
        err_set(&words, "is not there");
    free(text);
    if (reason != REASON_OK)
        err_set(e, "pidfile %s %s", path, words.text);
    return reason;
}

bool proc_pidfile_same(const struct proc_pidfile *a, const struct proc_pidfile *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->written == b->written && a->pid == b->pid;
}

/* Wall time of the boot, as now's clock has it. It changes only when the clock is set, which makes
 * every process seem younger than the files of its time, or older. Remembered: the least that was
 * ever seen, and since when it has been the same. */
struct boot {
    int64_t wall, least, same_since;
};

static struct boot boot_wall(void)
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct boot boot = {.least = INT64_MAX};
    struct timespec since;
    int64_t wall = clock_wall();
    clock_gettime(CLOCK_BOOTTIME, &since);
    int64_t now = wall - ((int64_t)since.tv_sec * NS_PER_S + since.tv_nsec);
    pthread_mutex_lock(&lock);
    if (!boot.same_since || now - boot.wall > NS_PER_MS || boot.wall - now > NS_PER_MS) {
        boot.wall = now;
        boot.same_since = wall;
    }
    if (now < boot.least)
        boot.least = now;
    struct boot copy = boot;
    pthread_mutex_unlock(&lock);
    return copy;
}

/* Wall time of the boot by the clock of when the first process was started: its /proc was made and
 * dated then. This tells of a machine that was asleep or restored from a snapshot since: its clock
 * was set forward by hours or days. A /proc that was mounted later only tells less. */
static int64_t boot_wall_of_first(const char *root)
{
    struct stat st;
    struct proc_info first;
    if (stat(root, &st) < 0 || proc_look(root, 1, &first, NULL) != PROC_FOUND)
        return INT64_MAX;
    return (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec - proc_start_boot(&first.id);
}

enum proc_order proc_pidfile_order(const char *root, const struct proc_pidfile *file,
                                   const struct proc_id *id, int64_t *lag)
{
    struct boot boot = boot_wall();
    int64_t start = proc_start_boot(id), alike = RESOLUTION;
    if (file->written % NS_PER_S == 0)
        alike += COARSE_RESOLUTION;
    *lag = boot.wall + start - file->written;
    if (*lag <= alike)
        return PROC_BEFORE;
    if (file->written > boot.same_since) /* by a clock that has not been set since, as was seen */
        return PROC_AFTER;
    /* If the clock was set forward since, its earlier time counts, and the file is of soon after.
     */
    int64_t first = boot_wall_of_first(root), least = first < boot.least ? first : boot.least;
    int64_t earlier = least + start - file->written;
    if (earlier <= alike)
        return earlier > -SOON ? PROC_BEFORE : PROC_UNSURE;
    *lag = earlier;
    return *lag > CLOCKS_DIFFER ? PROC_AFTER : PROC_UNSURE;
}
