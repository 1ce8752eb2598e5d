/* engine: the set of checks on one loop: finding one, the verdict over all, stopping it all. How
 * the set comes about is load.c's, what happens to one check is check.c's. */
#include "engine/engine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/labels.h"
#include "engine/check.h"

static void on_stop(struct sched_entry *entry, int64_t now);
static void on_check_gone(struct engine *e);

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
    unsigned seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (unsigned)e->started;
    srandom(seed);
    e->stop.fire = on_stop;
    e->on_check_gone = on_check_gone;
    names_init(&e->by_name);
    sched_init(&e->sched, loop);
    return sched_reserve(&e->sched, ENGINE_OWN_ENTRIES);
}

struct check *engine_find(const struct engine *e, const char *name)
{
    uint32_t at = names_get(&e->by_name, name);
    return at == NAMES_NONE ? NULL : e->checks[at];
}

static void on_sched_closed(struct sched *s)
{
    struct engine *e = container_of(s, struct engine, sched);
    e->on_stopped(e);
}

static void stop_if_gone(struct engine *e)
{
    if (!e->stopping || e->stop.pos || e->n_closing || e->n_checks || e->sched.closer.closing)
        return;
    for (struct check_durations *d = e->durations, *next; d; d = next) {
        next = d->next;
        free(d);
    }
    e->durations = NULL;
    identity_fini(&e->identity);
    probe_env_close(&e->env);
    sched_close(&e->sched, on_sched_closed);
}

static void on_check_gone(struct engine *e)
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
    names_fini(&e->by_name);
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
    r.ready = !not_ready && (e->n_checks || e->allow_empty);
    r.culprit = not_ready ? not_ready : not_live;
    return r;
}
