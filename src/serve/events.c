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

#define EVENT_MAX 24576 /* name, detail and labels, each byte escaped */

void events_fini(struct events *ev)
{
    for (size_t i = 0; i < EVENTS_KEPT; i++)
        free(ev->ring[i]);
}

/* `from` NULL: the present state, not a transition. */
static void add_event(struct buf *b, const struct check *c, const char *from, const char *to)
{
    char host[IDENTITY_HOST];
    struct jsonw j;
    buf_puts(b, "event: status\ndata: ");
    jsonw_init(&j, b);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "name", c->conf->name);
    document_change(&j, c, from, to);
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
    char **slot = &ev->ring[ev->next % EVENTS_KEPT];
    free(*slot);
    *slot = text;
    ev->next++;
    if (ev->next - ev->first > EVENTS_KEPT)
        ev->first = ev->next - EVENTS_KEPT;
}

void events_beat_one(struct body *b)
{
    b->beat = b->facts->events.beat - 1;
}

enum { PART_HELLO, PART_PRESENT, PART_LIVE };

static void restart(struct body *b)
{
    if (b->part != PART_HELLO)
        buf_puts(&b->buf, "event: reset\ndata: {}\n\n");
    b->part = PART_PRESENT;
    b->generation = b->facts->engine->generation;
    b->index = 0;
    b->event = b->facts->events.next;
}

enum made events_more(struct body *b, int64_t now)
{
    const struct engine *e = b->facts->engine;
    struct events *ev = &b->facts->events;
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
        buf_puts(&b->buf, ev->ring[b->event++ % EVENTS_KEPT]);
    if (b->event < ev->next)
        return MADE_SOME;
    if (b->beat != ev->beat && b->buf.len == 0)
        buf_puts(&b->buf, ": still here\n\n");
    b->beat = ev->beat;
    return MADE_WAIT;
}
