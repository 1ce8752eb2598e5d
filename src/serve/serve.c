/* serve: see serve.h. Opens and closes the API, and gives it its turns on the loop. */
#include "serve/serve.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "serve/internal.h"

static struct serve *serve_of(struct turn *t)
{
    return container_of(t, struct serve, turn);
}

/* ---- Turns ---- */

static bool is_taken(const struct serve *s, enum place place)
{
    for (const struct listener *l = s->listeners; l; l = l->next)
        if (l->taken[place])
            return true;
    return false;
}

static void wake_listeners(struct serve *s)
{
    for (struct conn *c = s->conns.first; c; c = c->next)
        if (c->state == CONN_LISTENING)
            conn_move(c, CONN_MAKING);
}

/* A client that only ended its writing side still gets its answer, without waiting for it any
 * longer: that it is there at all only the answer can show. */
static void on_end(struct conn *c)
{
    if (c->state == CONN_WAITING)
        waiting_end(c->request);
    else if (c->place == PLACE_EVENTS)
        events_beat_one(&c->request->body);
    if (c->state == CONN_LISTENING)
        conn_move(c, CONN_MAKING);
}

static void close_listener(struct serve *s, struct listener *l)
{
    struct listener **at = &s->listeners;
    while (*at != l)
        at = &(*at)->next;
    *at = l->next;
    listener_close(l);
}

/* Everybody who waits is told, every daemon gets two runs to say it, then all is closed. */
static void close_now(struct serve *s)
{
    closer_close(&s->turn.closer);
    for (struct conn *c = s->conns.first; c; c = c->next)
        if (conn_is_suspended(c))
            request_stop(c->request);
    while (s->listeners)
        close_listener(s, s->listeners);
}

/* Runs the daemons that are ready: each once, so that none is starved by another's clients, and
 * again while the budget lasts. True: some is left. */
static bool run_daemons(struct serve *s)
{
    bool again;
    do {
        again = false;
        for (struct listener *l = s->listeners; l; l = l->next) {
            if (l->ready)
                listener_run(l);
            again |= l->ready;
        }
    } while (again && turn_budget_left(&s->turn));
    return again;
}

static bool work(struct turn *t)
{
    struct serve *s = serve_of(t);
    if (s->look_at_waits)
        waiting_review(s, t->started);
    stream_work(&s->conns);
    bool more = run_daemons(s);
    if (t->closing) {
        close_now(s);
        return false;
    }
    struct listener *next;
    for (struct listener *l = s->listeners; l; l = next) {
        next = l->next;
        if (!listener_review(l, t->started))
            close_listener(s, l);
    }
    return more || s->conns.making || s->look_at_waits;
}

static void tick(struct turn *t, int64_t now)
{
    struct serve *s = serve_of(t);
    for (struct listener *l = s->listeners; l; l = l->next) {
        if (l->due <= now)
            l->ready = true;
        else
            turn_want_tick(t, l->due);
    }
    if (s->wait_due <= now)
        s->look_at_waits = true;
    else
        turn_want_tick(t, s->wait_due);
    if (is_taken(s, PLACE_EVENTS)) {
        if (s->beat_due <= now) {
            s->facts.events.beat++;
            s->beat_due = time_add(now, HEARTBEAT);
            wake_listeners(s);
        }
        turn_want_tick(t, s->beat_due);
    }
    conn_sweep(&s->conns, now);
}

/* ---- What is open: from the start to the end, over reloads ---- */

static bool is_same(const struct listener *l, const char *text, unsigned mode)
{
    return l ? text && strcmp(l->text, text) == 0 && l->mode == mode : !text;
}

/* Opens a listener in the place of `old`, where what is asked for is another. */
static int prepare(struct serve *s, bool is_unix, const char *text, unsigned mode,
                   const struct listener *old, struct listener **new, bool *changes, struct err *e)
{
    struct listener_calls calls = request_calls;
    calls.ctx = s;
    *changes = !is_same(old, text, mode);
    if (!*changes || !text)
        return 0;
    struct listener *l = listener_open(&s->conns, &calls, is_unix, text, mode, old, e);
    if (!l)
        return -1;
    l->next = s->listeners;
    s->listeners = l;
    *new = l;
    return 0;
}

int serve_prepare(struct serve *s, const struct agent_conf *conf, struct serve_draft *draft,
                  struct err *err)
{
    *draft = (struct serve_draft){0};
    if (conf->token && !(draft->token = strdup(conf->token)))
        return err_set(err, "out of memory");
    if (prepare(s, true, conf->socket, conf->socket_mode, s->unix_, &draft->unix_,
                &draft->unix_changes, err) == 0 &&
        prepare(s, false, conf->listen, 0, s->tcp, &draft->tcp, &draft->tcp_changes, err) == 0)
        return 0;
    serve_discard(s, draft);
    return -1;
}

static void replace(struct serve *s, struct listener **old, struct listener *new, bool changes)
{
    if (!changes)
        return;
    if (*old)
        listener_drain(*old);
    while (*old && waiting_end_oldest(s, *old))
        ;
    *old = new;
    if (new)
        listener_start(new);
}

void serve_commit(struct serve *s, struct serve_draft *draft)
{
    replace(s, &s->unix_, draft->unix_, draft->unix_changes);
    replace(s, &s->tcp, draft->tcp, draft->tcp_changes);
    str_wipe(s->token);
    s->token = draft->token;
}

void serve_discard(struct serve *s, struct serve_draft *draft)
{
    if (draft->unix_)
        close_listener(s, draft->unix_);
    if (draft->tcp)
        close_listener(s, draft->tcp);
    str_wipe(draft->token);
}

static void look_at_waits(struct serve *s)
{
    if (!is_taken(s, PLACE_WAIT))
        return;
    s->look_at_waits = true;
    turn_want(&s->turn);
}

static void on_closed(struct closer *c)
{
    struct serve *s = container_of(c, struct serve, turn.closer);
    void (*tell)(void *ctx) = s->on_closed;
    void *ctx = s->on_closed_ctx;
    events_fini(&s->facts.events);
    metrics_free(s->facts.labels);
    str_wipe(s->token);
    free(s);
    if (tell)
        tell(ctx);
}

int serve_open(struct serve **out, struct engine *e, const struct agent_conf *conf,
               const struct serve_hooks *hooks, struct err *err)
{
    struct serve *s = calloc(1, sizeof *s);
    if (!s)
        return err_set(err, "out of memory");
    s->hooks = *hooks;
    s->facts.engine = e;
    s->facts.told = hooks->told;
    s->facts.ctx = hooks->ctx;
    s->facts.reloaded_wall = clock_wall();
    s->facts.verdict_dirty = true;
    s->turn.work = work;
    s->turn.tick = tick;
    turn_init(&s->turn, e->loop, on_closed);
    s->conns = (struct conns){.turn = &s->turn, .sweep_due = TIME_NEVER, .on_end = on_end};
    s->conns.making_end = &s->conns.making;
    s->wait_due = TIME_NEVER;
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
    if (s->turn.closing)
        return;
    facts_changed(&s->facts, false);
    if (is_taken(s, PLACE_EVENTS)) {
        events_add(&s->facts.events, c, from);
        wake_listeners(s);
    }
    look_at_waits(s);
}

void serve_on_result(struct serve *s)
{
    if (s->turn.closing)
        return;
    facts_changed(&s->facts, true);
    /* A stale verdict may be fresh again without a transition: looked at soon, not each time. */
    if (is_taken(s, PLACE_WAIT)) {
        int64_t soon = time_add(clock_now(), VERDICT_AGE);
        if (soon < s->wait_due)
            s->wait_due = soon;
        turn_want_tick(&s->turn, s->wait_due);
    }
}

void serve_on_reload(struct serve *s)
{
    if (s->turn.closing)
        return;
    facts_changed(&s->facts, false);
    wake_listeners(s);
    look_at_waits(s);
}

void serve_close(struct serve *s, void (*on_closed_cb)(void *ctx), void *ctx)
{
    s->turn.closing = true;
    s->on_closed = on_closed_cb;
    s->on_closed_ctx = ctx;
    if (!s->turn.inside)
        close_now(s);
}
