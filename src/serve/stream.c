/* stream: bodies made in slices while they are sent, so that a document over ten thousand probes
 * never holds the loop. A short one is made whole and sent with its length; a longer one goes out
 * in chunks, and its connection is suspended while the budget of the turn is used up. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/internal.h"

#define BUF_CAP (1024 * 1024) /* far over one slice: a slice ends after the probe that fills it */

static void enqueue(struct stream *st)
{
    struct serve *s = request_serve(st->request);
    if (st->queued)
        return;
    st->queued = true;
    st->next_queued = NULL;
    *s->queue_end = st;
    s->queue_end = &st->next_queued;
    serve_want_turn(s);
}

static void dequeue(struct serve *s, struct stream *st)
{
    struct stream **at = &s->queue;
    while (*at != st)
        at = &(*at)->next_queued;
    *at = st->next_queued;
    if (!*at)
        s->queue_end = at;
    st->queued = false;
}

static size_t left(const struct stream *st)
{
    return st->buf.len - st->off;
}

static void fill(struct stream *st)
{
    struct serve *s = request_serve(st->request);
    if (left(st) == 0) {
        buf_reset(&st->buf);
        st->off = 0;
    }
    do
        st->state = st->more(st, clock_now());
    while (st->state == STREAM_MORE && !st->failed && !st->buf.failed &&
           st->buf.len < STREAM_SLICE && serve_budget_left(s));
    st->failed |= st->buf.failed;
}

static bool may_fill(const struct stream *st)
{
    const struct serve *s = request_serve(st->request);
    return !st->failed && st->state != STREAM_DONE && !s->closing &&
           (st->state == STREAM_WAIT || serve_budget_left(s));
}

/* To be called on again and again by libmicrohttpd until the end. What it takes at once is one
 * system call: filled to the last byte, not sent slice by slice. */
static ssize_t on_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct stream *st = cls;
    struct request *req = st->request;
    size_t n = 0;
    (void)pos;
    do {
        if (left(st) == 0 && may_fill(st))
            fill(st);
        size_t now = left(st) < max - n ? left(st) : max - n;
        if (now)
            memcpy(out + n, st->buf.data + st->off, now);
        st->off += now;
        n += now;
    } while (n < max && st->state == STREAM_MORE && may_fill(st));
    if (req->gone || st->failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n)
        return (ssize_t)n;
    if (st->state == STREAM_DONE)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (request_serve(req)->closing)
        return req->endless ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    request_suspend(req);
    if (st->state == STREAM_MORE)
        enqueue(st);
    return 0;
}

/* Nothing but what the page itself brings, and what it asks of this agent. */
static void add_policy(struct stream *st)
{
    char policy[320];
    snprintf(policy, sizeof policy,
             "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             st->nonce, st->nonce);
    MHD_add_response_header(st->request->response, "Content-Security-Policy", policy);
    MHD_add_response_header(st->request->response, "Referrer-Policy", "no-referrer");
}

static void answer(struct stream *st)
{
    struct request *req = st->request;
    st->started = true;
    if (st->failed) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    if (st->state == STREAM_DONE) {
        request_answer(req, req->status, st->content_type, &st->buf);
    } else {
        req->response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, POOL_BYTES, on_read, st, NULL);
        if (req->response)
            request_headers(req->response, st->content_type);
    }
    if (req->response && st->nonce[0])
        add_policy(st);
}

void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum stream_state (*more)(struct stream *st, int64_t now))
{
    struct serve *s = request_serve(req);
    struct stream *st = calloc(1, sizeof *st);
    if (!st) {
        request_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        request_resume(req);
        return;
    }
    req->stream = st;
    req->status = status;
    st->request = req;
    st->content_type = content_type;
    st->more = more;
    st->generation = s->engine->generation;
    buf_init(&st->buf, BUF_CAP);
    jsonw_init(&st->json, &st->buf);
    if (!req->suspended && serve_budget_left(s)) {
        fill(st);
        answer(st);
        return;
    }
    request_suspend(req);
    enqueue(st);
}

void stream_wake(struct stream *st)
{
    if (st->state == STREAM_WAIT && st->request->suspended)
        enqueue(st);
}

void stream_work(struct serve *s)
{
    while (s->queue && serve_budget_left(s)) {
        struct stream *st = s->queue;
        dequeue(s, st);
        fill(st);
        if (!st->started)
            answer(st);
        if (left(st) || st->state == STREAM_DONE || st->failed || st->request->response)
            request_resume(st->request);
        else if (st->state == STREAM_MORE)
            enqueue(st);
    }
}

void stream_free(struct stream *st)
{
    if (!st)
        return;
    if (st->queued)
        dequeue(request_serve(st->request), st);
    events_end(st);
    buf_fini(&st->buf);
    free(st);
}

bool stream_outdated(struct stream *st)
{
    const struct engine *e = request_serve(st->request)->engine;
    if (st->generation == e->generation)
        return false;
    st->generation = e->generation;
    if (st->part == 0 && st->index == 0)
        return false;
    st->failed = true;
    return true;
}
