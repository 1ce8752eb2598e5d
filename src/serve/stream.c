/* stream: bodies made in slices while they are sent, so that a document over ten thousand probes
 * never holds the loop. A short one is made whole and sent with its length; a longer one goes out
 * in chunks, and its connection is suspended while the budget of the turn is used up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/internal.h"

#define BLOCK        (16 * 1024) /* libmicrohttpd's, of a body in slices */
#define EVENTS_BLOCK (4 * 1024)
#define BUF_CAP      (1024 * 1024) /* far over one slice: a slice ends after the probe that fills it */

static void enqueue(struct document *d)
{
    struct serve *s = request_serve(d->request);
    d->next_queued = NULL;
    *s->queue_end = d;
    s->queue_end = &d->next_queued;
    serve_want_turn(s);
}

/* One that is not there is fine. */
static void dequeue(struct serve *s, struct document *d)
{
    struct document **at = &s->queue;
    while (*at && *at != d)
        at = &(*at)->next_queued;
    if (*at)
        *at = d->next_queued;
    if (!*at)
        s->queue_end = at;
}

static size_t left(const struct document *d)
{
    return d->buf.len - d->off;
}

static void fill(struct document *d)
{
    struct serve *s = request_serve(d->request);
    size_t slice = events_is(d) ? EVENTS_BLOCK : STREAM_SLICE;
    if (left(d) == 0) {
        buf_reset(&d->buf);
        d->off = 0;
    }
    do
        d->made = d->more(d, clock_now());
    while (d->made == MADE_SOME && !d->failed && !d->buf.failed && d->buf.len < slice &&
           serve_budget_left(s));
    d->failed |= d->buf.failed;
}

static bool may_fill(const struct document *d)
{
    const struct serve *s = request_serve(d->request);
    return !d->failed && d->made != MADE_ALL && !s->closing &&
           (d->made == MADE_WAIT || serve_budget_left(s));
}

/* All of it was taken: one that waits for news holds no memory meanwhile. */
static void release(struct document *d)
{
    buf_fini(&d->buf);
    buf_init(&d->buf, BUF_CAP);
    d->off = 0;
}

/* To be called on again and again by libmicrohttpd until the end. What it takes at once is one
 * system call: filled to the last byte, not sent slice by slice. */
static ssize_t on_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct document *d = cls;
    struct request *req = d->request;
    struct conn *c = req->conn;
    size_t n = 0;
    (void)pos;
    c->since = clock_now(); /* the client took what it was sent */
    do {
        if (left(d) == 0 && may_fill(d))
            fill(d);
        size_t now = left(d) < max - n ? left(d) : max - n;
        if (now)
            memcpy(out + n, d->buf.data + d->off, now);
        d->off += now;
        n += now;
    } while (n < max && d->made == MADE_SOME && may_fill(d));
    if (c->state == CONN_CUT || d->failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n)
        return (ssize_t)n;
    if (d->made == MADE_ALL)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (request_serve(req)->closing)
        return events_is(d) ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    if (d->made == MADE_WAIT)
        release(d);
    conn_move(c, d->made == MADE_SOME ? CONN_MAKING : CONN_LISTENING);
    if (d->made == MADE_SOME)
        enqueue(d);
    return 0;
}

/* Nothing but what the page itself brings, and what it asks of this agent. */
static void add_policy(struct document *d)
{
    char policy[320];
    snprintf(policy, sizeof policy,
             "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             d->nonce, d->nonce);
    MHD_add_response_header(d->request->response, "Content-Security-Policy", policy);
    MHD_add_response_header(d->request->response, "Referrer-Policy", "no-referrer");
}

static void answer(struct document *d)
{
    struct request *req = d->request;
    d->started = true;
    if (d->failed) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    if (d->made == MADE_ALL) {
        request_answer(req, req->status, d->content_type, &d->buf);
    } else {
        req->response = MHD_create_response_from_callback(
            MHD_SIZE_UNKNOWN, events_is(d) ? EVENTS_BLOCK : BLOCK, on_read, d, NULL);
        if (req->response)
            request_headers(req->response, d->content_type);
    }
    if (req->response && d->nonce[0])
        add_policy(d);
    if (conn_is_suspended(req->conn))
        conn_move(req->conn, CONN_ANSWERED);
}

void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum made (*more)(struct document *d, int64_t now))
{
    struct serve *s = request_serve(req);
    struct conn *c = req->conn;
    struct document *d = calloc(1, sizeof *d);
    if (!d) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    req->document = d;
    req->status = status;
    d->request = req;
    d->content_type = content_type;
    d->more = more;
    d->generation = s->engine->generation;
    buf_init(&d->buf, BUF_CAP);
    jsonw_init(&d->json, &d->buf);
    if (c->state == CONN_WAITING)
        conn_move(c, CONN_IN_LINE); /* gives its place up */
    if (c->place == PLACE_NONE && !conn_take_place(c, PLACE_DOCUMENT)) {
        if (c->state == CONN_ROUTING)
            conn_move(c, CONN_IN_LINE);
    } else if (c->state == CONN_ROUTING && serve_budget_left(s)) {
        fill(d);
        answer(d);
    } else {
        stream_go_on(d);
    }
}

void stream_go_on(struct document *d)
{
    conn_move(d->request->conn, CONN_MAKING);
    enqueue(d);
}

void stream_wake(struct document *d)
{
    if (d->request->conn->state == CONN_LISTENING)
        stream_go_on(d);
}

void stream_work(struct serve *s)
{
    while (s->queue && serve_budget_left(s)) {
        struct document *d = s->queue;
        struct conn *c = d->request->conn;
        dequeue(s, d);
        if (c->state != CONN_MAKING)
            continue; /* cut meanwhile */
        fill(d);
        if (!d->started)
            answer(d);
        else if (left(d) || d->made == MADE_ALL || d->failed)
            conn_move(c, CONN_SENDING);
        else if (d->made == MADE_SOME)
            enqueue(d);
        else
            conn_move(c, CONN_LISTENING);
    }
}

void stream_free(struct document *d)
{
    if (!d)
        return;
    dequeue(request_serve(d->request), d);
    events_end(d);
    buf_fini(&d->buf);
    free(d);
}

bool stream_outdated(struct document *d)
{
    const struct engine *e = request_serve(d->request)->engine;
    if (d->generation == e->generation)
        return false;
    d->generation = e->generation;
    if (d->part == 0 && d->index == 0)
        return false;
    d->failed = true;
    return true;
}
