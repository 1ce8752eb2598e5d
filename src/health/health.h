/* health: the state machine of one check and the choice of its next start. Pure: no loop, no I/O,
 * no clock of its own. The rules are Docker's (moby daemon/health.go: handleProbeResult, monitor),
 * widened by success_threshold (Kubernetes) and fail_interval (HAProxy's fastinter/downinter).
 *
 *              success_threshold successes in a row
 *   starting ------------------------------------------> healthy
 *      |   \                                             ^     |
 *      |    \ retries failures that count                |     | retries failures
 *      |     \ (none count in start_period before        |     | in a row
 *      |      \ the first success)                       |     v
 *      |       +---------------------------------------> unhealthy
 *      |                                                       |
 *      +--- a probe of `after` turns unhealthy (any state) ----+---> blocked
 *   blocked --- none of them is unhealthy any more ---> starting, afresh
 *
 * A failure is its own only if every probe of `after` succeeded in a check that began behind it: a
 * dead database is never told as a dead application. Until they have answered it waits; if the
 * last check of one failed it does not count.
 */
#ifndef PROBE_HEALTH_HEALTH_H
#define PROBE_HEALTH_HEALTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_status { HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY, HEALTH_BLOCKED };

const char *health_status_name(enum health_status status);

/* All durations in ns, all at least 1 ms unless said. */
struct health_policy {
    int64_t interval;
    int64_t timeout;
    int64_t start_period;       /* >= 0 */
    int64_t start_interval;     /* used only while starting within start_period */
    int64_t fail_interval;      /* 0: as interval */
    int64_t initial_delay;      /* >= 0 */
    uint32_t retries;           /* >= 1 */
    uint32_t success_threshold; /* >= 1 */
    uint32_t jitter_percent;    /* 0..100 of the chosen interval, to either side in halves */
};

struct health_state {
    enum health_status status;
    bool ever_succeeded;     /* since `started`: the starting grace is over for good */
    uint32_t failing_streak; /* failures that count, in a row */
    uint32_t success_streak;
    uint32_t internal_streak; /* checks in a row that we could not make ourselves */
    int64_t started;          /* the start_period counts from here */
    int64_t since;            /* of the present status */
};

enum health_outcome {
    HEALTH_SUCCESS,
    HEALTH_FAILURE,
    HEALTH_UNABLE, /* we could not check (reason `internal`): the third in a row and each after it
                      counts as a failure, the ones before count as nothing */
};

/* What the probes that it comes `after` say of a failure of its own. */
enum health_prior {
    HEALTH_PRIOR_GOOD,    /* each has succeeded in a check that began after the failure */
    HEALTH_PRIOR_UNKNOWN, /* at least one has not answered since, and none fails */
    HEALTH_PRIOR_FAILS,   /* the last check of at least one failed */
};

/* The last check of a probe, as evidence for those that come after it. */
struct health_evidence {
    bool answered; /* false: none has ended yet */
    bool ok;
    int64_t started;
};

/* What `n` of them together say of a failure that ended at `failed`; none of them: good. */
enum health_prior health_prior(const struct health_evidence *of, size_t n, int64_t failed);

/* Did this result count, and why not? For `explain`. */
enum health_counted {
    HEALTH_COUNTED,
    HEALTH_IN_START_PERIOD,
    HEALTH_NOT_OURS_TO_BLAME,
    HEALTH_WAS_BLOCKED,
    HEALTH_WAITS,     /* not decided: health_decide once its probes of `after` have answered */
    HEALTH_EXCUSED,   /* a probe of `after` failed too */
    HEALTH_OVERTAKEN, /* it succeeded again before they had answered; set by the engine */
};

void health_init(struct health_state *s, int64_t now);

/* Applies the result of a check that began at `start` and ended at `end`. True when the status
 * changed: an event is due. `prior` is asked of failures only. `counted` may be NULL. */
bool health_apply(struct health_state *s, const struct health_policy *p,
                  enum health_outcome outcome, enum health_prior prior, int64_t start, int64_t end,
                  enum health_counted *counted);

/* The same of a failure that waits, which was applied before. */
bool health_decide(struct health_state *s, const struct health_policy *p, enum health_prior prior,
                   int64_t start, int64_t end, enum health_counted *counted);

/* A probe of `after` turned unhealthy, or none is any more. True when the status changed. */
bool health_block(struct health_state *s, int64_t now);
bool health_unblock(struct health_state *s, int64_t now);

/* When the first check starts: `now` + initial_delay, spread by jitter. `random` is uniform. */
int64_t health_first_start(const struct health_policy *p, int64_t now, uint32_t random);

/* When the next check starts; called at the end of one, after health_apply. */
int64_t health_next_start(const struct health_state *s, const struct health_policy *p, int64_t now,
                          uint32_t random);

/* Is a verdict too old to be believed: is the check that was planned for `planned` overdue at `now`
 * by more than interval + timeout + 1 s? `planned` stays until that check's result is in. */
bool health_is_stale(const struct health_policy *p, int64_t planned, int64_t now);

#endif
