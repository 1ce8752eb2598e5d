/* engine: the set of checks on one loop: loading and reloading it, finding one, stopping it all.
 * What happens to one check is check.c's. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/check.h"

/* Entries of the engine's and the agent's own, beside the checks'. */
#define OWN_ENTRIES 12

static void on_stop(struct sched_entry *entry, int64_t now);

int engine_init(struct engine *e, uv_loop_t *loop, bool keep, unsigned max_workers,
                const struct engine_hooks *hooks)
{
    *e = (struct engine){
        .loop = loop,
        .env = {.loop = loop, .max_workers = max_workers},
        .hooks = *hooks,
        .keep = keep,
        .started = clock_now(),
        .started_wall = clock_wall(),
    };
    if (getrandom(&e->random, sizeof e->random, GRND_NONBLOCK) != sizeof e->random)
        e->random = (uint64_t)e->started;
    e->random |= 1;
    e->stop.fire = on_stop;
    sched_init(&e->sched, loop);
    return sched_reserve(&e->sched, OWN_ENTRIES);
}

/* xorshift64*: spreads starts, guards nothing. */
uint32_t engine_random(struct engine *e)
{
    e->random ^= e->random >> 12;
    e->random ^= e->random << 25;
    e->random ^= e->random >> 27;
    return (uint32_t)((e->random * UINT64_C(0x2545f4914f6cdd1d)) >> 32);
}

static int by_name(const void *a, const void *b)
{
    const struct check *const *x = a, *const *y = b;
    return strcmp((*x)->conf->name, (*y)->conf->name);
}

static struct check *find(struct check *const *index, size_t n, const char *name)
{
    size_t lo = 0, hi = n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int c = strcmp(name, index[mid]->conf->name);
        if (c == 0)
            return index[mid];
        if (c < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

struct check *engine_find(const struct engine *e, const char *name)
{
    return find(e->by_name, e->n_checks, name);
}

/* A set of checks being built, so that a failure halfway leaves the running one alone. */
struct draft {
    struct check **checks, **by_name;
    size_t n;
    struct check ***after; /* for each check, the array of the ones it comes after */
    size_t *n_after;
};

static void draft_discard(struct draft *d, struct engine *e)
{
    for (size_t i = 0; d->checks && i < d->n; i++) {
        struct check *c = d->checks[i];
        if (c && !c->planned) { /* made for this draft, never armed */
            e->n_closing++;
            check_remove(c);
        }
        if (d->after)
            free(d->after[i]);
    }
    free(d->checks);
    free(d->by_name);
    free(d->after);
    free(d->n_after);
}

static int draft_checks(struct draft *d, struct engine *e, const struct config *config)
{
    size_t n = config->n_checks;
    d->n = n;
    d->checks = calloc(n + 1, sizeof *d->checks);
    d->by_name = calloc(n + 1, sizeof *d->by_name);
    d->after = calloc(n + 1, sizeof *d->after);
    d->n_after = calloc(n + 1, sizeof *d->n_after);
    if (!d->checks || !d->by_name || !d->after || !d->n_after)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct check_conf *conf = config->checks[i];
        struct check *old = engine_find(e, conf->name);
        bool same = old && strcmp(old->conf->fingerprint, conf->fingerprint) == 0;
        d->checks[i] = same ? old : check_new(e, conf);
        if (!d->checks[i])
            return -1;
    }
    if (n)
        memcpy(d->by_name, d->checks, n * sizeof *d->checks);
    qsort(d->by_name, n, sizeof *d->by_name, by_name);
    return 0;
}

/* Names that were not selected (`run TARGET`) are no reason to wait. */
static int draft_after(struct draft *d)
{
    for (size_t i = 0; i < d->n; i++) {
        const struct check_conf *conf = d->checks[i]->conf;
        if (!conf->n_after)
            continue;
        d->after[i] = calloc(conf->n_after, sizeof **d->after);
        if (!d->after[i])
            return -1;
        for (size_t k = 0; k < conf->n_after; k++) {
            struct check *other = find(d->by_name, d->n, conf->after[k]);
            if (other)
                d->after[i][d->n_after[i]++] = other;
        }
    }
    return 0;
}

/* The inverse of `after`; in its own pass, so that it is allocated before anything is changed. */
static int draft_dependents(struct draft *d, struct check ****lists, size_t **counts)
{
    *lists = calloc(d->n + 1, sizeof **lists);
    *counts = calloc(d->n + 1, sizeof **counts);
    if (!*lists || !*counts)
        return -1;
    for (size_t i = 0; i < d->n; i++)
        d->checks[i]->slot = i;
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->n_after[i]; k++)
            (*counts)[d->after[i][k]->slot]++;
    for (size_t i = 0; i < d->n; i++) {
        if ((*counts)[i] && !((*lists)[i] = calloc((*counts)[i], sizeof ***lists)))
            return -1;
        (*counts)[i] = 0;
    }
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->n_after[i]; k++) {
            size_t to = d->after[i][k]->slot;
            (*lists)[to][(*counts)[to]++] = d->checks[i];
        }
    return 0;
}

/* Nothing can fail from here on. */
static void draft_commit(struct draft *d, struct engine *e, struct check ***lists, size_t *counts)
{
    struct check **old = e->checks;
    size_t n_old = e->n_checks;
    free(e->by_name);
    e->checks = d->checks;
    e->by_name = d->by_name;
    e->n_checks = d->n;
    for (size_t i = 0; i < d->n; i++) {
        struct check *c = d->checks[i];
        free(c->after);
        free(c->dependents);
        c->after = d->after[i];
        c->n_after = d->n_after[i];
        c->dependents = lists[i];
        c->n_dependents = counts[i];
        c->generation = e->generation + 1;
    }
    e->generation++;
    for (size_t i = 0; i < n_old; i++)
        if (old[i]->generation != e->generation) {
            e->n_closing++;
            check_remove(old[i]);
        }
    free(old);
    for (size_t i = 0; i < d->n; i++)
        if (!d->checks[i]->planned)
            check_arm(d->checks[i]);
    for (size_t i = 0; i < d->n; i++)
        check_review_block(d->checks[i]);
    free(d->after);
    free(d->n_after);
}

int engine_load(struct engine *e, struct config *config, struct err *err)
{
    struct draft d = {0};
    struct check ***lists = NULL;
    size_t *counts = NULL;
    /* Each check: its next start and its deadline; a removed one may still hold a deadline. */
    size_t entries = 2 * (config->n_checks + e->n_checks + e->n_closing) + OWN_ENTRIES;
    int rc = draft_checks(&d, e, config);
    if (rc == 0)
        rc = draft_after(&d);
    if (rc == 0)
        rc = draft_dependents(&d, &lists, &counts);
    if (rc == 0)
        rc = sched_reserve(&e->sched, entries);
    if (rc == 0) {
        draft_commit(&d, e, lists, counts);
    } else {
        for (size_t i = 0; lists && i < d.n; i++)
            free(lists[i]);
        draft_discard(&d, e);
        err_set(err, "out of memory while loading %zu probes", config->n_checks);
    }
    free(lists);
    free(counts);
    return rc;
}

static void on_sched_closed(struct sched *s)
{
    struct engine *e = container_of(s, struct engine, sched);
    e->on_stopped(e);
}

static void stop_if_gone(struct engine *e)
{
    if (!e->stopping || e->stop.pos || e->n_closing || e->n_checks || e->sched.closing)
        return;
    for (struct check_durations *d = e->durations, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    e->durations = NULL;
    probe_env_close(&e->env);
    sched_close(&e->sched, on_sched_closed);
}

void engine_on_check_gone(struct engine *e)
{
    e->n_closing--;
    stop_if_gone(e);
}

static void on_stop(struct sched_entry *entry, int64_t now)
{
    (void)now;
    struct engine *e = container_of(entry, struct engine, stop);
    struct check **checks = e->checks;
    size_t n = e->n_checks;
    free(e->by_name);
    e->by_name = NULL;
    e->n_closing += n;
    e->n_checks = 0;
    e->checks = NULL;
    for (size_t i = 0; i < n; i++)
        check_remove(checks[i]);
    free(checks);
    stop_if_gone(e);
}

void engine_stop(struct engine *e, void (*on_stopped)(struct engine *e))
{
    if (e->stopping)
        return;
    e->stopping = true;
    e->on_stopped = on_stopped;
    sched_set(&e->sched, &e->stop, clock_now());
}

int64_t engine_lag(const struct engine *e)
{
    return sched_lag(&e->sched);
}

struct readiness engine_readiness(const struct engine *e, int64_t now)
{
    struct readiness r = {.live = true, .ready = true};
    const struct check *not_live = NULL, *not_ready = NULL;
    for (size_t i = 0; i < e->n_checks; i++) {
        const struct check *c = e->checks[i];
        if (!c->conf->required)
            continue;
        bool stale = check_is_stale(c, now);
        r.stale |= stale;
        if ((c->conf->levels & LEVEL_ALIVE) && (stale || c->health.status == HEALTH_UNHEALTHY) &&
            !not_live)
            not_live = c;
        if (!(c->conf->levels & LEVEL_READY))
            continue;
        r.counted++;
        if (c->health.status == HEALTH_HEALTHY && !stale)
            r.healthy++;
        else if (!not_ready)
            not_ready = c;
    }
    r.live = !not_live;
    r.ready = !not_ready;
    r.culprit = not_ready ? not_ready : not_live;
    return r;
}
