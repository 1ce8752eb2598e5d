/* events: GET /events, server-sent events (HTML Living Standard, 9.2). Every listener first gets
 * the present state of every probe, then one event a transition. Events are formatted once into a
 * ring that all listeners read at their own pace; one that falls behind the ring gets the present
 * state again, so nobody holds memory and nobody is left with an old state. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "config/labels.h"
#include "serve/body.h"
#include "view/document.h"

#define RING_SIZE 1024
#define EVENT_MAX 24576 /* name, detail and labels, each byte escaped */

struct events {
    char *ring[RING_SIZE]; /* event n is at n % RING_SIZE */
    uint64_t first, next;  /* sequence numbers of the oldest kept and of the next */
    uint64_t beat;         /* heartbeats so far: a listener sends one for each that it sees */
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

void events_add(struct events *ev, const struct check *c, enum health_status from)
{
    struct buf b;
    buf_init(&b, EVENT_MAX);
    add_event(&b, c, health_status_name(from), health_status_name(c->health.status));
    char *text = buf_take(&b);
    if (!text) {
        /* out of memory: everybody gets the present state instead */
        ev->first = ++ev->next;
        return;
    }
    char **slot = &ev->ring[ev->next % RING_SIZE];
    free(*slot);
    *slot = text;
    ev->next++;
    if (ev->next - ev->first > RING_SIZE)
        ev->first = ev->next - RING_SIZE;
}

void events_beat(struct events *ev)
{
    ev->beat++;
}

void events_beat_one(struct body *b)
{
    b->beat = b->facts->events->beat - 1;
}

enum { PART_HELLO, PART_PRESENT, PART_LIVE };

static void restart(struct body *b)
{
    if (b->part != PART_HELLO)
        buf_puts(&b->buf, "event: reset\ndata: {}\n\n");
    b->part = PART_PRESENT;
    b->generation = b->facts->engine->generation;
    b->index = 0;
    b->event = b->facts->events->next;
}

enum made events_more(struct body *b, int64_t now)
{
    const struct engine *e = b->facts->engine;
    struct events *ev = b->facts->events;
    if (b->part == PART_HELLO) {
        buf_puts(&b->buf, "retry: 2000\n\n");
        b->beat = ev->beat;
        restart(b);
    }
    if (b->generation != e->generation || b->event < ev->first)
        restart(b);
    if (b->part == PART_PRESENT) {
        for (int i = 0; i < 16 && b->index < e->n_checks; i++) {
            const struct check *c = e->checks[b->index++];
            add_event(&b->buf, c, NULL, health_status_name(document_status_of(c, now)));
        }
        if (b->index < e->n_checks)
            return MADE_SOME;
        b->part = PART_LIVE;
    }
    for (int i = 0; i < 16 && b->event < ev->next; i++)
        buf_puts(&b->buf, ev->ring[b->event++ % RING_SIZE]);
    if (b->event < ev->next)
        return MADE_SOME;
    if (b->beat != ev->beat && b->buf.len == 0)
        buf_puts(&b->buf, ": still here\n\n");
    b->beat = ev->beat;
    return MADE_WAIT;
}
