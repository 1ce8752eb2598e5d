/* run_harness: stands in for the engine where one type, or a helper of the types, is tested alone:
 * it makes a run on a loop of its own, records what the run says, and checks that it finished and
 * was released, in that order, and that the loop closes clean. tests/CMakeLists.txt links it into
 * every unit test that includes this header. */
#ifndef PROBE_TESTS_RUN_HARNESS_H
#define PROBE_TESTS_RUN_HARNESS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "host.h"
#include "probe.h"

struct harness {
    uv_loop_t loop;
    struct probe_env env;
    const struct probe_type *type;
    struct probe_run *run;
    struct probe_kept *kept;
    /* What the run said. */
    bool finished, released, gone, cancelled;
    enum reason reason;
    char detail[1024], note[1024], warning[1024];
    void (*describe)(struct probe_run *run, char out[PROBE_DETAIL_MAX]);
    bool phases[PHASE_COUNT];
    int64_t not_after;
    int wakes;
    bool remembers;              /* set by the test: runs are of one check of an agent */
    struct probe_memory *memory; /* what they remember; dropped by harness_close */
    unsigned relied;             /* how many runs relied on it */
    bool kept_closed;
    uv_timer_t deadline;
    bool deadline_passed;
};

void harness_open(struct harness *h);
/* Closes what the helpers opened; asserts that uv_loop_close() is 0. */
void harness_close(struct harness *h);

/* A bare run that no type stands behind, for tests of helpers: at least `size` zeroed bytes that
 * begin with a struct probe_run. Freed by probe_release. */
struct probe_run *harness_run_new(struct harness *h, size_t size);

/* Starts a run of the type. `conf` as its prepare made it. */
void harness_start(struct harness *h, const struct probe_type *type, const void *conf,
                   struct probe_kept *kept);

/* Turns the loop until the run is released; at `timeout_ms` it is finished as `timeout` and
 * cancelled, as the engine does. Fails the test when it is not released 5 s after that. */
void harness_wait(struct harness *h, int timeout_ms);

/* The run's note as it is now. */
const char *harness_note(struct harness *h);

/* Cancels it as at a reload, then waits for the release. */
void harness_cancel(struct harness *h);

/* The engine's way with kept state. */
struct probe_kept *harness_kept_open(struct harness *h, const struct probe_type *type,
                                     const void *conf);
void harness_kept_close(struct harness *h, const struct probe_type *type, struct probe_kept *kept);

#endif
