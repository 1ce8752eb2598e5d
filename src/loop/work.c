/* work: see work.h. A thread takes jobs from the line until none is left, and ends: idle threads
 * cost memory. The mutex guards the line, the list of done jobs and each job's state. */
#include "loop/work.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

/* Enough for any parser; the default of 8 MiB each would count against a limit of memory. */
#define STACK_BYTES ((size_t)512 * 1024)

struct list {
    struct work_job *first, **last;
};

struct work {
    pthread_mutex_t lock;
    struct list line, done;
    size_t most, n_threads;
    size_t refs; /* the owner's until the handle is closed, and each thread's */
    bool open;   /* the handle may be used, and results are wanted */
    uv_async_t wake;
};

static atomic_size_t n_running;

static void append(struct list *l, struct work_job *job)
{
    job->next = NULL;
    *l->last = job;
    l->last = &job->next;
}

/* Nothing where it is not in the list. */
static void take_out(struct list *l, struct work_job *job)
{
    struct work_job **at = &l->first;
    while (*at && *at != job)
        at = &(*at)->next;
    if (!*at)
        return;
    *at = job->next;
    if (!*at)
        l->last = at;
}

static struct work_job *take_first(struct list *l)
{
    struct work_job *job = l->first;
    if (job)
        take_out(l, job);
    return job;
}

static void move_to(struct work_job *job, enum work_state to)
{
    static const unsigned allowed[] = {
        [WORK_IDLE] = 1 << WORK_QUEUED,
        [WORK_QUEUED] = 1 << WORK_RUNNING | 1 << WORK_ABANDONED | 1 << WORK_IDLE,
        [WORK_RUNNING] = 1 << WORK_DONE | 1 << WORK_ABANDONED,
        [WORK_DONE] = 1 << WORK_IDLE | 1 << WORK_ABANDONED,
        [WORK_ABANDONED] = 0,
    };
    assert(allowed[job->state] & 1u << to);
    job->state = to;
}

/* The lock is held, and is no more afterwards. */
static void unref(struct work *w)
{
    bool last = --w->refs == 0;
    pthread_mutex_unlock(&w->lock);
    if (!last)
        return;
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* The lock is held, and again afterwards. */
static void run_one(struct work *w, struct work_job *job)
{
    move_to(job, WORK_RUNNING);
    pthread_mutex_unlock(&w->lock);
    job->run(job);
    pthread_mutex_lock(&w->lock);
    if (job->state == WORK_ABANDONED || !w->open) {
        pthread_mutex_unlock(&w->lock);
        job->free(job);
        pthread_mutex_lock(&w->lock);
        return;
    }
    move_to(job, WORK_DONE);
    append(&w->done, job);
    uv_async_send(&w->wake);
}

static void *thread_main(void *arg)
{
    struct work *w = arg;
    struct work_job *job;
    pthread_mutex_lock(&w->lock);
    while ((job = take_first(&w->line)))
        run_one(w, job);
    w->n_threads--;
    n_running--;
    unref(w);
    return NULL;
}

/* Signals are the loop's: none is handled on a thread. 0, or an errno value. */
static int make_thread(struct work *w)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, before;
    int rc = pthread_attr_init(&attr);
    if (rc != 0)
        return rc;
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&thread, &attr, thread_main, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    return rc;
}

static void on_wake(uv_async_t *wake)
{
    struct work *w = container_of(wake, struct work, wake);
    struct work_job *job;
    for (;;) {
        pthread_mutex_lock(&w->lock);
        if ((job = take_first(&w->done)))
            move_to(job, WORK_IDLE);
        pthread_mutex_unlock(&w->lock);
        if (!job)
            return;
        job->on_done(job);
    }
}

struct work *work_new(uv_loop_t *loop, size_t most, struct err *e)
{
    struct work *w = calloc(1, sizeof *w);
    if (!w) {
        err_set(e, "out of memory");
        return NULL;
    }
    int rc = uv_async_init(loop, &w->wake, on_wake);
    if (rc < 0) {
        err_set(e, "cannot wake the loop from a thread: %s", uv_strerror(rc));
        free(w);
        return NULL;
    }
    pthread_mutex_init(&w->lock, NULL);
    w->line.last = &w->line.first;
    w->done.last = &w->done.first;
    w->most = most;
    w->refs = 1;
    w->open = true;
    return w;
}

int work_start(struct work *w, struct work_job *job, struct err *e)
{
    int rc = 0;
    pthread_mutex_lock(&w->lock);
    job->work = w;
    move_to(job, WORK_QUEUED);
    append(&w->line, job);
    if (w->n_threads < w->most) {
        rc = make_thread(w);
        if (rc == 0) {
            w->n_threads++;
            n_running++;
            w->refs++;
        } else if (w->n_threads) {
            rc = 0; /* one of those that run will take it */
        } else {
            take_out(&w->line, job);
            move_to(job, WORK_IDLE);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return rc ? err_errno(e, rc, "cannot make a thread") : 0;
}

void work_abandon(struct work_job *job)
{
    struct work *w = job->work;
    bool runs = false;
    if (w) { /* it was started once */
        pthread_mutex_lock(&w->lock);
        runs = job->state == WORK_RUNNING;
        take_out(&w->line, job);
        take_out(&w->done, job);
        if (job->state != WORK_IDLE)
            move_to(job, WORK_ABANDONED);
        pthread_mutex_unlock(&w->lock);
    }
    if (!runs)
        job->free(job);
}

bool work_is_waiting(struct work_job *job)
{
    if (!job->work)
        return false;
    pthread_mutex_lock(&job->work->lock);
    bool waiting = job->state == WORK_QUEUED;
    pthread_mutex_unlock(&job->work->lock);
    return waiting;
}

static void on_wake_closed(uv_handle_t *handle)
{
    struct work *w = container_of((uv_async_t *)handle, struct work, wake);
    pthread_mutex_lock(&w->lock);
    unref(w);
}

void work_close(struct work *w)
{
    struct work_job *job;
    struct list left = {.last = &left.first};
    pthread_mutex_lock(&w->lock);
    w->open = false;
    while ((job = take_first(&w->line)) || (job = take_first(&w->done)))
        append(&left, job);
    pthread_mutex_unlock(&w->lock);
    while ((job = take_first(&left))) {
        move_to(job, WORK_ABANDONED);
        job->free(job);
    }
    uv_close((uv_handle_t *)&w->wake, on_wake_closed);
}

bool work_any_running(void)
{
    return n_running != 0;
}
