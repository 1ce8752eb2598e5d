/* sched: one ordered structure for everything that is due at some time on the loop (next starts,
 * deadlines, ticks), driven by a single timer. Entries are embedded in their owners. */
#ifndef PROBE_LOOP_SCHED_H
#define PROBE_LOOP_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "loop/closer.h"

struct sched_entry {
    int64_t due;                                          /* clock_now() time */
    void (*fire)(struct sched_entry *entry, int64_t now); /* it is out of the schedule by then */
    size_t pos; /* 1-based place in the heap; 0: not scheduled */
};

/* A lateness from which on the whole program was stopped or starved, unless it was busy itself. */
#define SCHED_STALL_NS INT64_C(500000000)

struct sched {
    uv_timer_t timer;
    uv_idle_t rest; /* runs the rest of a turn that was cut */
    struct closer closer;
    struct sched_entry **heap;
    size_t n, size;
    int64_t armed;                      /* what the timer is set to */
    int64_t lag, lag_before, lag_epoch; /* worst lateness of this minute and the one before */
    int64_t stall,
        stall_end; /* the last time that it was stopped or starved, and when that ended */
    int64_t cpu;   /* that this thread had used when the last turn began */
    bool firing;
    void (*on_closed)(struct sched *s);
};

void sched_init(struct sched *s, uv_loop_t *loop);
/* Room for `n` entries in all, so that sched_set within it cannot fail. 0 or -1 (memory). */
int sched_reserve(struct sched *s, size_t n);
/* Schedules or moves an entry. Needs room made by sched_reserve. */
void sched_set(struct sched *s, struct sched_entry *e, int64_t due);
void sched_clear(struct sched *s, struct sched_entry *e); /* fine if it is not in it */
/* Forgets all entries and closes the timer; `done` says that the memory may go. */
void sched_close(struct sched *s, void (*done)(struct sched *s));
/* The worst lateness of the last one to two minutes, ns. */
int64_t sched_lag(const struct sched *s);

#endif
