/* reload: see reload.h. */
#include "agent/reload.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"

/* A file system that does not answer for so long is told as the reload's failure. */
#define GIVE_UP_NS (30 * NS_PER_S)
/* Threads at once: one hangs, another reads. */
#define THREADS 2

/* All that the thread reads and writes. */
struct reload_job {
    struct work_job job;
    struct reload *reload;
    struct config_source source;
    struct config_report report;
    struct config *config; /* NULL: refused, or taken into use */
};

static void run_job(struct work_job *job)
{
    struct reload_job *j = container_of(job, struct reload_job, job);
    config_load(&j->source, &j->config, &j->report);
}

static void free_job(struct work_job *job)
{
    struct reload_job *j = container_of(job, struct reload_job, job);
    config_free(j->config);
    config_report_fini(&j->report);
    free(j);
}

/* Freeing a configuration of many probes takes long, so a thread does it. */
static void run_free(struct work_job *job)
{
    struct reload_job *j = container_of(job, struct reload_job, job);
    config_free(j->config);
    j->config = NULL;
}

/* `config` NULL: it was refused. */
static void tell(struct reload *r, const struct config *config, const struct config_report *report)
{
    sched_clear(&r->engine->sched, &r->giveup);
    r->job = NULL;
    r->on_end(r, config, report);
    if (r->again) {
        r->again = false;
        r->number++;
        sched_set(&r->engine->sched, &r->turn, clock_now());
    }
}

static void refuse(struct reload *r, const char *why)
{
    struct config_report report;
    config_report_init(&report);
    config_report_add(&report, true, NULL, 0, "agent", "%s", why);
    tell(r, NULL, &report);
    config_report_fini(&report);
}

static void on_loaded(struct work_job *job)
{
    struct reload_job *j = container_of(job, struct reload_job, job);
    struct reload *r = j->reload;
    struct err e;
    bool done = j->config && r->apply(r, j->config, &e) == 0;
    if (j->config && !done)
        config_report_add(&j->report, true, NULL, 0, "agent", "%s", e.text);
    tell(r, done ? j->config : NULL, &j->report);
    j->job.run = run_free;
    j->job.on_done = free_job;
    if (!r->work || work_start(r->work, &j->job, NULL) < 0)
        free_job(&j->job);
}

/* The thread keeps the job, which frees itself whenever it comes back. */
static void on_give_up(struct sched_entry *entry, int64_t now)
{
    (void)now;
    struct reload *r = container_of(entry, struct reload, giveup);
    work_abandon(&r->job->job);
    refuse(r, "the configuration could not be read within 30s: a file system hangs");
}

static void begin(struct reload *r)
{
    struct err e;
    r->on_begin(r);
    if (!r->work && !(r->work = work_new(r->engine->loop, THREADS, &e))) {
        refuse(r, e.text);
        return;
    }
    struct reload_job *j = calloc(1, sizeof *j);
    if (!j) {
        refuse(r, "out of memory");
        return;
    }
    *j = (struct reload_job){.job = {.run = run_job, .on_done = on_loaded, .free = free_job},
                             .reload = r,
                             .source = *r->source};
    config_report_init(&j->report);
    if (work_start(r->work, &j->job, &e) < 0) {
        free_job(&j->job);
        refuse(r, e.text);
        return;
    }
    r->job = j;
    sched_set(&r->engine->sched, &r->giveup, time_add(clock_now(), GIVE_UP_NS));
}

static void on_turn(struct sched_entry *entry, int64_t now)
{
    (void)now;
    begin(container_of(entry, struct reload, turn));
}

void reload_init(struct reload *r)
{
    r->turn.fire = on_turn;
    r->giveup.fire = on_give_up;
}

uint64_t reload_ask(struct reload *r)
{
    if (r->job) {
        r->again = true;
    } else if (!r->closed && !r->turn.pos) {
        r->number++;
        sched_set(&r->engine->sched, &r->turn, clock_now());
    }
    return r->number + r->again;
}

void reload_close(struct reload *r)
{
    r->closed = true;
    r->again = false;
    sched_clear(&r->engine->sched, &r->turn);
    sched_clear(&r->engine->sched, &r->giveup);
    if (r->job)
        work_abandon(&r->job->job);
    r->job = NULL;
    if (r->work)
        work_close(r->work);
    r->work = NULL;
}
