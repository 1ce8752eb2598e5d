/* process_look: see process_look.h. */
#include "process/process_look.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

static void say(struct process_verdict *v, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct process_verdict *v, enum reason reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->words, sizeof v->words, fmt, ap);
    va_end(ap);
    v->reason = reason;
    v->gone = false;
}

/* ---- One process by its number. `subject` names it: "pid 12", "pidfile /run/x.pid: pid 12". ----
 */

static void say_running(struct process_verdict *v, const char *subject, const struct proc_info *p)
{
    char age[CLOCK_SHORT_SIZE];
    clock_short(proc_age(&p->id), age);
    if (p->state == 'T')
        say(v, REASON_OK, "%s (%s) is stopped by a signal, started %s ago", subject, p->comm, age);
    else
        say(v, REASON_OK, "%s (%s) has been running for %s", subject, p->comm, age);
}

static void say_zombie(struct process_verdict *v, const char *subject, const struct proc_info *p)
{
    say(v, REASON_NOT_RUNNING, "%s (%s) is a zombie (exited, not reaped by its parent %d)", subject,
        p->comm, (int)p->parent);
    v->gone = true;
}

static void say_none(struct process_verdict *v, const char *subject)
{
    say(v, REASON_NOT_RUNNING, "%s: no such process", subject);
    v->gone = true;
}

/* /proc does not show it (hidepid, or it is not there): what the kernel says without. */
static void judge_unseen(const struct process_conf *c, pid_t pid, enum proc_found found, bool ours,
                         const char *subject, struct process_verdict *v)
{
    struct err e;
    if (proc_root_check(c->root, &e) < 0) {
        say(v, REASON_INTERNAL, "%s: %s", subject, e.text);
        return;
    }
    if (ours)
        found = proc_ask_kernel(pid);
    else if (found == PROC_NONE && !proc_sees_all(c->root))
        found = PROC_HIDDEN;
    if (found == PROC_NONE)
        say_none(v, subject);
    else if (found == PROC_FOUND && !c->user)
        say(v, REASON_OK, "%s is running; %s hides its name and age from us", subject, c->root);
    else
        say(v, REASON_INTERNAL, "%s: %s hides it from us (hidepid)", subject, c->root);
}

/* It is there and alive: is it a process at all, and whose? */
static void judge_owner(const struct process_conf *c, const char *subject,
                        const struct proc_info *p, struct process_verdict *v)
{
    struct proc_status status;
    if (proc_status(c->root, p->id.pid, &status) < 0) {
        if (c->user || proc_is_shortage(errno))
            say(v, REASON_INTERNAL, "%s (%s): cannot read its status: %s", subject, p->comm,
                strerror(errno));
        else
            say_running(v, subject, p);
    } else if (status.process != p->id.pid) {
        say(v, REASON_NOT_RUNNING, "%s: no such process, it is a thread of %d (%s)", subject,
            (int)status.process, p->comm);
        v->gone = true;
    } else if (c->user && status.user != c->uid) {
        say(v, REASON_MISMATCH, "%s (%s) runs as user %u, expected %s", subject, p->comm,
            (unsigned)status.user, c->user);
    } else {
        say_running(v, subject, p);
    }
}

/* REASON_OK leaves who it is in `p`; its start is 0 where that cannot be seen. The probe itself is
 * nobody's service: its number comes from another pid namespace, or has been given anew. */
static void judge_pid(struct process_look *l, pid_t pid, const char *subject, struct proc_info *p)
{
    const struct process_conf *c = l->conf;
    struct process_verdict *v = &l->verdict;
    struct err e;
    pid_t self;
    *p = (struct proc_info){0};
    if (proc_self(c->root, &self, &l->ours) < 0) {
        say(v, REASON_INTERNAL, "%s: cannot read %s: %s", subject, c->root, strerror(errno));
        return;
    }
    if (pid == self) {
        say(v, REASON_MISMATCH,
            "%s is probe itself: the number is of another pid namespace, or its process has ended",
            subject);
        return;
    }
    enum proc_found found = proc_look(c->root, pid, p, &e);
    if (found == PROC_FAILED)
        say(v, REASON_INTERNAL, "%s: %s", subject, e.text);
    else if (found != PROC_FOUND)
        judge_unseen(c, pid, found, l->ours, subject, v);
    else if (proc_has_ended(p))
        say_zombie(v, subject, p);
    else
        judge_owner(c, subject, p, v);
}

static void say_reused(struct process_verdict *v, const char *subject, const struct proc_info *p)
{
    char age[CLOCK_SHORT_SIZE];
    say(v, REASON_NOT_RUNNING,
        "%s is another process now (%s, started %s ago), the one that was watched has ended",
        subject, p->comm, clock_short(proc_age(&p->id), age));
    v->gone = true;
}

static bool is_other(const struct proc_id *before, const struct proc_info *p)
{
    return before->start && p->id.start && before->pid == p->id.pid && before->start != p->id.start;
}

static void keep_found(struct process_look *l, const struct proc_info *p)
{
    l->whole = true;
    if (!p->id.start)
        return;
    l->known = l->found[0] = p->id;
    l->n_found = 1;
}

static void look_by_pid(struct process_look *l)
{
    char subject[32];
    struct proc_info p;
    snprintf(subject, sizeof subject, "pid %d", (int)l->conf->pid);
    judge_pid(l, l->conf->pid, subject, &p);
    l->whole = true;
    if (l->verdict.reason != REASON_OK)
        return;
    if (is_other(&l->known, &p))
        say_reused(&l->verdict, subject, &p);
    else
        keep_found(l, &p);
}

/* The file is right; is the process that it names the one that was meant? */
static void judge_named(struct process_look *l, const struct proc_pidfile *file,
                        const char *subject, struct proc_info *p)
{
    const struct process_conf *c = l->conf;
    char late[CLOCK_SHORT_SIZE];
    int64_t lag;
    bool same_file = proc_pidfile_same(&l->file, file);
    if (same_file && is_other(&l->known, p)) {
        say_reused(&l->verdict, subject, p);
        return;
    }
    enum proc_order order =
        p->id.start ? proc_pidfile_order(c->root, file, &p->id, &lag) : PROC_BEFORE;
    if (order == PROC_AFTER) {
        say(&l->verdict, REASON_NOT_RUNNING,
            "pidfile %s is stale: %d (%s) was started %s after the file was written", c->pidfile,
            (int)file->pid, p->comm, clock_short(lag, late));
        l->verdict.gone = true;
    } else if (order == PROC_UNSURE && !(same_file && l->known.start)) {
        say(&l->verdict, REASON_INTERNAL,
            "pidfile %s: %d (%s) seems to have been started %s after the file was written: it is "
            "another process, or the clock was set; which cannot be told",
            c->pidfile, (int)file->pid, p->comm, clock_short(lag, late));
    } else {
        keep_found(l, p);
        l->file = *file;
    }
}

static void look_by_pidfile(struct process_look *l)
{
    const char *path = l->conf->pidfile;
    struct proc_pidfile file = {0};
    struct proc_info p;
    struct err e;
    bool missing;
    l->whole = true;
    enum reason reason = proc_pidfile_read(path, &file, &missing, &e);
    if (reason != REASON_OK) {
        say(&l->verdict, reason, "%s", e.text);
        l->verdict.gone = missing;
        return;
    }
    char subject[PROBE_DETAIL_MAX];
    snprintf(subject, sizeof subject, "pidfile %s: pid %d", path, (int)file.pid);
    judge_pid(l, file.pid, subject, &p);
    if (l->verdict.reason == REASON_OK)
        judge_named(l, &file, subject, &p);
    else if (l->verdict.gone && p.id.pid == 0)
        snprintf(l->verdict.words, sizeof l->verdict.words, "pidfile %s names %d, no such process",
                 path, (int)file.pid);
}

/* ---- Processes by name or command line. ---- */

static void say_crowd(const struct process_conf *c, const struct process_crowd *crowd,
                      bool at_least, struct process_verdict *v)
{
    char wanted[160], age[CLOCK_SHORT_SIZE], subject[32];
    const struct proc_info *oldest = &crowd->first;
    process_wanted(c, wanted, sizeof wanted);
    snprintf(subject, sizeof subject, "pid %d", (int)oldest->id.pid);
    if (crowd->count == 0)
        say(v, REASON_OK, "no process %s is running", wanted);
    else if (crowd->count == 1)
        say_running(v, subject, oldest);
    else
        say(v, REASON_OK, "%s%zu processes %s are running, the oldest, %s (%s), for %s",
            at_least ? "at least " : "", crowd->count, wanted, subject, oldest->comm,
            clock_short(proc_age(&oldest->id), age));
}

/* Enough of them, or not too many, can be said only where none is hidden. */
static bool judge_hidden(const struct process_conf *c, const struct process_crowd *crowd,
                         struct process_verdict *v)
{
    struct err e;
    if (proc_root_check(c->root, &e) < 0)
        say(v, REASON_INTERNAL, "%s", e.text);
    else if (crowd->hidden || !proc_sees_all(c->root))
        say(v, REASON_INTERNAL, "%s hides processes from us (hidepid), they cannot be counted",
            c->root);
    else if (crowd->hanging)
        say(v, REASON_INTERNAL,
            "cannot tell whether process %d is one: the kernel does not answer for its command "
            "line",
            (int)crowd->hanging);
    else
        return false;
    return true;
}

static void judge_crowd(const struct process_conf *c, const struct process_crowd *crowd,
                        struct process_verdict *v)
{
    char wanted[160];
    int64_t count = (int64_t)crowd->count;
    bool few = count < c->min_count, many = c->max_count >= 0 && count > c->max_count;
    process_wanted(c, wanted, sizeof wanted);
    if ((few || (c->max_count >= 0 && !many)) && judge_hidden(c, crowd, v))
        return;
    say_crowd(c, crowd, false, v);
    if (count == 0 && few && crowd->zombies) {
        char subject[32];
        snprintf(subject, sizeof subject, "pid %d", (int)crowd->zombie.id.pid);
        say_zombie(v, subject, &crowd->zombie);
    } else if (count == 0 && few) {
        say(v, REASON_NOT_RUNNING, "no process %s is running", wanted);
        v->gone = true;
    } else if (few || many) {
        say(v, REASON_MISMATCH, "%lld process%s %s %s running, expected at %s %lld",
            (long long)count, count == 1 ? "" : "es", wanted, count == 1 ? "is" : "are",
            few ? "least" : "most", (long long)(few ? c->min_count : c->max_count));
    }
}

/* Where those that are watched are enough, nobody else needs to be looked for. */
static bool are_enough(struct process_look *l, struct pattern_search *search)
{
    const struct process_conf *c = l->conf;
    struct process_crowd crowd = {.search = search, .reading = &l->reading};
    if (c->max_count >= 0 || c->min_count == 0 || l->n_watched < (size_t)c->min_count)
        return false;
    for (size_t i = 0; i < l->n_watched; i++)
        process_count(c, &crowd, l->watched[i].pid);
    if (crowd.failed || crowd.count < (size_t)c->min_count)
        return false;
    say_crowd(c, &crowd, true, &l->verdict);
    return true;
}

/* 0, or an errno value when the folder could not be read to its end. */
static int count_all(const struct process_conf *c, struct process_crowd *crowd)
{
    DIR *dir = opendir(c->root);
    if (!dir)
        return errno;
    const struct dirent *entry;
    while (!crowd->failed && ((void)(errno = 0), entry = readdir(dir))) {
        pid_t pid = proc_pid_of(entry->d_name);
        if (pid)
            process_count(c, crowd, pid);
    }
    int errnum = crowd->failed ? 0 : errno;
    closedir(dir);
    return errnum;
}

static void look_for_all(struct process_look *l, struct pattern_search *search)
{
    const struct process_conf *c = l->conf;
    struct process_crowd crowd = {.search = search, .reading = &l->reading};
    if (are_enough(l, search))
        return;
    l->whole = true;
    int errnum = proc_self(c->root, &crowd.self, &l->ours) < 0 ? errno : count_all(c, &crowd);
    if (errnum)
        say(&l->verdict, REASON_INTERNAL, "cannot read %s: %s", c->root, strerror(errnum));
    else if (crowd.failed)
        say(&l->verdict, REASON_INTERNAL, "%s", crowd.failure.text);
    else
        judge_crowd(c, &crowd, &l->verdict);
    memcpy(l->found, crowd.oldest, sizeof l->found);
    l->n_found = crowd.n_oldest;
}

void process_look(struct process_look *l)
{
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_search search;
    l->n_found = 0;
    l->whole = l->ours = false;
    pattern_search_init(&search, l->conf->cmdline, &budget);
    if (l->conf->by == BY_PID)
        look_by_pid(l);
    else if (l->conf->by == BY_PIDFILE)
        look_by_pidfile(l);
    else
        look_for_all(l, &search);
    pattern_search_fini(&search);
}
