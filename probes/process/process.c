/* process: is a process there? Liveness is existence: a zombie has ended, a stopped process has
 * not (the detail says that it is stopped); who gets a dead process's number is another. In an
 * agent the end of a process is seen at once, through a pidfd. It sends no signal and asks the
 * process nothing: whether it does its work is another type's question. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/str.h"
#include "host.h"
#include "probe.h"
#include "process/proc_fs.h"
#include "process/proc_pidfile.h"
#include "process/proc_scan.h"
#include "process/proc_watch.h"
#include "process/process_conf.h"
#include "process/process_match.h"

/* Between the runs: who is watched, and who was found. */
struct process_kept {
    struct probe_kept base;
    struct proc_watches watches;
    struct proc_id id;        /* by pid and pidfile: the process that was found */
    struct proc_pidfile file; /* by pidfile: the file that named it */
};

struct process_run {
    struct probe_run run;
    struct proc_scan scan;
    struct process_crowd crowd;
    struct pattern_budget budget;
    struct pattern_search search;
    bool scanning;
    bool ours; /* the numbers are those of our own pid namespace */
};

/* What a run comes to. */
struct verdict {
    enum reason reason;
    bool gone;
    char words[PROBE_DETAIL_MAX + 1];
};

static const struct process_conf *conf_of(const struct probe_run *run)
{
    return run->conf;
}

static struct process_kept *kept_of(const struct probe_run *run)
{
    return (struct process_kept *)run->kept;
}

static void say(struct verdict *v, enum reason reason, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void say(struct verdict *v, enum reason reason, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->words, sizeof v->words, fmt, ap);
    va_end(ap);
    v->reason = reason;
    v->gone = false;
}

static void report(struct probe_run *run, const struct verdict *v)
{
    if (v->gone)
        probe_gone(run);
    probe_finish(run, v->reason, "%s", v->words);
}

/* ---- One process by its number. `subject` names it: "pid 12", "pidfile /run/x.pid: pid 12". ----
 */

static void say_running(struct verdict *v, const char *subject, const struct proc_info *p)
{
    char age[CLOCK_SHORT_SIZE];
    clock_short(proc_age(&p->id), age);
    if (proc_is_stopped(p))
        say(v, REASON_OK, "%s (%s) is stopped by a signal, started %s ago", subject, p->comm, age);
    else
        say(v, REASON_OK, "%s (%s) has been running for %s", subject, p->comm, age);
}

static void say_zombie(struct verdict *v, const char *subject, const struct proc_info *p)
{
    say(v, REASON_NOT_RUNNING, "%s (%s) is a zombie (exited, not reaped by its parent %d)", subject,
        p->comm, (int)p->parent);
    v->gone = true;
}

static void say_none(struct verdict *v, const char *subject)
{
    say(v, REASON_NOT_RUNNING, "%s: no such process", subject);
    v->gone = true;
}

/* /proc does not show it (hidepid, or it is not there): what the kernel says without. */
static void judge_unseen(const struct process_conf *c, pid_t pid, enum proc_found found,
                         const char *subject, struct verdict *v)
{
    bool ours;
    pid_t self;
    struct err e;
    if (proc_root_check(c->root, &e) < 0) {
        say(v, REASON_INTERNAL, "%s: %s", subject, e.text);
        return;
    }
    if (proc_self(c->root, &self, &ours) == 0 && ours)
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
                        const struct proc_info *p, struct verdict *v)
{
    uid_t uid;
    pid_t process;
    if (proc_owner(c->root, p->id.pid, &uid, &process) < 0) {
        if (c->user || proc_is_shortage(errno))
            say(v, REASON_INTERNAL, "%s (%s): cannot read its status: %s", subject, p->comm,
                strerror(errno));
        else
            say_running(v, subject, p);
    } else if (process != p->id.pid) {
        say(v, REASON_NOT_RUNNING, "%s: no such process, it is a thread of %d (%s)", subject,
            (int)process, p->comm);
        v->gone = true;
    } else if (c->user && uid != c->uid) {
        say(v, REASON_MISMATCH, "%s (%s) runs as user %u, expected %s", subject, p->comm,
            (unsigned)uid, c->user);
    } else {
        say_running(v, subject, p);
    }
}

/* REASON_OK leaves who it is in `p`; its start is 0 where that cannot be seen. */
static void judge_pid(const struct process_conf *c, pid_t pid, const char *subject,
                      struct proc_info *p, struct verdict *v)
{
    struct err e;
    *p = (struct proc_info){0};
    enum proc_found found = proc_look(c->root, pid, p, &e);
    if (found == PROC_FAILED)
        say(v, REASON_INTERNAL, "%s: %s", subject, e.text);
    else if (found != PROC_FOUND)
        judge_unseen(c, pid, found, subject, v);
    else if (proc_has_ended(p))
        say_zombie(v, subject, p);
    else
        judge_owner(c, subject, p, v);
}

static void say_reused(struct verdict *v, const char *subject, const struct proc_info *p)
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

static void judge_by_pid(const struct process_conf *c, struct process_kept *kept,
                         struct proc_info *p, struct verdict *v)
{
    char subject[32];
    snprintf(subject, sizeof subject, "pid %d", (int)c->pid);
    judge_pid(c, c->pid, subject, p, v);
    if (v->reason != REASON_OK || !kept)
        return;
    if (is_other(&kept->id, p))
        say_reused(v, subject, p);
    else if (p->id.start)
        kept->id = p->id;
}

/* The file is right; is the process that it names the one that was meant? */
static void judge_named(const struct process_conf *c, const struct proc_pidfile *file,
                        struct process_kept *kept, const char *subject, struct proc_info *p,
                        struct verdict *v)
{
    int64_t lag = p->id.start ? proc_pidfile_lag(c->root, file, &p->id) : 0;
    if (kept && proc_pidfile_same(&kept->file, file) && is_other(&kept->id, p)) {
        say_reused(v, subject, p);
    } else if (lag) {
        char late[CLOCK_SHORT_SIZE];
        say(v, REASON_NOT_RUNNING,
            "pidfile %s is stale: %d (%s) was started %s after the file was written", c->pidfile,
            (int)file->pid, p->comm, clock_short(lag, late));
        v->gone = true;
    } else if (kept && p->id.start) {
        kept->id = p->id;
        kept->file = *file;
    }
}

static void judge_by_pidfile(const struct process_conf *c, struct process_kept *kept,
                             struct proc_info *p, struct verdict *v)
{
    struct proc_pidfile file = {0};
    struct err e;
    bool missing;
    enum reason reason = proc_pidfile_read(c->pidfile, &file, &missing, &e);
    if (reason != REASON_OK) {
        say(v, reason, "%s", e.text);
        v->gone = missing;
        return;
    }
    char subject[PROBE_DETAIL_MAX];
    snprintf(subject, sizeof subject, "pidfile %s: pid %d", c->pidfile, (int)file.pid);
    judge_pid(c, file.pid, subject, p, v);
    if (v->reason == REASON_OK)
        judge_named(c, &file, kept, subject, p, v);
    else if (v->gone && p->id.pid == 0)
        snprintf(v->words, sizeof v->words, "pidfile %s names %d, no such process", c->pidfile,
                 (int)file.pid);
}

static void start_one(struct probe_run *run)
{
    const struct process_conf *c = conf_of(run);
    struct process_kept *kept = kept_of(run);
    struct verdict v;
    struct proc_info p;
    /* Looked at again when it went between the look and the watch. */
    for (int i = 0; i < 2; i++) {
        p = (struct proc_info){0};
        if (c->by == BY_PID)
            judge_by_pid(c, kept, &p, &v);
        else
            judge_by_pidfile(c, kept, &p, &v);
        bool ours = false;
        pid_t self;
        if (kept && v.reason == REASON_OK && proc_watch_has(&kept->watches, &p.id))
            break;
        if (kept && v.reason == REASON_OK && p.id.start)
            proc_self(c->root, &self, &ours);
        size_t n = ours ? 1 : 0;
        if (!kept || !proc_watch_set(&kept->watches, run->env->loop, c->root, &p.id, n))
            break;
    }
    report(run, &v);
    probe_release(run);
}

/* ---- Processes by name or command line. ---- */

static void say_crowd(const struct process_conf *c, const struct process_crowd *crowd,
                      bool at_least, struct verdict *v)
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
                         struct verdict *v)
{
    struct err e;
    if (proc_root_check(c->root, &e) < 0)
        say(v, REASON_INTERNAL, "%s", e.text);
    else if (crowd->hidden || !proc_sees_all(c->root))
        say(v, REASON_INTERNAL, "%s hides processes from us (hidepid), they cannot be counted",
            c->root);
    else
        return false;
    return true;
}

static void judge_crowd(const struct process_conf *c, const struct process_crowd *crowd,
                        struct verdict *v)
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

static void release(struct process_run *r)
{
    pattern_search_fini(&r->search);
    probe_release(&r->run);
}

static void on_scan_closed(struct proc_scan *scan)
{
    release(container_of(scan, struct process_run, scan));
}

static void end_scan(struct process_run *r)
{
    r->scanning = false;
    proc_scan_close(&r->scan, on_scan_closed);
}

static void watch_crowd(struct process_run *r)
{
    const struct process_conf *c = conf_of(&r->run);
    struct process_kept *kept = kept_of(&r->run);
    if (!kept)
        return;
    kept->watches.n_wanted = (size_t)c->min_count;
    size_t gone = proc_watch_set(&kept->watches, r->run.env->loop, c->root, r->crowd.oldest,
                                 r->ours ? r->crowd.n_oldest : 0);
    r->crowd.count -= gone;
}

static void on_scanned(struct proc_scan *scan, int errnum)
{
    struct process_run *r = container_of(scan, struct process_run, scan);
    const struct process_conf *c = conf_of(&r->run);
    struct verdict v;
    watch_crowd(r);
    if (errnum)
        say(&v, REASON_INTERNAL, "cannot read %s: %s", c->root, strerror(errnum));
    else if (r->crowd.failed)
        say(&v, REASON_INTERNAL, "%s", r->crowd.failure.text);
    else
        judge_crowd(c, &r->crowd, &v);
    report(&r->run, &v);
    end_scan(r);
}

static bool on_process(struct proc_scan *scan, pid_t pid)
{
    struct process_run *r = container_of(scan, struct process_run, scan);
    process_count(conf_of(&r->run), &r->crowd, pid);
    return !r->crowd.failed;
}

/* Where those that are watched are enough, nobody else needs to be looked for. */
static bool are_enough(struct process_run *r)
{
    const struct process_conf *c = conf_of(&r->run);
    const struct process_kept *kept = kept_of(&r->run);
    struct process_crowd crowd = {.search = &r->search};
    struct proc_id ids[PROC_WATCH_MAX];
    struct verdict v;
    if (!kept || c->max_count >= 0 || c->min_count == 0 ||
        kept->watches.n_alive < (size_t)c->min_count)
        return false;
    size_t n = proc_watch_alive(&kept->watches, ids);
    for (size_t i = 0; i < n; i++)
        process_count(c, &crowd, ids[i].pid);
    if (crowd.failed || crowd.count < (size_t)c->min_count)
        return false;
    say_crowd(c, &crowd, true, &v);
    report(&r->run, &v);
    release(r);
    return true;
}

static void process_start(struct probe_run *run)
{
    struct process_run *r = container_of(run, struct process_run, run);
    const struct process_conf *c = conf_of(run);
    if (c->by == BY_PID || c->by == BY_PIDFILE) {
        start_one(run);
        return;
    }
    r->budget.steps = PATTERN_STEPS;
    pattern_search_init(&r->search, c->cmdline, &r->budget);
    r->crowd.search = &r->search;
    if (are_enough(r))
        return;
    if (proc_self(c->root, &r->crowd.self, &r->ours) < 0) {
        probe_finish(run, REASON_INTERNAL, "cannot read %s: %s", c->root, strerror(errno));
        release(r);
        return;
    }
    probe_note(run, "looking through the processes in %s", c->root);
    r->scanning = true;
    proc_scan_start(&r->scan, run->env->loop, c->root, on_process, on_scanned);
}

static void process_cancel(struct probe_run *run)
{
    struct process_run *r = container_of(run, struct process_run, run);
    if (r->scanning)
        end_scan(r);
}

/* ---- Between the runs. ---- */

static void on_ended(struct proc_watches *w)
{
    probe_wake(&container_of(w, struct process_kept, watches)->base);
}

static void process_kept_open(struct probe_kept *base)
{
    struct process_kept *kept = container_of(base, struct process_kept, base);
    kept->watches.on_ended = on_ended;
    kept->watches.n_wanted = 1;
}

static void on_watches_closed(struct proc_watches *w)
{
    probe_kept_closed(&container_of(w, struct process_kept, watches)->base);
}

static void process_kept_close(struct probe_kept *base)
{
    struct process_kept *kept = container_of(base, struct process_kept, base);
    proc_watch_close(&kept->watches, on_watches_closed);
}

extern const struct probe_type probe_type_process;
const struct probe_type probe_type_process = {
    .name = "process",
    .summary = "a process is running: by number, pid file, name or command line",
    .keys = process_keys,
    .n_keys = N_PROCESS_KEYS,
    .schemes = process_schemes,
    .prepare = process_prepare,
    .dispose = process_dispose,
    .run_size = sizeof(struct process_run),
    .start = process_start,
    .cancel = process_cancel,
    .kept_size = sizeof(struct process_kept),
    .kept_open = process_kept_open,
    .kept_close = process_kept_close,
};
