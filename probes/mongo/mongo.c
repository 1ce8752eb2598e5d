/* mongo: the type `mongo`: hello and ping, in one write, over our own codec on the loop; what that
 * does not speak goes to the driver in a child. It keeps one connection between the checks of an
 * agent, and gives a verdict only on replies that were checked (mongo_wire, mongo_hello). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_child.h"
#include "mongo/mongo_conf.h"
#include "mongo/mongo_driver.h"
#include "mongo/mongo_exchange.h"
#include "mongo/mongo_greet.h"
#include "mongo/mongo_wire.h"
#include "mongo/mongo_work.h"
#include "net/stream.h"

/* A kept connection sees neither a changed address nor a listener that is gone, and something on
 * the way may have forgotten it: not for longer than this. */
#define CONN_AGE_MAX (60 * NS_PER_S)

/* The driver may know ways to a host that our own greeting does not: it is asked at least so often,
 * in checks that heard nothing. */
#define UNHEARD_MOST 32

struct mongo_run {
    struct probe_run base;
    struct conn *conn;              /* in use by this run */
    struct mongo_exchange exchange; /* on it, from its opening */
    struct worker *worker;          /* the driver's child */
    struct mongo_greet *greet;      /* what may come before it */
    unsigned holds; /* connections being closed, calls under way: no release before */
    bool retried;
    bool finished;
    bool closing_worker, closing_greet;
    bool heard; /* by `greet` */
};

struct mongo_kept {
    struct probe_kept base;
    struct conn *conn;      /* idle */
    struct scram_keys keys; /* of the last login */
    unsigned unheard;       /* checks by the driver since one that heard anything */
    unsigned holds;
    bool closing;
};

/* One connection; of a run while in use, of the kept state while idle. */
struct conn {
    struct stream stream;
    struct mongo_run *run;   /* NULL while idle */
    struct mongo_kept *kept; /* who waits for its end, when no run does */
    int32_t last_id;         /* of the requests that it has seen, while idle */
    struct buf in;           /* the start of a reply whose rest is to come */
    int64_t opened;
    bool reused;
    bool giving_up;
    bool working; /* on another thread, for the exchange */
    bool closed;  /* the stream is; the work may be not */
};

static void give_up(struct conn *c);

static const struct mongo_conf *conf_of(const struct mongo_run *r)
{
    return r->base.conf;
}

/* Closing a connection may end at once: what goes on after it takes a hold of its own. */
static void unhold_run(struct mongo_run *r)
{
    if (--r->holds == 0 && r->finished && !r->conn && !r->worker && !r->greet)
        probe_release(&r->base);
}

static void unhold_kept(struct mongo_kept *k)
{
    if (--k->holds > 0 || !k->closing || k->conn)
        return;
    scram_keys_wipe(&k->keys);
    probe_kept_closed(&k->base);
}

/* ---- The connection's way: opened, used by a run, kept, used again, given up ---- */

static void free_if_over(struct conn *c)
{
    struct mongo_run *run = c->run;
    struct mongo_kept *kept = c->kept;
    if (!c->closed || c->working)
        return;
    buf_fini(&c->in);
    free(c);
    if (run)
        unhold_run(run);
    else
        unhold_kept(kept);
}

static void on_closed(struct stream *s)
{
    struct conn *c = s->owner;
    c->closed = true;
    free_if_over(c);
}

/* What it was said on may go after it. */
static void end_exchange(struct mongo_run *r)
{
    mongo_exchange_fini(&r->exchange);
    r->exchange.conf = NULL;
}

/* Closes it; its run or, when it is idle, the kept state waits for that. */
static void give_up(struct conn *c)
{
    if (c->run) {
        end_exchange(c->run);
        c->run->conn = NULL;
        c->run->holds++;
    } else {
        c->kept->conn = NULL;
        c->kept->holds++;
    }
    c->giving_up = true;
    stream_close(&c->stream, on_closed);
}

/* After a whole exchange: between the checks of an agent it idles, else it is closed. */
static void put_away(struct conn *c)
{
    struct mongo_run *r = c->run;
    struct mongo_kept *k = (struct mongo_kept *)r->base.kept;
    if (!k) {
        give_up(c);
        return;
    }
    stream_adopt(&c->stream, NULL);
    buf_fini(&c->in);
    if (r->exchange.scram.keys.valid)
        k->keys = r->exchange.scram.keys;
    c->last_id = r->exchange.last_id;
    end_exchange(r);
    c->run = NULL;
    c->kept = k;
    c->reused = true;
    r->conn = NULL;
    k->conn = c;
}

/* The verdict. `whole`: the exchange was, and the connection may be kept. Nothing of the run may be
 * touched afterwards. */
static void finish(struct mongo_run *r, enum reason reason, const char *detail, bool whole)
{
    r->holds++;
    probe_finish(&r->base, reason, "%s", detail);
    r->finished = true;
    if (r->conn && whole)
        put_away(r->conn);
    else if (r->conn)
        give_up(r->conn);
    unhold_run(r);
}

static void open_conn(struct mongo_run *r);

/* A connection that idled may have died of something that says nothing about the server: the same
 * run tries a fresh one. */
static void fail_conn(struct conn *c, enum reason reason, const char *detail)
{
    struct mongo_run *r = c->run;
    if (!r) {
        give_up(c);
    } else if (c->reused && !r->retried) {
        r->retried = true;
        give_up(c);
        open_conn(r);
    } else {
        finish(r, reason, detail, false);
    }
}

/* ---- The exchange ---- */

static void go_on(struct conn *c, enum mongo_next next);

static void on_worked(void *owner, const struct scram_keys *keys, int rc)
{
    struct conn *c = owner;
    c->working = false;
    if (c->giving_up) {
        free_if_over(c);
        return;
    }
    c->run->exchange.scram.keys = *keys;
    go_on(c, mongo_exchange_worked(&c->run->exchange, rc));
}

static int start_work(struct conn *c)
{
    const struct mongo_conf *conf = conf_of(c->run);
    int rc = mongo_work_start(c->run->base.env->loop, &c->run->exchange.scram.keys, conf->user,
                              conf->password, on_worked, c);
    c->working = rc == 0;
    return rc;
}

/* Between two connections of a run there is only the address to tell. */
static void describe(struct probe_run *run, char out[PROBE_DETAIL_MAX])
{
    const struct mongo_run *r = (struct mongo_run *)run;
    if (r->conn && r->exchange.conf)
        mongo_exchange_note(&r->exchange, out);
    else
        snprintf(out, PROBE_DETAIL_MAX, "%s", conf_of(r)->target);
}

static void go_on(struct conn *c, enum mongo_next next)
{
    struct mongo_exchange *x = &c->run->exchange;
    switch (next) {
    case MONGO_NEXT_DONE:
        finish(c->run, x->reason, x->detail, x->whole);
        return;
    case MONGO_NEXT_FAIL:
        fail_conn(c, x->reason, x->detail);
        return;
    case MONGO_NEXT_WORK:
        if (start_work(c))
            finish(c->run, REASON_INTERNAL, "out of memory", false);
        return;
    default:
        probe_note_later(&c->run->base, describe);
        if (next == MONGO_NEXT_SEND)
            stream_write(&c->stream, x->out.data, x->out.len); /* c may be gone after it */
    }
}

static void begin_exchange(struct conn *c)
{
    struct mongo_run *r = c->run;
    const struct mongo_kept *k = (struct mongo_kept *)r->base.kept;
    probe_phase(&r->base, PHASE_REQUEST);
    mongo_exchange_init(&r->exchange, conf_of(r), c->stream.peer);
    r->exchange.last_id = c->last_id;
    if (k)
        r->exchange.scram.keys = k->keys;
    go_on(c, mongo_exchange_begin(&r->exchange, !c->reused));
}

/* ---- Events of the stream ---- */

static void on_open(struct stream *s)
{
    struct conn *c = s->owner;
    c->opened = clock_now();
    begin_exchange(c);
}

/* Bytes that belong to no whole reply yet. */
static int keep_rest(struct conn *c, const char *rest, size_t len, bool kept_already)
{
    if (kept_already) {
        buf_consume(&c->in, c->in.len - len);
        return 0;
    }
    return len ? buf_add(&c->in, rest, len) : 0;
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct conn *c = s->owner;
    bool buffered = c->in.len > 0;
    if (!c->run) {
        give_up(c); /* nobody has asked */
        return;
    }
    if (c->working) {
        fail_conn(c, REASON_PROTOCOL, "more bytes than the reply");
        return;
    }
    if (buffered && buf_add(&c->in, data, len)) {
        finish(c->run, REASON_INTERNAL, "out of memory", false);
        return;
    }
    const char *bytes = buffered ? c->in.data : data;
    size_t all = buffered ? c->in.len : len, used;
    enum mongo_next next = mongo_exchange_take(&c->run->exchange, bytes, all, &used);
    if (keep_rest(c, bytes + used, all - used, buffered))
        finish(c->run, REASON_INTERNAL, "out of memory", false);
    else
        go_on(c, next);
}

static void on_eof(struct stream *s)
{
    struct conn *c = s->owner;
    if (!c->run) {
        give_up(c);
        return;
    }
    struct mongo_exchange *x = &c->run->exchange;
    mongo_exchange_cut(x, "the server closed the connection before its reply");
    fail_conn(c, x->reason, x->detail);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    fail_conn(s->owner, reason, detail);
}

static const struct stream_events events = {on_open, on_data, on_eof, on_fail};

static void open_conn(struct mongo_run *r)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        finish(r, REASON_INTERNAL, "out of memory", false);
        return;
    }
    buf_init(&c->in, 2 * MONGO_MESSAGE_MAX);
    c->run = r;
    r->conn = c;
    const struct mongo_conf *conf = conf_of(r);
    stream_start(&c->stream, &r->base, &conf->ep, conf->tls_on ? &conf->tls : NULL, &events, c);
}

/* ---- The type ---- */

static void on_worker_closed(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    r->holds++;
    r->worker = NULL;
    unhold_run(r);
}

static void close_worker(struct mongo_run *r)
{
    if (r->worker && !r->closing_worker) {
        r->closing_worker = true;
        worker_close(r->worker, on_worker_closed);
    }
}

/* Whether anything was heard of the deployment decides how its next check begins. Where the
 * greeting was answered and the driver was not, that begins with the driver: it may have taken the
 * time. */
static void note_heard(const struct mongo_run *r, bool heard)
{
    struct mongo_kept *k = (struct mongo_kept *)r->base.kept;
    if (k)
        k->unheard = heard || r->heard ? 0 : k->unheard + 1;
}

static void on_worker_done(struct probe_run *run, const struct worker_result *result)
{
    struct mongo_run *r = (struct mongo_run *)run;
    char detail[PROBE_DETAIL_MAX];
    bool gone;
    enum reason reason = mongo_driver_verdict(conf_of(r), result, detail, &gone);
    if (gone)
        probe_gone(run);
    note_heard(r, reason != REASON_TIMEOUT && reason != REASON_INTERNAL);
    finish(r, reason, detail, false);
    close_worker(r);
}

static void start_driver(struct mongo_run *r)
{
    probe_note(&r->base, "%s: the driver has no answer yet", conf_of(r)->target);
    r->worker = mongo_driver_start(&r->base, conf_of(r), on_worker_done);
    if (!r->worker)
        finish(r, REASON_INTERNAL, "out of memory", false);
}

static void on_greet_closed(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    r->holds++;
    r->greet = NULL;
    unhold_run(r);
}

static void close_greet(struct mongo_run *r)
{
    if (r->greet && !r->closing_greet) {
        r->closing_greet = true;
        mongo_greet_close(r->greet, on_greet_closed);
    }
}

static void on_heard(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    r->heard = true;
    close_greet(r);
    start_driver(r);
}

static void start_deployment(struct mongo_run *r)
{
    const struct mongo_kept *k = (struct mongo_kept *)r->base.kept;
    if (k && k->unheard % UNHEARD_MOST && mongo_greet_can(conf_of(r)))
        r->greet = mongo_greet_new(&r->base, conf_of(r), on_heard);
    if (r->greet)
        mongo_greet_start(r->greet);
    else
        start_driver(r);
}

static void start(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    struct mongo_kept *k = (struct mongo_kept *)run->kept;
    if (conf_of(r)->driver) {
        start_deployment(r);
        return;
    }
    if (k && k->conn && clock_now() - k->conn->opened > CONN_AGE_MAX)
        give_up(k->conn);
    if (!k || !k->conn) {
        open_conn(r);
        return;
    }
    struct conn *c = k->conn;
    k->conn = NULL;
    c->run = r;
    r->conn = c;
    stream_adopt(&c->stream, run);
    begin_exchange(c);
}

static void cancel(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    r->holds++;
    if (!r->finished)
        note_heard(r, false);
    r->finished = true;
    close_greet(r);
    close_worker(r);
    if (r->conn)
        give_up(r->conn);
    unhold_run(r);
}

static void kept_open(struct probe_kept *kept)
{
    (void)kept; /* the first run opens its connection */
}

static void kept_close(struct probe_kept *kept)
{
    struct mongo_kept *k = (struct mongo_kept *)kept;
    k->holds++;
    k->closing = true;
    if (k->conn)
        give_up(k->conn);
    unhold_kept(k);
}

static const struct probe_scheme schemes[] = {
    {"mongodb://", "uri", false},
    {"mongodb+srv://", "uri", false},
    {NULL, NULL, false},
};

const struct probe_type probe_type_mongo = {
    .name = "mongo",
    .summary = "a MongoDB server or deployment answers hello and ping, and has the wanted role",
    .keys = mongo_keys,
    .n_keys = MONGO_KEY_COUNT,
    .schemes = schemes,
    .prepare = mongo_conf_prepare,
    .dispose = mongo_conf_dispose,
    .run_size = sizeof(struct mongo_run),
    .start = start,
    .cancel = cancel,
    .child_entry = MONGO_CHILD_ENTRY,
    .child_main = mongo_child_run,
    .kept_size = sizeof(struct mongo_kept),
    .kept_open = kept_open,
    .kept_close = kept_close,
};
