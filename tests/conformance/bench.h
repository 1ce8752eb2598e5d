/* bench: one engine on a loop of its own, for the conformance suite. */
#ifndef PROBE_TESTS_CONFORMANCE_BENCH_H
#define PROBE_TESTS_CONFORMANCE_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "base/reason.h"
#include "engine/engine.h"

struct bench {
    uv_loop_t loop;
    struct engine engine;
    size_t results, wanted; /* it stops at the wanted one */
    enum reason reason;     /* of the last */
    char detail[1024];
    bool stopped;
};

/* The file's probe, or a target; each check begins 5 ms after the last one ended. */
struct bench_target {
    const char *file, *target, *timeout;
};

void bench_open(struct bench *b, const struct bench_target *t, bool agent, size_t wanted);

/* The same probe with another timeout: for the engine, another probe. */
void bench_reload(struct bench *b, const struct bench_target *t);

void bench_stop(struct bench *b);

/* Until all is released and closed; `what` names it in a failure. */
void bench_run(struct bench *b, const char *what);

#endif
