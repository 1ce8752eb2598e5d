/* verdict: see verdict.h. */
#include "view/verdict.h"

#include <stdio.h>

#include "base/str.h"
#include "view/document.h"

#define NAME_SHOWN_MAX 100

bool verdict_is_ready(const struct readiness *r)
{
    return r->ready && !r->stale;
}

/* The stale probe: the culprit of readiness may be another one. */
static const struct check *find_stale(const struct engine *e, int64_t now)
{
    for (size_t i = 0; i < e->n_checks; i++)
        if (e->checks[i]->conf->required && check_is_stale(e->checks[i], now))
            return e->checks[i];
    return NULL;
}

void verdict_why(struct buf *out, const struct engine *e, const struct readiness *r, int64_t now)
{
    const struct check *c = r->stale ? find_stale(e, now) : r->culprit;
    if (!e->n_checks) {
        buf_printf(out, "no probe is watched: share %u/%u is empty, and allow_empty is not set",
                   (unsigned)e->shard, (unsigned)e->n_shards);
        return;
    }
    if (!c) {
        buf_puts(out, "not known");
        return;
    }
    buf_puts(out, c->conf->name);
    if (r->stale) {
        buf_puts(out, " stale: its next check is overdue");
        return;
    }
    buf_printf(out, " %s: ", health_status_name(c->health.status));
    if (c->health.status == HEALTH_BLOCKED)
        document_blocked(out, c);
    else
        document_why(out, c);
}

const struct check *verdict_first_not_live(const struct engine *e, int64_t now)
{
    for (size_t i = 0; i < e->n_checks; i++) {
        const struct check *c = e->checks[i];
        if (c->conf->required && (c->conf->levels & LEVEL_ALIVE) &&
            (c->health.status == HEALTH_UNHEALTHY || check_is_stale(c, now)))
            return c;
    }
    return NULL;
}

void verdict_line(struct buf *out, const char *word, bool ok, const struct check *c,
                  const struct engine *e, const struct readiness *r, int64_t now)
{
    buf_printf(out, "%s%s%s", ok ? "" : "not ", word, ok ? "" : ": ");
    if (!ok && !c) {
        verdict_why(out, e, r, now);
    } else if (!ok) {
        char name[NAME_SHOWN_MAX + 8];
        snprintf(name, sizeof name, "%s", c->conf->name);
        str_printable(name, NAME_SHOWN_MAX);
        buf_printf(out, "%s %s: ", name,
                   check_is_stale(c, now) ? "is stale, its check is overdue"
                                          : health_status_name(document_status_of(c, now)));
        (c->health.status == HEALTH_BLOCKED ? document_blocked : document_why)(out, c);
    }
    buf_putc(out, '\n');
}

void verdict_status(char *out, size_t size, const struct engine *e, const struct readiness *r,
                    int64_t now)
{
    struct buf text;
    buf_init(&text, 2048);
    buf_printf(&text, "%s: %zu of %zu probes healthy", verdict_is_ready(r) ? "ready" : "not ready",
               r->healthy, r->counted);
    if (!verdict_is_ready(r)) {
        buf_puts(&text, "; ");
        verdict_why(&text, e, r, now);
    }
    snprintf(out, size, "%s", text.data ? text.data : "out of memory");
    str_printable(out, size - 1);
    buf_fini(&text);
}

unsigned verdict_weight(const struct engine *e, int64_t now)
{
    size_t n = 0, healthy = 0;
    for (size_t i = 0; i < e->n_checks; i++) {
        const struct check *c = e->checks[i];
        if (!(c->conf->levels & LEVEL_READY))
            continue;
        n++;
        healthy += document_status_of(c, now) == HEALTH_HEALTHY;
    }
    if (n == 0)
        return 100;
    unsigned percent = (unsigned)(healthy * 100 / n);
    return percent ? percent : 1; /* 0 would be a drain, which is not this key's to ask for */
}
