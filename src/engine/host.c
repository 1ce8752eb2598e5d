/* host: what the engine lends to the types, as host.h has it. */
#include "host.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "engine/check.h"
#include "engine/members.h"
#include "engine/recall.h"
#include "engine/run.h"

/* NULL: a run of nobody. */
static struct run *run_of(const struct probe_run *probe)
{
    return probe->owner;
}

void probe_phase(struct probe_run *probe, enum probe_phase phase)
{
    struct run *r = run_of(probe);
    if (!r || !run_listens(r))
        return;
    int64_t now = clock_now();
    run_close_phase(r, now);
    r->relies = false;
    r->phase = (int)phase;
    r->phase_began = now;
    if (r->phases[phase] < 0)
        r->phases[phase] = 0;
}

void probe_note(struct probe_run *probe, const char *fmt, ...)
{
    struct run *r = run_of(probe);
    if (!r)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->note, sizeof r->note, fmt, ap);
    va_end(ap);
    r->describe = NULL;
}

void probe_note_later(struct probe_run *probe,
                      void (*describe)(struct probe_run *probe, char out[PROBE_DETAIL_MAX]))
{
    struct run *r = run_of(probe);
    if (r)
        r->describe = describe;
}

void probe_cert_expiry(struct probe_run *probe, int64_t not_after, int64_t earliest)
{
    struct run *r = run_of(probe);
    if (!r || !run_listens(r))
        return;
    r->check->cert_not_after = not_after;
    r->check->cert_earliest = earliest;
}

void probe_http_status(struct probe_run *probe, unsigned status)
{
    struct run *r = run_of(probe);
    if (r)
        r->http_status = status;
}

void probe_members(struct probe_run *probe, const struct probe_member *members, size_t n)
{
    struct run *r = run_of(probe);
    if (!r || !run_listens(r))
        return;
    struct probe_member copy[PROBE_MEMBERS_MAX];
    if (n > PROBE_MEMBERS_MAX)
        n = PROBE_MEMBERS_MAX;
    for (size_t i = 0; i < n; i++) {
        copy[i] = members[i];
        char *error = members[i].error ? strdup(members[i].error) : NULL;
        copy[i].error = error ? mask_apply(&r->conf->mask, error) : NULL;
    }
    free(r->check->members);
    r->check->members = members_new(copy, n);
    for (size_t i = 0; i < n; i++)
        free((char *)(uintptr_t)copy[i].error);
}

void probe_gone(struct probe_run *probe)
{
    struct run *r = run_of(probe);
    if (r)
        r->gone = true;
}

void probe_degraded(struct probe_run *probe, const char *fmt, ...)
{
    struct run *r = run_of(probe);
    if (!r || !run_listens(r))
        return;
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n >= 0)
        run_warn(r, text);
}

void probe_finish(struct probe_run *probe, enum reason reason, const char *fmt, ...)
{
    struct run *r = run_of(probe);
    if (!run_listens(r))
        return;
    char *detail = NULL; /* whole: a secret is looked for before the cut, which record_add makes */
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&detail, fmt, ap);
    va_end(ap);
    run_finish(r, reason, n < 0 ? NULL : detail);
}

void probe_release(struct probe_run *probe)
{
    run_release(run_of(probe));
}

bool probe_remembers(const struct probe_run *probe)
{
    const struct run *r = run_of(probe);
    return r && !r->failed && recall_is_on(r->check);
}

struct probe_memory *probe_recall(const struct probe_run *probe)
{
    return probe_remembers(probe) ? run_of(probe)->check->memory : NULL;
}

void probe_remember(struct probe_run *probe, struct probe_memory *memory)
{
    if (probe_remembers(probe))
        recall_keep(run_of(probe)->check, memory);
    else
        memory->free(memory);
}

void probe_rely(struct probe_run *probe)
{
    struct run *r = run_of(probe);
    if (r)
        r->relies = true;
}

void probe_wake(struct probe_kept *kept)
{
    struct check *c = kept->owner;
    if (!c->run && c->state == CHECK_LIVE && c->health.status != HEALTH_BLOCKED)
        sched_set(&c->engine->sched, &c->next, clock_now());
}

void probe_kept_closed(struct probe_kept *kept)
{
    check_on_kept_closed(kept->owner);
}
