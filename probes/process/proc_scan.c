/* proc_scan: see proc_scan.h. */
#include "process/proc_scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "process/proc_fs.h"

/* What one turn of the loop may spend on scans. */
#define SLICE_NS NS_PER_MS

/* Those under way, in line: only the first one walks, so that many cost a turn no more than one
 * does. Everything happens on one thread. */
static struct proc_scan *line;

/* A process's folder is a number; 0 for the others. */
static pid_t pid_of(const char *name)
{
    long n = 0;
    for (const char *p = name; *p; p++) {
        if (!isdigit((unsigned char)*p) || n > PROC_PID_MAX)
            return 0;
        n = n * 10 + (*p - '0');
    }
    return n <= PROC_PID_MAX ? (pid_t)n : 0;
}

static void leave_line(struct proc_scan *s)
{
    struct proc_scan **at = &line;
    while (*at && *at != s)
        at = &(*at)->next;
    if (*at)
        *at = s->next;
}

static void stop(struct proc_scan *s)
{
    leave_line(s);
    if (s->idling)
        uv_idle_stop(&s->idle);
    if (s->dir)
        closedir(s->dir);
    s->dir = NULL;
}

static void finish(struct proc_scan *s, int errnum)
{
    stop(s);
    s->on_done(s, errnum);
}

/* Looks at one process at least. False when the walk is over, and on_done was called. */
static bool walk(struct proc_scan *s)
{
    int64_t until = clock_now() + SLICE_NS;
    if (!s->dir && !(s->dir = opendir(s->root))) {
        finish(s, errno);
        return false;
    }
    do {
        errno = 0;
        const struct dirent *entry = readdir(s->dir);
        if (!entry) {
            finish(s, errno);
            return false;
        }
        pid_t pid = pid_of(entry->d_name);
        if (!pid)
            continue;
        if (!s->each(s, pid)) {
            finish(s, 0);
            return false;
        }
    } while (clock_now() < until);
    return true;
}

static void on_idle(uv_idle_t *idle)
{
    struct proc_scan *s = container_of(idle, struct proc_scan, idle);
    if (s == line)
        walk(s);
}

void proc_scan_start(struct proc_scan *s, uv_loop_t *loop, const char *root,
                     bool (*each)(struct proc_scan *s, pid_t pid),
                     void (*on_done)(struct proc_scan *s, int errnum))
{
    *s = (struct proc_scan){.root = root, .each = each, .on_done = on_done};
    if (!line && !walk(s))
        return;
    struct proc_scan **last = &line;
    while (*last)
        last = &(*last)->next;
    *last = s;
    uv_idle_init(loop, &s->idle);
    uv_idle_start(&s->idle, on_idle);
    s->idling = true;
}

static void on_idle_closed(uv_handle_t *handle)
{
    struct proc_scan *s = container_of((uv_idle_t *)handle, struct proc_scan, idle);
    s->on_closed(s);
}

void proc_scan_close(struct proc_scan *s, void (*on_closed)(struct proc_scan *s))
{
    s->on_closed = on_closed;
    stop(s);
    if (s->idling)
        uv_close((uv_handle_t *)&s->idle, on_idle_closed);
    else
        on_closed(s);
}
