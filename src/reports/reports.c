/* reports: see reports.h. The verdict is looked at once a turn in which something changed, however
 * many probes did, and once a second for staleness, which comes with time alone. */
#include "reports/reports.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "reports/agent_check.h"
#include "reports/ready_fd.h"
#include "view/verdict.h"

#define REVIEW_EVERY NS_PER_S

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Without anybody to tell, an agent at rest is not woken. */
static bool has_audience(const struct reports *r)
{
    return r->file.path || r->ready_fd >= 0 || r->notify->fd >= 0;
}

static void on_at_once(uv_idle_t *idle);

/* By an idle handle: in the schedule thousands of overdue checks could come first. */
static void want_review(struct reports *r)
{
    if (r->open && !r->engine->stopping && has_audience(r))
        uv_idle_start(&r->at_once, on_at_once);
}

/* The service manager's status line: whether it changed. */
static bool renew_status(struct reports *r, const struct readiness *verdict, int64_t now)
{
    char text[REPORTS_STATUS];
    verdict_status(text, sizeof text, r->engine, verdict, now);
    bool changed = strcmp(text, r->status) != 0;
    memcpy(r->status, text, sizeof text);
    return changed;
}

static void review(struct reports *r, int64_t now)
{
    struct readiness verdict = engine_readiness(r->engine, now);
    bool ready = verdict_is_ready(&verdict);
    ready_file_tell(&r->file, ready, clock_wall());
    if (ready)
        ready_fd_tell(&r->ready_fd);
    if (r->notify->fd >= 0 && renew_status(r, &verdict, now))
        notify_status(r->notify, r->status);
    if (has_audience(r))
        sched_set(&r->engine->sched, &r->review, time_add(now, REVIEW_EVERY));
}

static void on_review(struct sched_entry *entry, int64_t now)
{
    review(container_of(entry, struct reports, review), now);
}

static void on_at_once(uv_idle_t *idle)
{
    struct reports *r = idle->data;
    uv_idle_stop(idle);
    if (r->open && !r->engine->stopping)
        review(r, clock_now());
}

void reports_on_transition(struct reports *r, const struct check *c, enum health_status from)
{
    if (!r->open)
        return;
    teller_on_transition(&r->command, c, from);
    teller_on_transition(&r->webhook, c, from);
    want_review(r);
}

void reports_started(struct reports *r)
{
    int64_t now = clock_now();
    if (r->notify->fd < 0)
        return;
    struct readiness verdict = engine_readiness(r->engine, now);
    renew_status(r, &verdict, now);
    notify_ready(r->notify, r->status);
}

struct told_counts reports_told(const struct reports *r)
{
    const struct told_counts *a = &r->command.counts, *b = &r->webhook.counts;
    return (struct told_counts){.told = a->told + b->told,
                                .failed = a->failed + b->failed,
                                .timed_out = a->timed_out + b->timed_out,
                                .dropped = a->dropped + b->dropped};
}

/* ---- What is open: from the start to the end, over reloads ---- */

static int prepare(struct reports *r, struct agent_conf *conf, struct reports_draft *draft,
                   struct err *err)
{
    const char *address = conf->agent_check, *file = conf->ready_file;
    if (address && !(draft->agent_check_address = strdup(address)))
        return err_set(err, "out of memory");
    if (address && !same_text(address, r->agent_check_address)) {
        draft->agent_check =
            agent_check_open(r->engine, address, conf->agent_check_drain, r->agent_check, err);
        if (!draft->agent_check)
            return -1;
    }
    if (file && !same_text(file, r->file.path))
        return ready_file_open(&draft->file, file, err);
    return 0;
}

int reports_prepare(struct reports *r, struct agent_conf *conf, struct reports_draft *draft,
                    struct err *err)
{
    *draft = (struct reports_draft){0};
    int rc = prepare(r, conf, draft, err);
    if (rc < 0)
        reports_discard(draft);
    return rc;
}

void reports_commit(struct reports *r, struct agent_conf *conf, struct reports_draft *draft)
{
    if (draft->agent_check || !draft->agent_check_address) {
        agent_check_close(r->agent_check);
        r->agent_check = draft->agent_check;
    } else if (r->agent_check) {
        agent_check_set(r->agent_check, conf->agent_check_drain);
    }
    free(r->agent_check_address);
    r->agent_check_address = draft->agent_check_address;
    if (draft->file.path || !conf->ready_file) {
        ready_file_close(&r->file);
        r->file = draft->file;
    }
    teller_set(&r->command, conf->on_transition, NULL, conf->on_transition_timeout);
    teller_set(&r->webhook, NULL, conf->on_transition_url, conf->on_transition_timeout);
    conf->on_transition = NULL;
    conf->on_transition_url = NULL;
    *draft = (struct reports_draft){0};
    want_review(r);
}

void reports_discard(struct reports_draft *draft)
{
    agent_check_close(draft->agent_check);
    free(draft->agent_check_address);
    ready_file_close(&draft->file);
    *draft = (struct reports_draft){0};
}

int reports_open(struct reports *r, struct engine *e, struct agent_conf *conf,
                 const struct notify *n, struct err *err)
{
    struct reports_draft draft;
    *r = (struct reports){.engine = e, .notify = n, .ready_fd = conf->ready_fd};
    r->review.fire = on_review;
    if (reports_prepare(r, conf, &draft, err) < 0)
        return -1;
    uv_idle_init(e->loop, &r->at_once);
    r->at_once.data = r;
    r->open = true;
    teller_open(&r->command, e, "on_transition");
    teller_open(&r->webhook, e, "on_transition_url");
    reports_commit(r, conf, &draft);
    return 0;
}

void reports_close(struct reports *r)
{
    if (!r->open)
        return;
    r->open = false;
    ready_file_close(&r->file);
    ready_fd_close(&r->ready_fd);
    sched_clear(&r->engine->sched, &r->review);
    uv_close((uv_handle_t *)&r->at_once, NULL);
    teller_close(&r->command);
    teller_close(&r->webhook);
    agent_check_close(r->agent_check);
    r->agent_check = NULL;
    free(r->agent_check_address);
    r->agent_check_address = NULL;
}
