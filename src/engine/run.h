/* run: one attempt of a check, from its start to its release. Inside engine/ only. */
#ifndef PROBE_ENGINE_RUN_H
#define PROBE_ENGINE_RUN_H

#include <stdalign.h>
#include <stddef.h>

#include "engine/engine.h"

struct run {
    struct check *check;
    struct check_conf *conf; /* counted: outlives a reload */
    struct sched_entry deadline;
    int64_t timeout;
    int64_t started_wall;
    int64_t finished_at; /* once `finished` */
    int64_t phase_began;
    int64_t phases[PHASE_COUNT];
    int phase;      /* enum probe_phase, -1: none yet */
    bool starting;  /* inside type->start: cancel and free wait for its end */
    bool finished;  /* the result is in, or not wanted any more */
    bool cancelled; /* type->cancel was called, or will be when `starting` ends */
    bool released;
    bool gone;
    char note[PROBE_DETAIL_MAX];
    void (*describe)(struct probe_run *probe, char out[PROBE_DETAIL_MAX]); /* NULL: note stands */
    alignas(max_align_t) unsigned char memory[]; /* the type's: begins with struct probe_run */
};

/* Begins a run of the check, which has none; the result comes by check_on_result, also when it
 * could not be begun. */
void run_start(struct check *c);

/* Ends a run whose result is not wanted. The release comes later (perhaps from inside). */
void run_drop(struct run *r);

/* For host.c: the first result counts. Takes `detail`, which may be NULL (out of memory). */
void run_finish(struct run *r, enum reason reason, char *detail);
void run_release(struct run *r);
void run_close_phase(struct run *r, int64_t now);

#endif
