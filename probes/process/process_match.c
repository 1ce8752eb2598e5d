/* process_match: see process_match.h. */
#include "process/process_match.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/pattern.h"

#define COMM_BYTES  15   /* the kernel keeps so much of a process's name */
#define FIRST_BYTES 4096 /* of a command line, enough for its first two arguments */

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What was not readable because we are out of something makes the whole count worthless. */
static void note_failure(const struct process_conf *c, struct process_crowd *crowd, pid_t pid)
{
    if (!proc_is_shortage(errno))
        return;
    crowd->failed = true;
    err_errno(&crowd->failure, errno, "cannot read %s/%d", c->root, (int)pid);
}

static ssize_t read_cmdline(const struct process_conf *c, struct process_crowd *crowd, pid_t pid,
                            char *line, size_t size)
{
    *crowd->reading = pid;
    ssize_t len = proc_cmdline(c->root, pid, line, size);
    if (len < 0 && errno == EBUSY)
        crowd->hanging = pid;
    else if (len < 0)
        note_failure(c, crowd, pid);
    *crowd->reading = 0;
    return len;
}

/* The whole of it, or the last part of its path. */
static bool is_called(const char *path, const char *name)
{
    return strcmp(path, name) == 0 || strcmp(last_part(path), name) == 0;
}

/* By the first argument, and for a script, whose first is its interpreter, by the second. */
static bool argument_is(const struct process_conf *c, const char *line, size_t len, bool cut)
{
    if (is_called(line, c->name))
        return true;
    size_t second = strlen(line) + 1;
    return cut && second < len && is_called(line + second, c->name);
}

/* "[kthreadd]": how ps shows a process without a command line, which the kernel's threads are. */
static bool is_in_brackets(const struct process_conf *c, const struct proc_info *p)
{
    size_t len = strlen(p->comm);
    return c->name[0] == '[' && strncmp(c->name + 1, p->comm, len) == 0 &&
           strcmp(c->name + 1 + len, "]") == 0;
}

/* A name that fits the kernel's is exact there. A longer one was cut: its arguments or its program
 * must say the rest, where they can be read. */
static bool is_named(const struct process_conf *c, struct process_crowd *crowd,
                     const struct proc_info *p)
{
    char line[FIRST_BYTES], program[PATH_MAX];
    bool cut = strlen(c->name) > COMM_BYTES && strlen(p->comm) == COMM_BYTES &&
               strncmp(c->name, p->comm, COMM_BYTES) == 0;
    if (strcmp(c->name, p->comm) == 0)
        return true;
    bool known = proc_program(c->root, p->id.pid, program, sizeof program);
    if (known && is_called(program, c->name))
        return true;
    ssize_t len = read_cmdline(c, crowd, p->id.pid, line, sizeof line);
    if (len == 0 && is_in_brackets(c, p))
        return true;
    if (len > 0 && argument_is(c, line, (size_t)len, cut))
        return true;
    return !known && cut && len <= 0;
}

/* Arguments are joined by blanks. */
static bool line_matches(const struct process_conf *c, struct process_crowd *crowd, pid_t pid)
{
    char line[PROC_CMDLINE_MAX + 1];
    ssize_t len = read_cmdline(c, crowd, pid, line, sizeof line);
    while (len > 0 && line[len - 1] == '\0')
        len--;
    if (len <= 0)
        return false;
    for (char *nul = line; (nul = memchr(nul, '\0', (size_t)(line + len - nul)));)
        *nul = ' ';
    struct err e;
    switch (pattern_find(crowd->search, line, (size_t)len, &e).is) {
    case PATTERN_MATCH:
        return true;
    case PATTERN_NO_MATCH:
        return false;
    case PATTERN_UNKNOWN:
        break;
    }
    crowd->failed = true;
    return err_set(&crowd->failure, "cannot tell whether the command line of %d matches /%s/: %s",
                   (int)pid, pattern_text(c->cmdline), e.text) == 0;
}

static void insert_oldest(struct process_crowd *crowd, const struct proc_info *p)
{
    size_t at = crowd->n_oldest;
    while (at && crowd->oldest[at - 1].start > p->id.start)
        at--;
    if (at == PROC_WATCH_MAX)
        return;
    size_t moved = crowd->n_oldest - at;
    if (crowd->n_oldest == PROC_WATCH_MAX)
        moved--;
    else
        crowd->n_oldest++;
    memmove(&crowd->oldest[at + 1], &crowd->oldest[at], moved * sizeof crowd->oldest[0]);
    crowd->oldest[at] = p->id;
    if (at == 0)
        crowd->first = *p;
}

/* Of the user and the namespace that are wanted? */
static bool is_at_home(const struct process_conf *c, struct process_crowd *crowd, pid_t pid)
{
    struct proc_status status;
    if (!c->user && c->nested)
        return true;
    if (proc_status(c->root, pid, &status) == 0)
        return (!c->user || status.user == c->uid) && (c->nested || !status.nested);
    note_failure(c, crowd, pid);
    return false; /* it has gone meanwhile */
}

void process_count(const struct process_conf *c, struct process_crowd *crowd, pid_t pid)
{
    struct proc_info p;
    if (pid == crowd->self || (c->by == BY_CMDLINE && !line_matches(c, crowd, pid)))
        return;
    enum proc_found found = proc_look(c->root, pid, &p, &crowd->failure);
    if (found == PROC_FAILED)
        crowd->failed = true;
    if (found == PROC_HIDDEN)
        crowd->hidden++;
    if (found != PROC_FOUND || (c->by == BY_NAME && !is_named(c, crowd, &p)) ||
        !is_at_home(c, crowd, pid))
        return;
    if (proc_has_ended(&p)) {
        crowd->zombies++;
        crowd->zombie = p;
    } else {
        crowd->count++;
        insert_oldest(crowd, &p);
    }
}

void process_wanted(const struct process_conf *c, char *out, size_t size)
{
    const char *of = c->user ? ", of user " : "", *user = c->user ? c->user : "";
    if (c->by == BY_NAME)
        snprintf(out, size, "named %s%s%s", c->name, of, user);
    else
        snprintf(out, size, "with /%s/ in the command line%s%s", pattern_text(c->cmdline), of,
                 user);
}
