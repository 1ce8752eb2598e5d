/* process: is a process there? Liveness is existence: a zombie has ended, a stopped process has
 * not (the detail says that it is stopped); who gets a dead process's number is another. In an
 * agent the end of a process is seen at once, through a pidfd. It sends no signal and asks the
 * process nothing: whether it does its work is another type's question.
 *
 * Looks are made on threads, as the kernel may not answer for a process that is stuck. Only a look
 * by number is made at once: it reads nothing that can wait. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "host.h"
#include "loop/work.h"
#include "probe.h"
#include "process/proc_watch.h"
#include "process/process_conf.h"
#include "process/process_look.h"

/* Between the runs: who is watched, and who was found. */
struct process_kept {
    struct probe_kept base;
    struct proc_watches watches;
    struct proc_id id;        /* by pid and pidfile: the process that was found */
    struct proc_pidfile file; /* by pidfile: the file that named it */
};

/* Of a run, and of the thread that looks: it outlives a run that did not wait for it. */
struct process_job {
    struct work_job job;
    struct process_run *run;
    struct process_look look;
};

struct process_run {
    struct probe_run run;
    struct process_job *job; /* NULL: released */
    unsigned looks;
};

/* A process that goes between the look and the watch: looked at again, so often at most. */
#define LOOKS_MAX 3

static struct process_kept *kept_of(const struct probe_run *run)
{
    return (struct process_kept *)run->kept;
}

static void job_free(struct work_job *job)
{
    struct process_job *j = container_of(job, struct process_job, job);
    process_dispose((void *)j->look.conf);
    free(j);
}

static void release(struct process_run *r)
{
    work_abandon(&r->job->job);
    r->job = NULL;
    probe_release(&r->run);
}

/* Watches those that were found. False when one of them has gone meanwhile. */
static bool watch(struct process_run *r)
{
    struct process_kept *kept = kept_of(&r->run);
    struct process_look *l = &r->job->look;
    if (!kept || !l->whole)
        return true;
    kept->id = l->known;
    kept->file = l->file;
    if (l->conf->by == BY_NAME || l->conf->by == BY_CMDLINE)
        kept->watches.n_wanted = (size_t)l->conf->min_count;
    return proc_watch_set(&kept->watches, l->conf->root, l->found, l->ours ? l->n_found : 0) == 0;
}

static void look(struct process_run *r);

static void on_looked(struct work_job *job)
{
    struct process_run *r = container_of(job, struct process_job, job)->run;
    if (!watch(r) && ++r->looks < LOOKS_MAX) {
        look(r);
        return;
    }
    const struct process_verdict *v = &r->job->look.verdict;
    if (v->gone)
        probe_gone(&r->run);
    probe_finish(&r->run, v->reason, "%s", v->words);
    release(r);
}

static void job_run(struct work_job *job)
{
    process_look(&container_of(job, struct process_job, job)->look);
}

static void look(struct process_run *r)
{
    struct process_kept *kept = kept_of(&r->run);
    struct process_job *j = r->job;
    struct err e;
    if (kept) {
        j->look.known = kept->id;
        j->look.file = kept->file;
        j->look.n_watched = proc_watch_alive(&kept->watches, j->look.watched);
    }
    if (j->look.conf->by == BY_PID) {
        job_run(&j->job);
        on_looked(&j->job);
        return;
    }
    struct work *work = probe_work(r->run.env, "process", PROC_READERS, &e);
    if (work && work_start(work, &j->job, &e) == 0)
        return;
    probe_finish(&r->run, REASON_INTERNAL, "%s", e.text);
    release(r);
}

/* What a run that is out of time waited for. */
static void describe(struct probe_run *run, char out[PROBE_DETAIL_MAX])
{
    struct process_run *r = container_of(run, struct process_run, run);
    const struct process_conf *c = run->conf;
    int pid = r->job ? r->job->look.reading : 0;
    if (r->job && work_is_waiting(&r->job->job))
        snprintf(out, PROBE_DETAIL_MAX, "%d other looks at processes hang", PROC_READERS);
    else if (pid)
        snprintf(out, PROBE_DETAIL_MAX,
                 "the kernel does not answer for the command line of process %d", pid);
    else
        snprintf(out, PROBE_DETAIL_MAX, "looking through the processes in %s", c->root);
}

static void process_start(struct probe_run *run)
{
    struct process_run *r = container_of(run, struct process_run, run);
    r->job = calloc(1, sizeof *r->job);
    if (!r->job) {
        probe_finish(run, REASON_INTERNAL, "out of memory");
        probe_release(run);
        return;
    }
    r->job->job = (struct work_job){.run = job_run, .on_done = on_looked, .free = job_free};
    r->job->run = r;
    r->job->look.conf = process_conf_ref(run->conf);
    probe_note_later(run, describe);
    look(r);
}

static void process_cancel(struct probe_run *run)
{
    release(container_of(run, struct process_run, run));
}

/* ---- Between the runs. ---- */

static void on_ended(struct proc_watches *w)
{
    probe_wake(&container_of(w, struct process_kept, watches)->base);
}

static void on_watches_closed(struct closer *c)
{
    probe_kept_closed(&container_of(c, struct process_kept, watches.closer)->base);
}

static void process_kept_open(struct probe_kept *base)
{
    struct process_kept *kept = container_of(base, struct process_kept, base);
    closer_init(&kept->watches.closer, base->env->loop, on_watches_closed);
    kept->watches.on_ended = on_ended;
    kept->watches.n_wanted = 1;
}

static void process_kept_close(struct probe_kept *base)
{
    proc_watch_close(&container_of(base, struct process_kept, base)->watches);
}

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
