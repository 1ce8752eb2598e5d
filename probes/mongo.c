/* mongo: the type `mongo`: hello and ping, in one write, over our own codec on the loop; what that
 * does not speak goes to the driver in a child. It keeps one connection between the checks of an
 * agent, and gives a verdict only on replies that were checked (mongo_wire, mongo_hello). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo_conf.h"
#include "mongo_driver.h"
#include "mongo_guard.h"
#include "mongo_hello.h"
#include "mongo_wire.h"
#include "stream.h"

/* A kept connection sees neither a changed address nor a listener that is gone: not for longer. */
#define CONN_AGE_MAX (60 * NS_PER_S)

enum step { STEP_HELLO, STEP_PING, STEP_LEGACY, STEP_GUARD, STEP_DONE };

static const char *const step_words[] = {"hello", "ping", "isMaster", "getCmdLineOpts", ""};

struct mongo_run {
    struct probe_run base;
    struct conn *conn;     /* in use by this run */
    struct worker *worker; /* the driver's child */
    unsigned holds;        /* connections being closed, calls under way: no release before */
    bool retried;
    bool finished;
    bool closing_worker;
};

struct mongo_kept {
    struct probe_kept base;
    struct conn *conn; /* idle */
    unsigned holds;
    bool closing;
};

/* One connection; of a run while in use, of the kept state while idle. */
struct conn {
    struct stream stream;
    struct mongo_run *run;   /* NULL while idle */
    struct mongo_kept *kept; /* who waits for its end, when no run does */
    struct buf in;           /* the start of a reply whose rest is to come */
    int64_t opened;
    int32_t last_id; /* of the requests sent */
    int32_t awaited; /* the id of the request whose reply comes next */
    enum step step;
    bool reused;
    bool old_server; /* does not know hello, but isMaster */
    struct mongo_hello hello;
};

static void give_up(struct conn *c);

static const struct mongo_conf *conf_of(const struct mongo_run *r)
{
    return r->base.conf;
}

/* Closing a connection may end at once: what goes on after it takes a hold of its own. */
static void unhold_run(struct mongo_run *r)
{
    if (--r->holds == 0 && r->finished && !r->conn && !r->worker)
        probe_release(&r->base);
}

static void unhold_kept(struct mongo_kept *k)
{
    if (--k->holds == 0 && k->closing && !k->conn)
        probe_kept_closed(&k->base);
}

/* ---- The connection's way: opened, used by a run, kept, used again, given up ---- */

static void on_closed(struct stream *s)
{
    struct conn *c = s->owner;
    struct mongo_run *run = c->run;
    struct mongo_kept *kept = c->kept;
    buf_fini(&c->in);
    free(c);
    if (run)
        unhold_run(run);
    else
        unhold_kept(kept);
}

/* Closes it; its run or, when it is idle, the kept state waits for that. */
static void give_up(struct conn *c)
{
    if (c->run) {
        c->run->conn = NULL;
        c->run->holds++;
    } else {
        c->kept->conn = NULL;
        c->kept->holds++;
    }
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

static void fail_reply(struct conn *c, enum reason reason, const char *words)
{
    char detail[PROBE_DETAIL_MAX];
    snprintf(detail, sizeof detail, "%s: %s: %.250s", c->stream.peer, step_words[c->step], words);
    fail_conn(c, reason, detail);
}

/* ---- The exchange ---- */

static int add_command(struct conn *c, struct buf *out, const char *name)
{
    bson_t cmd;
    bson_init(&cmd);
    bson_append_int32(&cmd, name, -1, 1);
    bson_append_utf8(&cmd, "$db", -1, "admin", -1);
    int rc = mongo_wire_command(out, ++c->last_id, &cmd);
    bson_destroy(&cmd);
    return rc;
}

/* Sends one command or two and awaits the reply to the first. */
static void send_commands(struct conn *c, const char *first, const char *second)
{
    struct buf out;
    buf_init(&out, 2 * MONGO_REQUEST_BYTES);
    c->awaited = c->last_id + 1;
    if (add_command(c, &out, first) || (second && add_command(c, &out, second))) {
        buf_fini(&out);
        finish(c->run, REASON_INTERNAL, "out of memory", false);
        return;
    }
    probe_phase(&c->run->base, PHASE_REQUEST);
    probe_note(&c->run->base, "connected to %s, no reply to %s", c->stream.peer, first);
    stream_write(&c->stream, out.data, out.len); /* c may be gone after it */
    buf_fini(&out);
}

static void begin_exchange(struct conn *c)
{
    c->step = STEP_HELLO;
    c->old_server = false;
    send_commands(c, "hello", "ping");
}

static void conclude(struct conn *c)
{
    char detail[PROBE_DETAIL_MAX];
    enum reason reason =
        mongo_hello_judge(&c->hello, &conf_of(c->run)->wish, c->stream.peer, detail);
    finish(c->run, reason, detail, true);
}

/* A connection that has passed once is to a server that stays what it is. */
static void guard_then_conclude(struct conn *c)
{
    char detail[PROBE_DETAIL_MAX];
    enum mongo_guard guard = MONGO_GUARD_CLEAR;
    if (conf_of(c->run)->init_guard && !c->reused)
        guard = mongo_guard_look("/proc", c->stream.peer);
    if (guard == MONGO_GUARD_CLEAR) {
        conclude(c);
    } else if (guard == MONGO_GUARD_ASK) {
        c->step = STEP_GUARD;
        send_commands(c, "getCmdLineOpts", NULL);
    } else {
        snprintf(detail, sizeof detail, MONGO_GUARD_WORDS, c->stream.peer);
        finish(c->run, REASON_INIT_PHASE, detail, false);
    }
}

/* The server's own verdict on a command: it stands, also on a kept connection. */
static void fail_command(struct conn *c, const bson_t *doc)
{
    char words[256], detail[PROBE_DETAIL_MAX];
    int32_t code = mongo_reply_error(doc, words, sizeof words);
    bool auth = code == MONGO_UNAUTHORIZED || code == MONGO_AUTH_FAILED;
    snprintf(detail, sizeof detail, "%s: %s: %s", c->stream.peer, step_words[c->step], words);
    finish(c->run, auth ? REASON_AUTH : REASON_PROTOCOL, detail, false);
}

/* The first of two replies: true when it was good. */
static bool take_hello(struct conn *c, const bson_t *doc)
{
    char words[256];
    if (mongo_reply_ok(doc)) {
        mongo_hello_read(&c->hello, doc);
    } else if (mongo_reply_error(doc, words, sizeof words) == MONGO_COMMAND_NOT_FOUND) {
        c->old_server = true;
    } else {
        fail_command(c, doc);
        return false;
    }
    c->step = STEP_PING;
    c->awaited++;
    probe_note(&c->run->base, "connected to %s, hello answered, no reply to ping", c->stream.peer);
    return true;
}

/* The last reply that was asked for so far. */
static void take_last(struct conn *c, const bson_t *doc)
{
    enum step step = c->step;
    bool ok = mongo_reply_ok(doc);
    if (step == STEP_GUARD && ok && mongo_guard_is_init(doc)) {
        char detail[PROBE_DETAIL_MAX];
        snprintf(detail, sizeof detail, MONGO_GUARD_WORDS, c->stream.peer);
        finish(c->run, REASON_INIT_PHASE, detail, false);
    } else if (step == STEP_GUARD) {
        conclude(c); /* also when it is refused: the temporary server refuses nothing */
    } else if (!ok) {
        fail_command(c, doc);
    } else if (step == STEP_PING && c->old_server) {
        c->step = STEP_LEGACY;
        send_commands(c, "isMaster", NULL);
    } else {
        if (step == STEP_LEGACY)
            mongo_hello_read(&c->hello, doc);
        guard_then_conclude(c);
    }
}

/* Takes what is whole of the bytes. Returns how many are used, SIZE_MAX when they were the end of
 * an exchange and the connection may be gone. */
static size_t take_replies(struct conn *c, const char *data, size_t len)
{
    struct mongo_reply reply;
    struct err e;
    bson_t doc;
    size_t used = 0;
    for (;;) {
        enum mongo_wire got = mongo_wire_reply(data + used, len - used, c->awaited, &reply, &e);
        if (got == MONGO_WIRE_MORE)
            return used;
        if (got == MONGO_WIRE_BAD ||
            mongo_wire_document(&doc, reply.document, reply.document_len, &e)) {
            fail_reply(c, REASON_PROTOCOL, e.text);
            return SIZE_MAX;
        }
        used += reply.message_len;
        if (c->step == STEP_HELLO) {
            if (!take_hello(c, &doc))
                return SIZE_MAX;
        } else if (used < len) {
            fail_reply(c, REASON_PROTOCOL, "more bytes than the reply");
            return SIZE_MAX;
        } else {
            buf_reset(&c->in); /* keeps the bytes that doc is a view of */
            take_last(c, &doc);
            return SIZE_MAX;
        }
    }
}

/* ---- Events of the stream ---- */

static void on_open(struct stream *s)
{
    struct conn *c = s->owner;
    c->opened = clock_now();
    begin_exchange(c);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct conn *c = s->owner;
    if (!c->run) {
        give_up(c); /* nobody has asked */
        return;
    }
    bool direct = c->in.len == 0;
    if (!direct && buf_add(&c->in, data, len)) {
        finish(c->run, REASON_INTERNAL, "out of memory", false);
        return;
    }
    size_t used = direct ? take_replies(c, data, len) : take_replies(c, c->in.data, c->in.len);
    if (used == SIZE_MAX)
        return;
    if (!direct)
        buf_consume(&c->in, used);
    else if (used < len && buf_add(&c->in, data + used, len - used))
        finish(c->run, REASON_INTERNAL, "out of memory", false);
}

static void on_eof(struct stream *s)
{
    struct conn *c = s->owner;
    if (c->run)
        fail_reply(c, REASON_CLOSED, "the server closed the connection before its reply");
    else
        give_up(c);
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
    stream_start(&c->stream, &r->base, &conf_of(r)->ep, NULL, &events, c);
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

static void on_worker_done(struct probe_run *run, const struct worker_result *result)
{
    struct mongo_run *r = (struct mongo_run *)run;
    char detail[PROBE_DETAIL_MAX];
    bool gone;
    enum reason reason = mongo_driver_verdict(conf_of(r), result, detail, &gone);
    if (gone)
        probe_gone(run);
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

static void start(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    struct mongo_kept *k = (struct mongo_kept *)run->kept;
    if (conf_of(r)->driver) {
        start_driver(r);
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
    r->finished = true;
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
    .kept_size = sizeof(struct mongo_kept),
    .kept_open = kept_open,
    .kept_close = kept_close,
};
