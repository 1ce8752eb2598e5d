/* work: jobs on threads of their own, for what may block or takes long. The result of a job may
 * come too late, or never: its owner can abandon it at any time, and a job that hangs costs a
 * thread, nothing else. A thread that cannot be made is an error of that job, never an abort. */
#ifndef PROBE_LOOP_WORK_H
#define PROBE_LOOP_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/err.h"

/* What WORK_X may become; work.c has the one function that moves a job, and asserts it.
 *
 *   IDLE ------> QUEUED           work_start; the job is work's
 *   QUEUED ----> RUNNING          a thread takes it
 *   RUNNING ---> DONE             `run` has returned
 *   DONE ------> IDLE             `on_done` is called; the job is the owner's again
 *   QUEUED, RUNNING, DONE -> ABANDONED   work_abandon; freed at once, or when `run` returns */
enum work_state { WORK_IDLE, WORK_QUEUED, WORK_RUNNING, WORK_DONE, WORK_ABANDONED };

/* Embedded in the job's memory, which holds all that the job reads and writes. Zero otherwise. */
struct work_job {
    void (*run)(struct work_job *job);     /* on a thread: may touch nothing but the job */
    void (*on_done)(struct work_job *job); /* on the loop, never from inside work_start */
    void (*free)(struct work_job *job);    /* frees an abandoned job, on any thread */
    /* Private. */
    enum work_state state;
    struct work *work;
    struct work_job *next;
};

struct work;

/* At most `most` jobs run at once, those that hang among them; others wait in line. NULL with the
 * words. */
struct work *work_new(uv_loop_t *loop, size_t most, struct err *e);

/* Takes the job until on_done or work_abandon. -1 with the words: no thread could be made for it,
 * and the job is still the owner's. */
int work_start(struct work *w, struct work_job *job, struct err *e);

/* The result is not wanted: on_done will not come, and the job frees itself. An idle job is freed
 * at once. */
void work_abandon(struct work_job *job);

/* Has it been waiting in line all the time, behind others? */
bool work_is_waiting(struct work_job *job);

/* Abandons every job. Its handle closes in the loop's next turn; the memory goes with the last
 * thread. */
void work_close(struct work *w);

/* Does a thread of any `work` still run? Then the process must end by _exit: exit handlers would
 * free what the thread uses. */
bool work_any_running(void);

#endif
