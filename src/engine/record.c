/* record: see record.h. */
#include "engine/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

/* Finer than Prometheus' defaults at the low end: a health check takes from under 1 ms to seconds.
 */
const int64_t check_bucket_bounds[CHECK_BUCKETS] = {
    500 * NS_PER_US, NS_PER_MS,      2500 * NS_PER_US, 5 * NS_PER_MS,
    10 * NS_PER_MS,  25 * NS_PER_MS, 50 * NS_PER_MS,   100 * NS_PER_MS,
    250 * NS_PER_MS, NS_PER_S,       5 * NS_PER_S,     30 * NS_PER_S,
};

const struct check_result *check_last(const struct check *c)
{
    return c->n_results ? &c->history[(c->n_results - 1) % CHECK_HISTORY] : NULL;
}

/* A result in 32 bits: the reason in the upper ones, the duration in steps below. */
#define TREND_STEP (10 * NS_PER_US)
#define TREND_BITS 27
#define TREND_MAX  ((UINT32_C(1) << TREND_BITS) - 1)
_Static_assert(REASON_COUNT <= 1 << (32 - TREND_BITS), "a reason fits its bits");

static uint32_t in_brief(const struct check_result *r)
{
    int64_t steps = r->duration / TREND_STEP;
    return (uint32_t)r->reason << TREND_BITS | (steps < TREND_MAX ? (uint32_t)steps : TREND_MAX);
}

enum reason check_trend(const struct check *c, uint64_t i, int64_t *duration)
{
    uint32_t brief = c->trend[i % CHECK_TREND];
    *duration = (int64_t)(brief & TREND_MAX) * TREND_STEP;
    return (enum reason)(brief >> TREND_BITS);
}

int64_t check_trend_end(const struct check *c, uint64_t i)
{
    return c->engine->started + (int64_t)c->trend_ends[i % CHECK_TREND] * NS_PER_S;
}

static void result_fini(struct check_result *r)
{
    free(r->detail);
    free(r->warning);
}

static void remember_failure(struct check *c, const struct check_result *r)
{
    if (!c->last_failure)
        c->last_failure = calloc(1, sizeof *c->last_failure);
    if (!c->last_failure)
        return;
    char *detail = strdup(r->detail);
    if (!detail)
        return;
    result_fini(c->last_failure);
    *c->last_failure = *r;
    c->last_failure->detail = detail;
}

static void count(struct check *c, const struct check_result *r)
{
    c->checks_total++;
    for (int i = 0; i < PHASE_COUNT; i++)
        c->phases_seen |= r->phases[i] >= 0 ? 1U << i : 0;
    int bucket = 0;
    while (bucket < CHECK_BUCKETS && r->duration > check_bucket_bounds[bucket])
        bucket++;
    c->durations->buckets[bucket]++;
    c->durations->sum += r->duration;
    if (r->reason == REASON_OK) {
        c->last_success_wall = r->started_wall + r->duration;
        return;
    }
    c->failures_total++;
    c->failures_by_reason[r->reason]++;
    remember_failure(c, r);
}

const struct check_result *record_add(struct check *c, struct check_result *r)
{
    if (!r->detail)
        r->detail = strdup("");
    if (!r->detail)
        abort(); /* a single byte could not be had: nothing true can be said any more */
    str_printable(r->detail, PROBE_DETAIL_MAX);
    if (r->warning)
        str_printable(r->warning, PROBE_DETAIL_MAX);
    count(c, r);
    struct check_result *slot = &c->history[c->n_results % CHECK_HISTORY];
    result_fini(slot);
    *slot = *r;
    int64_t since = r->started + r->duration - c->engine->started;
    c->trend[c->n_results % CHECK_TREND] = in_brief(r);
    c->trend_ends[c->n_results % CHECK_TREND] = since > 0 ? (uint32_t)(since / NS_PER_S) : 0;
    if (c->past)
        past_add(c->past, since > 0 ? since : 0, r->duration, r->reason == REASON_OK);
    c->n_results++;
    return slot;
}

void record_decide(struct check_result *r, enum health_counted counted)
{
    if (r && r->counted == HEALTH_WAITS)
        r->counted = counted;
}

struct check_result *record_oldest_waiting(struct check *c)
{
    uint64_t kept = c->n_results < CHECK_HISTORY ? c->n_results : CHECK_HISTORY;
    for (uint64_t i = c->n_results - kept; i < c->n_results; i++)
        if (c->history[i % CHECK_HISTORY].counted == HEALTH_WAITS)
            return &c->history[i % CHECK_HISTORY];
    return NULL;
}

void record_fini(struct check *c)
{
    for (size_t i = 0; i < CHECK_HISTORY; i++)
        result_fini(&c->history[i]);
    if (c->last_failure)
        result_fini(c->last_failure);
    free(c->last_failure);
    free(c->past);
}
