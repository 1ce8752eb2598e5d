/* serve: see serve.h. Opens and closes the API, and gives it its turns on the loop. */
#include "serve/serve.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "serve/internal.h"

/* How old a verdict may be that is given without being made anew. Every transition makes a new one;
 * this bounds how late staleness, which comes with time alone, is seen. */
#define VERDICT_AGE (20 * NS_PER_MS)

void serve_handle_opened(struct serve *s)
{
    s->handles++;
}

void serve_handle_closed(struct serve *s)
{
    if (--s->handles > 0)
        return;
    void (*on_closed)(void *ctx) = s->on_closed;
    void *ctx = s->on_closed_ctx;
    events_free(s->events);
    metrics_free(s->labels);
    str_wipe(s->token);
    free(s);
    if (on_closed)
        on_closed(ctx);
}

static void on_closed(uv_handle_t *h)
{
    serve_handle_closed(h->data);
}

bool serve_budget_left(const struct serve *s)
{
    return clock_now() - s->turn_started < TURN_BUDGET;
}

const struct readiness *serve_verdict(struct serve *s, int64_t now)
{
    if (s->verdict_dirty || now - s->verdict_at > VERDICT_AGE) {
        s->verdict = engine_readiness(s->engine, now);
        s->verdict_at = now;
        s->verdict_dirty = false;
    }
    return &s->verdict;
}

/* Runs the daemons that are ready, in turn, while the budget lasts. True: some is left. */
static bool run_daemons(struct serve *s)
{
    bool again = false;
    for (struct listener *l = s->listeners; l; l = l->next) {
        if (l->ready && serve_budget_left(s))
            listener_run(l);
        again |= l->ready;
    }
    return again;
}

static void close_now(struct serve *s);

static void on_turn(uv_idle_t *idle)
{
    struct serve *s = idle->data;
    s->in_turn = true;
    s->turn_started = clock_now();
    if (s->look_at_waits)
        route_review_waits(s, s->turn_started);
    stream_work(s);
    bool more = run_daemons(s);
    struct listener *next;
    for (struct listener *l = s->listeners; l && !s->closing; l = next) {
        next = l->next;
        listener_review(l, s->turn_started);
    }
    s->in_turn = false;
    if (s->closing) {
        close_now(s);
    } else if (!more && !s->queue && !s->look_at_waits) {
        uv_idle_stop(idle);
        s->turning = false;
    }
}

void serve_want_turn(struct serve *s)
{
    if (s->turning || s->closed)
        return;
    s->turning = true;
    uv_idle_start(&s->turn, on_turn);
}

static void on_tick(uv_timer_t *timer)
{
    struct serve *s = timer->data;
    int64_t now = clock_now();
    s->tick_due = TIME_NEVER;
    for (struct listener *l = s->listeners; l; l = l->next) {
        if (l->due <= now)
            l->ready = true;
        else
            serve_want_tick(s, l->due);
    }
    if (s->waiting && s->wait_due <= now)
        s->look_at_waits = true;
    else if (s->waiting)
        serve_want_tick(s, s->wait_due);
    int64_t beat = events_heartbeat(s, now);
    if (beat != TIME_NEVER)
        serve_want_tick(s, beat);
    conn_sweep(s, now);
    serve_want_turn(s);
}

void serve_want_tick(struct serve *s, int64_t due)
{
    if (due == TIME_NEVER || due >= s->tick_due || s->closing)
        return;
    s->tick_due = due;
    int64_t left = due - clock_now();
    uint64_t ms = left <= 0 ? 1 : (uint64_t)((left + NS_PER_MS - 1) / NS_PER_MS);
    uv_timer_start(&s->tick, on_tick, ms, 0);
}

/* ---- What is open: from the start to the end, over reloads ---- */

static bool is_same(const struct listener *l, const char *text, unsigned mode)
{
    return l ? text && strcmp(l->text, text) == 0 && l->mode == mode : !text;
}

int serve_prepare(struct serve *s, const struct agent_conf *conf, struct serve_draft *draft,
                  struct err *err)
{
    *draft =
        (struct serve_draft){.unix_changes = !is_same(s->unix_, conf->socket, conf->socket_mode),
                             .tcp_changes = !is_same(s->tcp, conf->listen, 0)};
    if (conf->token && !(draft->token = strdup(conf->token)))
        return err_set(err, "out of memory");
    if (draft->unix_changes && conf->socket &&
        !(draft->unix_ = listener_open(s, true, conf->socket, conf->socket_mode, s->unix_, err))) {
        serve_discard(draft);
        return -1;
    }
    if (draft->tcp_changes && conf->listen &&
        !(draft->tcp = listener_open(s, false, conf->listen, 0, s->tcp, err))) {
        serve_discard(draft);
        return -1;
    }
    return 0;
}

static void replace(struct listener **old, struct listener *new, bool changes)
{
    if (!changes)
        return;
    listener_drain(*old);
    *old = new;
    if (new)
        listener_start(new);
}

void serve_commit(struct serve *s, struct serve_draft *draft)
{
    replace(&s->unix_, draft->unix_, draft->unix_changes);
    replace(&s->tcp, draft->tcp, draft->tcp_changes);
    str_wipe(s->token);
    s->token = draft->token;
}

void serve_discard(struct serve_draft *draft)
{
    if (draft->unix_)
        listener_close(draft->unix_);
    if (draft->tcp)
        listener_close(draft->tcp);
    str_wipe(draft->token);
}

int serve_open(struct serve **out, struct engine *e, const struct agent_conf *conf,
               const struct serve_hooks *hooks, struct err *err)
{
    struct serve *s = calloc(1, sizeof *s);
    if (!s || !(s->events = events_new())) {
        free(s);
        return err_set(err, "out of memory");
    }
    s->engine = e;
    s->loop = e->loop;
    s->hooks = *hooks;
    s->queue_end = &s->queue;
    s->tick_due = s->wait_due = s->sweep_due = TIME_NEVER;
    s->verdict_dirty = true;
    s->reloaded_wall = clock_wall();
    uv_idle_init(s->loop, &s->turn);
    uv_timer_init(s->loop, &s->tick);
    s->turn.data = s->tick.data = s;
    s->handles = 2;
    struct serve_draft draft;
    if (serve_prepare(s, conf, &draft, err) < 0) {
        serve_close(s, NULL, NULL);
        return -1;
    }
    serve_commit(s, &draft);
    *out = s;
    return 0;
}

void serve_on_transition(struct serve *s, struct check *c, enum health_status from)
{
    if (s->closing)
        return;
    s->verdict_dirty = true;
    events_add(s, c, from);
    s->look_at_waits = s->waiting != NULL;
    if (s->look_at_waits)
        serve_want_turn(s);
}

void serve_on_result(struct serve *s, struct check *c)
{
    (void)c;
    if (s->closing)
        return;
    if (s->verdict.stale)
        s->verdict_dirty = true;
    /* A stale verdict may be fresh again without a transition: looked at soon, not each time. */
    if (s->waiting) {
        int64_t soon = time_add(clock_now(), VERDICT_AGE);
        if (soon < s->wait_due)
            s->wait_due = soon;
        serve_want_tick(s, s->wait_due);
    }
}

void serve_on_reload(struct serve *s)
{
    if (s->closing)
        return;
    s->verdict_dirty = true;
    events_restart(s);
    if (s->waiting) {
        s->look_at_waits = true;
        serve_want_turn(s);
    }
}

/* Everybody who waits is told, every daemon gets two runs to say it, then all is closed. */
static void close_now(struct serve *s)
{
    s->closed = true;
    for (struct conn *c = s->conns; c; c = c->next)
        if (conn_is_suspended(c))
            request_stop(c->request);
    while (s->listeners)
        listener_close(s->listeners);
    uv_close((uv_handle_t *)&s->turn, on_closed);
    uv_close((uv_handle_t *)&s->tick, on_closed);
}

void serve_close(struct serve *s, void (*on_closed_cb)(void *ctx), void *ctx)
{
    s->closing = true;
    s->on_closed = on_closed_cb;
    s->on_closed_ctx = ctx;
    s->tcp = s->unix_ = NULL;
    if (!s->in_turn)
        close_now(s);
}
