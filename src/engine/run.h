/* run: one attempt of a check, from its start to its release. Inside engine/ only. */
#ifndef PROBE_ENGINE_RUN_H
#define PROBE_ENGINE_RUN_H

#include <stdalign.h>
#include <stddef.h>

#include "engine/engine.h"

/* A run's life, forwards only. A run in flight is finished before it is cancelled or released. */
enum run_state {
    RUN_OPEN,      /* no result yet, and one is wanted */
    RUN_DOUBTED,   /* a failure that may be of what was remembered: made again once released */
    RUN_FINISHED,  /* the result is in, or not wanted any more */
    RUN_CANCELLED, /* type->cancel was called, or will be when type->start returns */
    RUN_RELEASED,  /* every handle is closed; the memory goes when type->start has returned */
};

/* Whose runs they are: the check, which run.c does not know by more than its data. */
struct run_owner {
    void (*on_result)(struct check *c, struct check_result *r); /* takes what `r` holds */
    void (*on_release)(struct check *c);                        /* the run's memory went */
};

struct run {
    enum run_state state;
    bool in_start; /* inside type->start: cancel and free wait for its end */
    const struct run_owner *owner;
    struct run *again; /* released doubted: the one that follows it; NULL: none */
    struct check *check;
    struct check_conf *conf; /* counted: outlives a reload */
    struct sched_entry deadline;
    int64_t timeout;
    int64_t started_wall;
    int64_t finished_at; /* once it is not open */
    int64_t phase_began;
    int64_t phases[PHASE_COUNT];
    int phase;     /* enum probe_phase, -1: none yet */
    bool was_late; /* its deadline was moved once, see run.c */
    bool relies;   /* see probe_rely */
    bool failed;
    bool gone;
    struct {
        enum reason reason;
        char *detail; /* NULL: none; the result still where nothing better comes in time */
    } doubted;
    unsigned http_status;
    char *warning; /* what probe_degraded told so far; NULL: nothing */
    char note[PROBE_DETAIL_MAX];
    void (*describe)(struct probe_run *probe, char out[PROBE_DETAIL_MAX]); /* NULL: note stands */
    alignas(max_align_t) unsigned char memory[]; /* the type's: begins with struct probe_run */
};

/* Begins a run of the check, which has none; the result comes by on_result, also when it could not
 * be begun. `owner` outlives the run. */
void run_start(struct check *c, const struct run_owner *owner);

/* Ends a run whose result is not wanted. The release comes later (perhaps from inside). */
void run_drop(struct run *r);

/* A result of it will come. */
static inline bool run_is_open(const struct run *r)
{
    return r->state <= RUN_DOUBTED;
}

/* For host.c: it listens to its type. */
static inline bool run_listens(const struct run *r)
{
    return r->state == RUN_OPEN;
}

/* For host.c: the first result counts. Takes `detail`, which may be NULL (out of memory). */
void run_finish(struct run *r, enum reason reason, char *detail);
void run_release(struct run *r);

/* For host.c: one more thing to look at of a run that is open. Takes `text`. */
void run_warn(struct run *r, char *text);
void run_close_phase(struct run *r, int64_t now);

#endif
