/* reload: see reload.h. The pieces go by the schedule: what is due earlier comes first, and a turn
 * of the schedule is cut as always, so that a reload of any size is to the checks as one more. */
#include "agent/reload.h"

#include "base/clock.h"
#include "base/str.h"

/* Of one piece; a check that falls due meanwhile is late by that. */
#define PIECE_NS (NS_PER_MS / 4)

static void ask(struct reload *r)
{
    r->number++;
    r->stage = RELOAD_ASKED;
    sched_set(&r->engine->sched, &r->piece, clock_now());
}

static void clear(struct reload *r)
{
    struct config *unfinished = NULL;
    if (r->load)
        config_load_end(r->load, &unfinished);
    config_free(unfinished);
    engine_draft_discard(r->draft);
    config_free(r->config);
    config_report_fini(&r->report);
    r->load = NULL;
    r->draft = NULL;
    r->config = NULL;
    r->stage = RELOAD_NONE;
}

static void end(struct reload *r, bool done)
{
    r->on_end(r, done ? r->config : NULL, &r->report);
    clear(r);
    if (r->again)
        ask(r);
    r->again = false;
}

static void refuse(struct reload *r, const char *why)
{
    if (why)
        config_report_add(&r->report, true, NULL, 0, "agent", "%s", why);
    end(r, false);
}

static void begin(struct reload *r)
{
    config_report_init(&r->report);
    r->on_begin(r);
    r->stage = RELOAD_LOADING;
    r->load = config_load_begin(r->source, &r->report);
    if (!r->load)
        refuse(r, "out of memory");
}

static void load(struct reload *r)
{
    if (config_load_step(r->load))
        return;
    enum config_rc rc = config_load_end(r->load, &r->config);
    r->load = NULL;
    r->stage = RELOAD_DRAFTING;
    if (rc != CONFIG_OK)
        refuse(r, NULL);
    else if (!(r->draft = engine_draft_begin(r->engine, r->config)))
        refuse(r, "out of memory");
}

/* Nothing is changed where something cannot be. */
static void draft(struct reload *r)
{
    struct reports_draft reports;
    struct err e;
    int rc = engine_draft_step(r->draft);
    if (rc > 0)
        return;
    if (rc < 0) {
        refuse(r, "out of memory");
    } else if (reports_prepare(r->reports, &r->config->agent, &reports, &e) < 0) {
        refuse(r, e.text);
    } else {
        engine_draft_commit(r->draft);
        r->draft = NULL;
        reports_commit(r->reports, &r->config->agent, &reports);
        end(r, true);
    }
}

static void on_piece(struct sched_entry *entry, int64_t now)
{
    struct reload *r = container_of(entry, struct reload, piece);
    while (r->stage != RELOAD_NONE && clock_now() - now < PIECE_NS) {
        if (r->stage == RELOAD_ASKED)
            begin(r);
        else if (r->stage == RELOAD_LOADING)
            load(r);
        else
            draft(r);
    }
    if (r->stage != RELOAD_NONE)
        sched_set(&r->engine->sched, entry, clock_now());
}

void reload_init(struct reload *r)
{
    r->piece.fire = on_piece;
}

uint64_t reload_ask(struct reload *r)
{
    if (r->stage == RELOAD_NONE)
        ask(r);
    else if (r->stage == RELOAD_LOADING || r->stage == RELOAD_DRAFTING)
        r->again = true;
    return r->number + r->again;
}

void reload_close(struct reload *r)
{
    sched_clear(&r->engine->sched, &r->piece);
    clear(r);
    r->stage = RELOAD_CLOSED;
}
