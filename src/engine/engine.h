/* engine: runs checks on a libuv loop by their schedules and keeps each one's health. The agent,
 * `check` and `wait` are this same engine with other hooks; nothing is checked in two ways.
 *
 * Not thread-safe: everything happens on the loop's thread. */
#ifndef PROBE_ENGINE_ENGINE_H
#define PROBE_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "base/err.h"
#include "base/reason.h"
#include "config/config.h"
#include "config/names.h"
#include "engine/past.h"
#include "engine/warning.h"
#include "health/health.h"
#include "host.h"
#include "loop/sched.h"
#include "probe.h"

#define CHECK_HISTORY 5
#define CHECK_TREND   32 /* results kept in brief, for drawing */

/* Upper bounds of the duration histogram, in ns; the last bucket is +Inf. */
#define CHECK_BUCKETS 12
extern const int64_t check_bucket_bounds[CHECK_BUCKETS];

/* How long the checks of one type took, those too that a reload has removed since. */
struct check_durations {
    const struct probe_type *type;
    uint64_t buckets[CHECK_BUCKETS + 1];
    int64_t sum; /* ns */
    struct check_durations *next;
};

/* The outcome of one run. */
struct check_result {
    int64_t started;      /* monotonic */
    int64_t started_wall; /* wall clock, for showing */
    int64_t duration;
    enum reason reason; /* REASON_OK: it succeeded */
    bool gone;          /* see probe_gone */
    enum health_counted counted;
    unsigned http_status;        /* of the last answer; 0: none, or not http */
    int64_t phases[PHASE_COUNT]; /* ns in each; -1: not reached */
    char *detail;                /* never NULL in a stored result; owned by the check */
    char *warning;               /* see probe_degraded; NULL: none, and of all failures */
};

struct members;

/* A check's life, forwards only; CHECK_DRAFT -> CHECK_REMOVED where a draft is discarded. */
enum check_state {
    CHECK_DRAFT,   /* made for a load that is not committed */
    CHECK_LIVE,    /* by its schedule, or blocked */
    CHECK_REMOVED, /* by a reload or the stop; its run is not released yet */
    CHECK_CLOSING, /* what its type keeps is closing; then its memory goes */
};

/* A check at run time. Read-only outside engine/. */
struct check {
    struct check_conf *conf;
    enum check_state state;
    struct health_state health;
    struct engine *engine;
    struct run *run;             /* the run in flight or not yet released; NULL: none */
    struct probe_kept *kept;     /* NULL: nothing kept */
    struct probe_memory *memory; /* of the helpers; NULL: nothing */
    int64_t distrust_end;        /* until then nothing is remembered */
    struct sched_entry next;     /* the next start */
    int64_t planned;             /* when the check that is next or in flight was planned to start */
    int64_t since_wall;          /* wall time of health.since */
    uint64_t checks_total, failures_total;
    int64_t last_success_wall; /* 0: never */
    uint64_t transitions_total;
    unsigned phases_seen;    /* 1 << phase: of all checks so far */
    int64_t cert_not_after;  /* s since the epoch; 0: none seen */
    int64_t cert_earliest;   /* of all that the server sent */
    struct members *members; /* NULL: its type tells of none, or not yet */
    uint32_t failures_by_reason[REASON_COUNT];
    struct check_durations *durations; /* its type's */
    struct warning warning;
    char *warning_text; /* of the last success that had one; NULL: none */
    uint64_t n_results;
    struct check_result
        history[CHECK_HISTORY];         /* ring; newest at (n_results - 1) % CHECK_HISTORY */
    uint32_t trend[CHECK_TREND];        /* ring as history; read by check_trend */
    uint32_t trend_ends[CHECK_TREND];   /* s since the engine's start */
    struct past *past;                  /* NULL: not asked for, or no memory */
    struct check_result *last_failure;  /* however old; NULL: never failed */
    struct check_waiter *waiters;       /* of check_now */
    struct check **after, **dependents; /* the checks it comes after, and those after it */
    size_t n_after, n_dependents;
    int64_t doubt_started, doubt_ended; /* of the oldest failure that waits; 0: none, see check.c */
    size_t slot;                        /* its place in engine.checks at the last load */
    uint64_t generation;                /* of the load that it belongs to */
};

/* The newest result, or NULL before the first. */
const struct check_result *check_last(const struct check *c);

/* The result number `i` (of n_results; one of the last CHECK_TREND) in brief: its reason, and in
 * `duration` ns, rounded down to 10 us and at most 22 minutes. */
enum reason check_trend(const struct check *c, uint64_t i, int64_t *duration);
/* When that result ended, to the second; as clock_now(). */
int64_t check_trend_end(const struct check *c, uint64_t i);

/* What is to be looked at of a healthy check, as its last success told it; NULL: nothing. */
const char *check_warning(const struct check *c);

/* Its verdict is older than its schedule allows. */
bool check_is_stale(const struct check *c, int64_t now);

/* Those that come after it are blocked. */
bool check_is_down(const struct check *c);

struct engine_hooks {
    /* A run has ended and was applied; `changed` when the status changed with it. May stop the
     * engine. */
    void (*on_result)(void *ctx, struct check *c, const struct check_result *r);
    /* The one funnel of transitions: status changed from `from`. Called before on_result. */
    void (*on_transition)(void *ctx, struct check *c, enum health_status from);
    /* check_warning has begun (or ended) with this result, and the status did not change. */
    void (*on_warning)(void *ctx, struct check *c);
    /* Other than by the policy (`wait`): the delay until the next start, and the timeout of the
     * next run, both ns. NULL: the policy's. next_delay < 0: no further run. */
    int64_t (*next_delay)(void *ctx, struct check *c);
    int64_t (*run_timeout)(void *ctx, struct check *c);
    void *ctx;
};

struct engine {
    uv_loop_t *loop;
    struct probe_env env;
    struct sched sched;
    struct engine_hooks hooks;
    struct check **checks; /* in the order of the configuration */
    struct names by_name;  /* each one's place in them */
    size_t n_checks;
    uint64_t generation;               /* one more at each load */
    struct identity identity;          /* of the configuration that was loaded last */
    uint32_t shard, n_shards;          /* as in agent_conf */
    bool allow_empty;                  /* ready though nothing is watched */
    struct check_durations *durations; /* of each type that has been checked */
    size_t n_closing;                  /* removed ones whose run or kept state is still closing */
    void (*on_check_gone)(struct engine *e); /* one of these is gone for good */
    bool keep;                               /* types keep state between runs (the agent) */
    bool stopping;
    struct sched_entry stop;
    void (*on_stopped)(struct engine *e);
    int64_t started, started_wall;
};

/* `keep`: an agent, in which types keep connections and watches between runs. -1: out of memory. */
int engine_init(struct engine *e, uv_loop_t *loop, bool keep, unsigned max_workers,
                const struct engine_hooks *hooks);

/* Makes `config`'s checks the running ones, with references of its own, and takes its identity.
 * Checks with an equal name and fingerprint go on as they are, with state and history; others are
 * removed, or started afresh. 0, or -1 when out of memory and nothing was changed. */
int engine_load(struct engine *e, struct config *config, struct err *err);

struct check *engine_find(const struct engine *e, const char *name); /* NULL: no such check */

/* Runs a check now, or joins the run in flight; `done` gets the result (valid during the call), or
 * NULL when the check is removed first. It never comes from inside. The schedule goes on from the
 * run's end. Returns a handle for engine_check_now_cancel until `done` comes, NULL when out of
 * memory. */
struct check_waiter *
engine_check_now(struct engine *e, struct check *c,
                 void (*done)(void *ctx, struct check *c, const struct check_result *r), void *ctx);
void engine_check_now_cancel(struct check_waiter *w);

/* Ends everything from the loop's next turn on, so it may be called from any hook. `on_stopped` is
 * called once every run is released and every handle of the engine is closed. */
void engine_stop(struct engine *e, void (*on_stopped)(struct engine *e));

/* How late the loop was at most in the last minute, ns. */
int64_t engine_lag(const struct engine *e);

/* The verdict over all checks; of none it is not ready, unless that is allowed. */
struct readiness {
    bool live, ready;
    bool stale; /* some required check's verdict is stale; then live and ready fail */
    const struct check *culprit; /* the first one that keeps `ready` (else `live`) false; or NULL */
    size_t counted, healthy;     /* of the required `ready` probes */
};
struct readiness engine_readiness(const struct engine *e, int64_t now);

#endif
