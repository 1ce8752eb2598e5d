/* mongo_greet: see mongo_greet.h. */
#include "mongo/mongo_greet.h"

#include <stdlib.h>

#include "base/buf.h"
#include "mongo/mongo_wire.h"
#include "net/stream.h"

struct host {
    struct mongo_greet *greet;
    struct stream stream;
    struct endpoint ep;
    const char *name; /* as the connection string has it */
    bool connected;
    bool over; /* failed, or ended its side */
};

struct mongo_greet {
    struct probe_run *run;
    void (*on_heard)(struct probe_run *run);
    void (*on_closed)(struct probe_run *run);
    unsigned n_open; /* streams that are not closed, and calls under way */
    bool heard, closing;
    size_t n, n_started, n_over;
    struct host hosts[];
};

bool mongo_greet_can(const struct mongo_conf *conf)
{
    return !conf->uri.srv && !conf->tls_on;
}

static void one_closed(struct mongo_greet *g)
{
    if (--g->n_open > 0 || !g->closing)
        return;
    struct probe_run *run = g->run;
    void (*on_closed)(struct probe_run *) = g->on_closed;
    for (size_t i = 0; i < g->n; i++)
        endpoint_fini(&g->hosts[i].ep);
    free(g);
    on_closed(run);
}

/* Its last act may be to have all closed: nothing is touched after it. */
static void hear(struct mongo_greet *g)
{
    if (g->heard || g->closing)
        return;
    g->heard = true;
    g->on_heard(g->run);
}

/* For the deadline: what is known of each host. */
static void note(struct mongo_greet *g)
{
    struct buf b;
    buf_init(&b, PROBE_DETAIL_MAX);
    for (size_t i = 0; i < g->n; i++) {
        const struct host *h = &g->hosts[i];
        buf_printf(&b, "%s%s: %s", i ? "; " : "", h->name,
                   h->over        ? "no connection"
                   : h->connected ? "connected, no reply to hello"
                                  : "not connected yet");
    }
    probe_note(g->run, "%s", b.data ? b.data : "");
    buf_fini(&b);
}

static void lose(struct host *h)
{
    h->over = true;
    note(h->greet);
    if (++h->greet->n_over == h->greet->n)
        hear(h->greet);
}

static void on_open(struct stream *s)
{
    struct host *h = s->owner;
    struct buf out;
    h->connected = true;
    note(h->greet);
    probe_phase(h->greet->run, PHASE_REQUEST);
    buf_init(&out, MONGO_REQUEST_BYTES);
    if (mongo_wire_ask(&out, 1, "hello") == 0)
        stream_write(s, out.data, out.len); /* h may be gone after it */
    else
        lose(h);
    buf_fini(&out);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct host *h = s->owner;
    (void)data, (void)len;
    hear(h->greet);
}

static void on_eof(struct stream *s)
{
    lose(s->owner);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    (void)reason, (void)detail; /* the driver tells, when it is asked */
    lose(s->owner);
}

static const struct stream_events events = {on_open, on_data, on_eof, on_fail};

struct mongo_greet *mongo_greet_new(struct probe_run *run, const struct mongo_conf *conf,
                                    void (*on_heard)(struct probe_run *run))
{
    size_t n = conf->uri.n_hosts;
    struct mongo_greet *g = calloc(1, sizeof *g + n * sizeof g->hosts[0]);
    if (!g)
        return NULL;
    g->run = run;
    g->on_heard = on_heard;
    for (; g->n < n; g->n++) {
        struct host *h = &g->hosts[g->n];
        struct err e;
        h->greet = g;
        h->name = conf->uri.hosts[g->n];
        if (endpoint_parse(&h->ep, h->name, 0, &e)) { /* it was right at load */
            while (g->n > 0)
                endpoint_fini(&g->hosts[--g->n].ep);
            free(g);
            return NULL;
        }
    }
    return g;
}

void mongo_greet_start(struct mongo_greet *g)
{
    g->n_open++; /* this call */
    while (g->n_started < g->n && !g->heard) {
        struct host *h = &g->hosts[g->n_started++];
        g->n_open++;
        stream_start(&h->stream, g->run, &h->ep, NULL, &events, h);
    }
    one_closed(g);
}

static void on_stream_closed(struct stream *s)
{
    struct host *h = s->owner;
    one_closed(h->greet);
}

void mongo_greet_close(struct mongo_greet *g, void (*on_closed)(struct probe_run *run))
{
    g->closing = true;
    g->on_closed = on_closed;
    g->n_open++; /* this call */
    for (size_t i = 0; i < g->n_started; i++)
        stream_close(&g->hosts[i].stream, on_stream_closed);
    one_closed(g);
}
