/* load: a configuration becomes the running set of checks: first a draft of the new set, beside the
 * running one, then the change from one to the other, in which nothing can fail. */
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/labels.h"
#include "engine/check.h"
#include "engine/engine.h"

/* What a check of the draft gets at the commit. */
struct links {
    struct check **after, **dependents;
    size_t n_after, n_dependents;
};

struct engine_draft {
    struct engine *engine;
    struct config *config;
    size_t n;
    struct check **checks; /* those that go on as they are, and new ones that are not armed */
    struct names by_name;
    struct links *links;
};

static void discard(struct engine_draft *d)
{
    for (size_t i = 0; d->links && i < d->n; i++) {
        free(d->links[i].after);
        free(d->links[i].dependents);
    }
    for (size_t i = 0; d->checks && i < d->n; i++)
        if (d->checks[i] && d->checks[i]->state == CHECK_DRAFT) {
            d->engine->n_closing++;
            check_remove(d->checks[i]);
        }
    free(d->checks);
    free(d->links);
    names_fini(&d->by_name);
    free(d);
}

/* ---- The draft; 0, or -1 out of memory ---- */

static int draft_check(struct engine_draft *d, size_t i)
{
    struct check_conf *conf = d->config->checks[i];
    struct check *old = engine_find(d->engine, conf->name);
    bool same = old && strcmp(old->conf->fingerprint, conf->fingerprint) == 0;
    if (!(d->checks[i] = same ? old : check_new(d->engine, conf)))
        return -1;
    return names_put(&d->by_name, d->checks[i]->conf->name, (uint32_t)i);
}

/* Names that were not selected (`run TARGET`) are no reason to wait; a one-shot command asks each
 * target for itself. */
static int draft_after(struct engine_draft *d, size_t i)
{
    const struct check_conf *conf = d->checks[i]->conf;
    struct links *links = &d->links[i];
    if (!conf->n_after || !d->engine->keep)
        return 0;
    if (!(links->after = calloc(conf->n_after, sizeof *links->after)))
        return -1;
    for (size_t k = 0; k < conf->n_after; k++) {
        uint32_t other = names_get(&d->by_name, conf->after[k]);
        if (other == NAMES_NONE)
            continue;
        links->after[links->n_after++] = d->checks[other];
        d->links[other].n_dependents++;
    }
    return 0;
}

/* The inverse of `after`: first the room for it. */
static int draft_dependents(struct engine_draft *d)
{
    for (size_t i = 0; i < d->n; i++) {
        struct links *links = &d->links[i];
        if (links->n_dependents &&
            !(links->dependents = calloc(links->n_dependents, sizeof *links->dependents)))
            return -1;
        links->n_dependents = 0;
    }
    for (size_t i = 0; i < d->n; i++)
        for (size_t k = 0; k < d->links[i].n_after; k++) {
            uint32_t other = names_get(&d->by_name, d->links[i].after[k]->conf->name);
            d->links[other].dependents[d->links[other].n_dependents++] = d->checks[i];
        }
    return 0;
}

static int draft_fill(struct engine_draft *d)
{
    struct engine *e = d->engine;
    /* Each check: its next start and its deadline; a removed one may still hold a deadline. */
    size_t entries = 2 * (d->n + e->n_checks + e->n_closing) + ENGINE_OWN_ENTRIES;
    d->checks = calloc(d->n + 1, sizeof *d->checks);
    d->links = calloc(d->n + 1, sizeof *d->links);
    if (!d->checks || !d->links || sched_reserve(&e->sched, entries) < 0)
        return -1;
    for (size_t i = 0; i < d->n; i++)
        if (draft_check(d, i) < 0)
            return -1;
    for (size_t i = 0; i < d->n; i++)
        if (draft_after(d, i) < 0)
            return -1;
    return draft_dependents(d);
}

/* Nothing is changed by it. NULL: out of memory. */
static struct engine_draft *draft_new(struct engine *e, struct config *config)
{
    struct engine_draft *d = malloc(sizeof *d);
    if (!d)
        return NULL;
    *d = (struct engine_draft){.engine = e, .config = config, .n = config->n_checks};
    names_init(&d->by_name);
    if (draft_fill(d) == 0)
        return d;
    discard(d);
    return NULL;
}

/* ---- The change ---- */

static void link_check(struct engine_draft *d, size_t i)
{
    struct check *c = d->checks[i];
    free(c->after);
    free(c->dependents);
    c->after = d->links[i].after;
    c->n_after = d->links[i].n_after;
    c->dependents = d->links[i].dependents;
    c->n_dependents = d->links[i].n_dependents;
    c->slot = i;
    c->generation = d->engine->generation;
}

static void commit(struct engine_draft *d)
{
    struct engine *e = d->engine;
    struct check **old = e->checks;
    size_t n_old = e->n_checks;
    names_fini(&e->by_name);
    e->by_name = d->by_name;
    e->checks = d->checks;
    e->n_checks = d->n;
    identity_fini(&e->identity);
    e->identity = d->config->agent.identity;
    d->config->agent.identity = (struct identity){0};
    e->shard = d->config->agent.shard;
    e->n_shards = d->config->agent.n_shards;
    e->allow_empty = d->config->agent.allow_empty;
    e->generation++;
    for (size_t i = 0; i < d->n; i++)
        link_check(d, i);
    free(d->links);
    free(d);
    for (size_t i = 0; i < n_old; i++)
        if (old[i]->generation != e->generation) {
            e->n_closing++;
            check_remove(old[i]);
        }
    free(old);
    for (size_t i = 0; i < e->n_checks; i++)
        if (e->checks[i]->state == CHECK_DRAFT)
            check_arm(e->checks[i]);
    for (size_t i = 0; i < e->n_checks; i++)
        check_review(e->checks[i]);
}

int engine_load(struct engine *e, struct config *config, struct err *err)
{
    struct engine_draft *d = draft_new(e, config);
    if (!d)
        return err_set(err, "out of memory while loading %zu probes", config->n_checks);
    commit(d);
    return 0;
}
