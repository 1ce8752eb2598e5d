/* stream: sends bodies in slices, so that a document over ten thousand probes never holds the loop.
 * A short one is made whole and sent with its length; a longer one goes out in chunks, and its
 * connection is suspended while the budget of the turn is used up. */
#include <stdio.h>
#include <string.h>

#include "serve/internal.h"

#define BLOCK        (16 * 1024) /* libmicrohttpd's, of a body in slices */
#define EVENTS_BLOCK (4 * 1024)
#define BUF_CAP      (1024 * 1024) /* far over one slice: a slice ends after the probe that fills it */

static bool is_events(const struct body *b)
{
    return b->more == events_more;
}

static size_t left(const struct request *req)
{
    return req->body.buf.len - req->taken;
}

static void fill(struct request *req)
{
    struct body *b = &req->body;
    size_t slice = is_events(b) ? EVENTS_BLOCK : STREAM_SLICE;
    if (left(req) == 0) {
        buf_reset(&b->buf);
        req->taken = 0;
    }
    do
        req->made = b->more(b, clock_now());
    while (req->made == MADE_SOME && !b->failed && !b->buf.failed && b->buf.len < slice &&
           turn_budget_left(&req->serve->turn));
    b->failed |= b->buf.failed;
}

static bool may_fill(const struct request *req)
{
    const struct turn *turn = &req->serve->turn;
    return !req->body.failed && req->made != MADE_ALL && !turn->closing &&
           (req->made == MADE_WAIT || turn_budget_left(turn));
}

/* libmicrohttpd calls it until the end. It sends what it gets by one system call, so `out` is
 * filled to its last byte where the budget allows it. */
static ssize_t on_read(void *cls, uint64_t pos, char *out, size_t max)
{
    struct request *req = cls;
    struct body *b = &req->body;
    struct conn *c = req->conn;
    size_t n = 0;
    (void)pos;
    c->since = clock_now(); /* the client took what it was sent */
    do {
        if (left(req) == 0 && may_fill(req))
            fill(req);
        size_t now = left(req) < max - n ? left(req) : max - n;
        if (now)
            memcpy(out + n, b->buf.data + req->taken, now);
        req->taken += now;
        n += now;
    } while (n < max && req->made == MADE_SOME && may_fill(req));
    if (c->state == CONN_CUT || b->failed)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    if (n)
        return (ssize_t)n;
    if (req->made == MADE_ALL)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (req->serve->turn.closing)
        return is_events(b) ? MHD_CONTENT_READER_END_OF_STREAM : MHD_CONTENT_READER_END_WITH_ERROR;
    if (req->made == MADE_WAIT) { /* for news: it holds no memory meanwhile */
        buf_fini(&b->buf);
        buf_init(&b->buf, BUF_CAP);
        req->taken = 0;
    }
    conn_move(c, req->made == MADE_SOME ? CONN_MAKING : CONN_LISTENING);
    return 0;
}

/* The page runs and loads nothing but what it brings, and asks nobody but this agent. */
static void add_policy(struct request *req)
{
    const char *nonce = req->body.nonce;
    char policy[320];
    snprintf(policy, sizeof policy,
             "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; connect-src 'self'; "
             "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             nonce, nonce);
    MHD_add_response_header(req->response, "Content-Security-Policy", policy);
    MHD_add_response_header(req->response, "Referrer-Policy", "no-referrer");
}

static void answer(struct request *req)
{
    struct body *b = &req->body;
    req->started = true;
    if (b->failed) {
        answer_text(req, MHD_HTTP_INTERNAL_SERVER_ERROR, "out of memory\n");
        return;
    }
    if (req->made == MADE_ALL) {
        answer_buf(req, b->status, b->content_type, &b->buf);
    } else {
        req->status = b->status;
        req->response = MHD_create_response_from_callback(
            MHD_SIZE_UNKNOWN, is_events(b) ? EVENTS_BLOCK : BLOCK, on_read, req, NULL);
        if (req->response)
            answer_add_headers(req->response, b->content_type);
    }
    if (req->response && b->nonce[0])
        add_policy(req);
    if (conn_is_suspended(req->conn))
        conn_move(req->conn, CONN_ANSWERED);
}

void stream_begin(struct request *req, unsigned status, const char *content_type,
                  enum made (*more)(struct body *b, int64_t now))
{
    struct conn *c = req->conn;
    struct body *b = &req->body;
    b->facts = &req->serve->facts;
    b->status = status;
    b->content_type = content_type;
    b->more = more;
    b->generation = b->facts->engine->generation;
    buf_init(&b->buf, BUF_CAP);
    jsonw_init(&b->json, &b->buf);
    if (c->state == CONN_WAITING)
        conn_move(c, CONN_IN_LINE); /* gives its place up */
    if (c->place == PLACE_NONE && !conn_take_place(c, PLACE_DOCUMENT)) {
        if (c->state == CONN_ROUTING)
            conn_move(c, CONN_IN_LINE);
    } else if (c->state == CONN_ROUTING && turn_budget_left(&req->serve->turn)) {
        fill(req);
        answer(req);
    } else {
        conn_move(c, CONN_MAKING);
    }
}

void stream_work(struct conns *all)
{
    struct conn *c;
    while ((c = all->making) && turn_budget_left(all->turn)) {
        struct request *req = c->request;
        fill(req);
        if (!req->started)
            answer(req);
        else if (left(req) || req->made == MADE_ALL || req->body.failed)
            conn_move(c, CONN_SENDING);
        else
            conn_move(c, req->made == MADE_SOME ? CONN_MAKING : CONN_LISTENING);
    }
}
