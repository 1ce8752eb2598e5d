/* prior: see prior.h. */
#include "engine/prior.h"

#include "base/clock.h"
#include "engine/check.h"
#include "engine/run.h"

enum health_prior prior_of(const struct check *c, int64_t failed)
{
    enum health_prior worst = HEALTH_PRIOR_GOOD;
    for (size_t i = 0; i < c->n_after; i++) {
        const struct check_result *last = check_last(c->after[i]);
        struct health_evidence evidence = {0};
        if (last)
            evidence = (struct health_evidence){true, last->reason == REASON_OK, last->started};
        enum health_prior prior = health_prior(&evidence, 1, failed);
        if (prior > worst)
            worst = prior;
    }
    return worst;
}

static void ask(const struct check *c)
{
    for (size_t i = 0; i < c->n_after; i++) {
        const struct check_result *last = check_last(c->after[i]);
        if (!last || last->started < c->doubt_ended)
            check_start_now(c->after[i]);
    }
}

static void mark(struct check_result *r, enum health_counted counted)
{
    if (r && r->counted == HEALTH_WAITS)
        r->counted = counted;
}

/* The results that are kept and wait, from the oldest; NULL: none. */
static struct check_result *oldest_waiting(struct check *c)
{
    uint64_t kept = c->n_results < CHECK_HISTORY ? c->n_results : CHECK_HISTORY;
    for (uint64_t i = c->n_results - kept; i < c->n_results; i++)
        if (c->history[i % CHECK_HISTORY].counted == HEALTH_WAITS)
            return &c->history[i % CHECK_HISTORY];
    return NULL;
}

static void doubt(struct check *c, const struct check_result *r)
{
    c->doubt_started = r ? r->started : 0;
    c->doubt_ended = r ? r->started + r->duration : 0;
}

void prior_wait(struct check *c, const struct check_result *failure)
{
    if (!c->doubt_ended)
        doubt(c, failure);
    ask(c);
}

void prior_drop(struct check *c, enum health_counted why)
{
    struct check_result *r;
    if (!c->doubt_ended)
        return;
    while ((r = oldest_waiting(c)))
        mark(r, why);
    mark(c->last_failure, why);
    doubt(c, NULL);
}

/* The oldest failure that waits is decided; it may have left the history meanwhile. */
static void decide(struct check *c, enum health_counted counted)
{
    struct check_result *r = oldest_waiting(c);
    if (r && r->started == c->doubt_started)
        mark(r, counted);
    if (c->last_failure && c->last_failure->started == c->doubt_started)
        mark(c->last_failure, counted);
    doubt(c, oldest_waiting(c));
}

static void settle(struct check *c)
{
    while (c->doubt_ended) {
        enum health_status from = c->health.status;
        enum health_counted counted;
        bool changed =
            health_apply(&c->health, &c->conf->policy, HEALTH_FAILURE, prior_of(c, c->doubt_ended),
                         c->doubt_started, clock_now(), &counted);
        if (counted == HEALTH_WAITS) {
            ask(c);
            return;
        }
        if (counted == HEALTH_EXCUSED) {
            prior_drop(c, counted);
            return;
        }
        decide(c, counted);
        check_replan(c); /* a failure that counts may ask for fail_interval */
        if (changed)
            check_announce(c, from);
    }
}

static bool held_back(const struct check *c)
{
    for (size_t i = 0; i < c->n_after; i++)
        if (check_is_down(c->after[i]))
            return true;
    return false;
}

void prior_review(struct check *c)
{
    enum health_status from = c->health.status;
    if (c->state != CHECK_LIVE)
        return;
    bool held = held_back(c);
    if (held ? health_block(&c->health, clock_now()) : health_unblock(&c->health, clock_now())) {
        prior_drop(c, HEALTH_EXCUSED);
        if (held) {
            check_rest(c);
        } else {
            c->planned = clock_now();
            check_start_now(c);
        }
        check_announce(c, from);
    }
    settle(c);
}

void prior_review_dependents(struct check *c)
{
    for (size_t i = 0; i < c->n_dependents; i++)
        prior_review(c->dependents[i]);
}
