/* events: GET /events, server-sent events (HTML Living Standard, 9.2). Every listener first gets
 * the present state of every probe, then one event a transition. Events are formatted once into a
 * ring that all listeners read at their own pace; one that falls behind the ring gets the present
 * state again, so nobody holds memory and nobody is left with an old state. */
#include <stdlib.h>
#include <string.h>

#include "config/labels.h"
#include "serve/internal.h"
#include "view/document.h"

#define RING_SIZE 1024
#define EVENT_MAX 24576 /* name, detail and labels, each byte escaped */

struct events {
    char *ring[RING_SIZE]; /* event n is at n % RING_SIZE */
    uint64_t first, next;  /* sequence numbers of the oldest kept and of the next */
    struct document *listeners;
    int64_t beat_due;
    uint64_t beat; /* heartbeats so far: a listener sends one for each that it sees */
};

struct events *events_new(void)
{
    return calloc(1, sizeof(struct events));
}

void events_free(struct events *ev)
{
    if (!ev)
        return;
    for (size_t i = 0; i < RING_SIZE; i++)
        free(ev->ring[i]);
    free(ev);
}

/* `from` NULL: the present state, not a transition. */
static void add_event(struct buf *b, const struct check *c, const char *from, const char *to)
{
    const struct check_result *last = document_last(c);
    char stamp[CLOCK_RFC3339_SIZE], host[IDENTITY_HOST];
    struct jsonw j;
    clock_rfc3339(document_changed_at(c, from && strcmp(from, to) == 0), stamp);
    buf_puts(b, "event: status\ndata: ");
    jsonw_init(&j, b);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "name", c->conf->name);
    jsonw_string(&j, "from", from);
    jsonw_string(&j, "to", to);
    jsonw_string(&j, "at", stamp);
    jsonw_string(&j, "reason",
                 last && last->reason != REASON_OK ? reason_name(last->reason) : NULL);
    jsonw_string(&j, "detail", last ? last->detail : NULL);
    jsonw_string(&j, "warning", check_warning(c));
    document_labels(&j, "labels", &c->conf->labels);
    jsonw_string(&j, "agent", identity_name(&c->engine->identity, host));
    jsonw_end(&j);
    buf_puts(b, "\n\n");
}

static void wake_all(struct events *ev)
{
    for (struct document *d = ev->listeners; d; d = d->next_listener)
        stream_wake(d);
}

void events_add(struct serve *s, const struct check *c, enum health_status from)
{
    struct events *ev = s->events;
    if (!ev->listeners)
        return;
    struct buf b;
    buf_init(&b, EVENT_MAX);
    add_event(&b, c, health_status_name(from), health_status_name(c->health.status));
    char *text = buf_take(&b);
    if (!text) {
        /* out of memory: everybody gets the present state instead */
        ev->first = ++ev->next;
    } else {
        char **slot = &ev->ring[ev->next % RING_SIZE];
        free(*slot);
        *slot = text;
        ev->next++;
        if (ev->next - ev->first > RING_SIZE)
            ev->first = ev->next - RING_SIZE;
    }
    wake_all(ev);
}

void events_restart(struct serve *s)
{
    wake_all(s->events);
}

enum { PART_HELLO, PART_PRESENT, PART_LIVE };

static void restart(struct document *d, const struct engine *e, const struct events *ev)
{
    if (d->part != PART_HELLO)
        buf_puts(&d->buf, "event: reset\ndata: {}\n\n");
    d->part = PART_PRESENT;
    d->generation = e->generation;
    d->index = 0;
    d->seq = ev->next;
}

static enum made events_more(struct document *d, int64_t now)
{
    struct serve *s = request_serve(d->request);
    const struct engine *e = s->engine;
    struct events *ev = s->events;
    if (d->part == PART_HELLO) {
        buf_puts(&d->buf, "retry: 2000\n\n");
        restart(d, e, ev);
    }
    if (d->generation != e->generation || d->seq < ev->first)
        restart(d, e, ev);
    if (d->part == PART_PRESENT) {
        for (int i = 0; i < 16 && d->index < e->n_checks; i++) {
            const struct check *c = e->checks[d->index++];
            add_event(&d->buf, c, NULL, health_status_name(document_status_of(c, now)));
        }
        if (d->index < e->n_checks)
            return MADE_SOME;
        d->part = PART_LIVE;
    }
    for (int i = 0; i < 16 && d->seq < ev->next; i++)
        buf_puts(&d->buf, ev->ring[d->seq++ % RING_SIZE]);
    if (d->seq < ev->next)
        return MADE_SOME;
    if (d->beat != ev->beat && d->buf.len == 0)
        buf_puts(&d->buf, ": still here\n\n");
    d->beat = ev->beat;
    return MADE_WAIT;
}

void events_begin(struct request *req, const char *name)
{
    (void)name;
    struct serve *s = request_serve(req);
    struct events *ev = s->events;
    conn_take_place(req->conn, PLACE_EVENTS);
    stream_begin(req, MHD_HTTP_OK, "text/event-stream", events_more);
    struct document *d = req->document;
    if (!d)
        return;
    d->beat = ev->beat;
    d->next_listener = ev->listeners;
    if (ev->listeners)
        ev->listeners->prev_listener = d;
    ev->listeners = d;
    if (!d->next_listener)
        ev->beat_due = time_add(clock_now(), HEARTBEAT);
    serve_want_tick(s, ev->beat_due);
}

bool events_is(const struct document *d)
{
    return d->more == events_more;
}

void events_knock(struct document *d)
{
    if (!events_is(d))
        return;
    d->beat = request_serve(d->request)->events->beat - 1;
    stream_wake(d);
}

void events_end(struct document *d)
{
    struct events *ev = request_serve(d->request)->events;
    if (!events_is(d))
        return;
    if (d->next_listener)
        d->next_listener->prev_listener = d->prev_listener;
    *(d->prev_listener ? &d->prev_listener->next_listener : &ev->listeners) = d->next_listener;
}

int64_t events_heartbeat(struct serve *s, int64_t now)
{
    struct events *ev = s->events;
    if (!ev->listeners)
        return TIME_NEVER;
    if (now >= ev->beat_due) {
        ev->beat++;
        ev->beat_due = time_add(now, HEARTBEAT);
        wake_all(ev);
    }
    return ev->beat_due;
}
