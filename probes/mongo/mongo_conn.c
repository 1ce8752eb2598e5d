/* mongo_conn: see mongo_conn.h. */
#include "mongo/mongo_conn.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "mongo/mongo_wire.h"

#define AGE_MAX (60 * NS_PER_S)

static void move_to(struct mongo_conn *c, enum mongo_conn_state to)
{
    static const unsigned allowed[] = {
        [MONGO_CONN_OPENING] =
            1 << MONGO_CONN_TALKING | 1 << MONGO_CONN_ENDED | 1 << MONGO_CONN_CLOSING,
        [MONGO_CONN_TALKING] =
            1 << MONGO_CONN_WORKING | 1 << MONGO_CONN_ENDED | 1 << MONGO_CONN_CLOSING,
        [MONGO_CONN_WORKING] =
            1 << MONGO_CONN_TALKING | 1 << MONGO_CONN_ENDED | 1 << MONGO_CONN_CLOSING,
        [MONGO_CONN_ENDED] = 1 << MONGO_CONN_IDLE | 1 << MONGO_CONN_CLOSING,
        [MONGO_CONN_IDLE] =
            1 << MONGO_CONN_TALKING | 1 << MONGO_CONN_ENDED | 1 << MONGO_CONN_CLOSING,
        [MONGO_CONN_CLOSING] = 0,
    };
    assert(allowed[c->state] & 1u << to);
    c->state = to;
}

/* The exchange is over. The owner may close c from inside. */
static void end(struct mongo_conn *c, bool failed)
{
    if (c->work)
        mongo_work_abandon(c->work);
    c->work = NULL;
    c->failed = failed;
    move_to(c, MONGO_CONN_ENDED);
    c->user.on_end(c->user.owner, c);
}

/* For what is not the server's word. */
static void fail(struct mongo_conn *c, enum reason reason, const char *detail)
{
    struct mongo_exchange *x = c->user.exchange;
    if (x) {
        x->reason = reason;
        x->whole = false;
        snprintf(x->detail, sizeof x->detail, "%.*s", (int)sizeof x->detail - 1, detail);
    }
    end(c, reason != REASON_INTERNAL);
}

/* ---- The exchange ---- */

static void go_on(struct mongo_conn *c, enum mongo_next next);

static void on_salted(void *owner, const struct mongo_work_result *result)
{
    struct mongo_conn *c = owner;
    struct mongo_exchange *x = c->user.exchange;
    c->work = NULL;
    move_to(c, MONGO_CONN_TALKING);
    x->scram.keys = result->keys;
    go_on(c, mongo_exchange_worked(x, result->rc));
}

static void on_looked(void *owner, const struct mongo_work_result *result)
{
    struct mongo_conn *c = owner;
    c->work = NULL;
    move_to(c, MONGO_CONN_TALKING);
    go_on(c, mongo_exchange_looked(c->user.exchange, result->guard));
}

static void start_salting(struct mongo_conn *c)
{
    const struct mongo_conf *conf = c->user.conf;
    const struct scram_keys *keys = &c->user.exchange->scram.keys;
    const char *password = keys->hash == SCRAM_SHA_256 ? conf->prepared : conf->uri.password;
    struct err e;
    move_to(c, MONGO_CONN_WORKING);
    c->work = mongo_work_salt(c->user.run->env, keys, conf->uri.user, password, on_salted, c, &e);
    if (!c->work)
        fail(c, REASON_INTERNAL, e.text);
}

static void start_looking(struct mongo_conn *c)
{
    struct err e;
    move_to(c, MONGO_CONN_WORKING);
    c->work = mongo_work_look(c->user.run->env, c->stream.peer, stream_listener_pid(&c->stream),
                              on_looked, c, &e);
    if (c->work)
        return;
    move_to(c, MONGO_CONN_TALKING); /* the server can tell as well */
    go_on(c, mongo_exchange_looked(c->user.exchange, MONGO_GUARD_ASK));
}

static void go_on(struct mongo_conn *c, enum mongo_next next)
{
    switch (next) {
    case MONGO_NEXT_DONE:
    case MONGO_NEXT_FAIL:
        end(c, next == MONGO_NEXT_FAIL);
        return;
    case MONGO_NEXT_SALT:
        start_salting(c);
        return;
    case MONGO_NEXT_LOOK:
        start_looking(c);
        return;
    case MONGO_NEXT_SEND: {
        const struct buf *out = &c->user.exchange->out;
        stream_write(&c->stream, out->data, out->len); /* c may be gone after it */
        return;
    }
    case MONGO_NEXT_WAIT:
        return;
    }
}

static void begin(struct mongo_conn *c)
{
    struct mongo_exchange *x = c->user.exchange;
    const struct scram_keys keys = x->scram.keys;
    move_to(c, MONGO_CONN_TALKING);
    probe_phase(c->user.run, PHASE_REQUEST);
    c->began = clock_now();
    c->rtt = -1;
    mongo_exchange_init(x, c->user.conf, c->stream.peer);
    x->scram.keys = keys;
    x->members = c->user.members;
    x->last_id = c->last_id;
    go_on(c, mongo_exchange_begin(x, !c->reused || c->anonymous));
}

/* ---- Events of the stream ---- */

static void on_open(struct stream *s)
{
    struct mongo_conn *c = s->owner;
    c->opened = clock_now();
    if (c->user.describe)
        probe_note_later(c->user.run, c->user.describe);
    begin(c);
}

/* Bytes that belong to no whole reply yet. */
static int keep_rest(struct mongo_conn *c, const char *rest, size_t len, bool kept_already)
{
    if (kept_already) {
        buf_consume(&c->in, c->in.len - len);
        return 0;
    }
    return len ? buf_add(&c->in, rest, len) : 0;
}

static void take(struct mongo_conn *c, const char *data, size_t len)
{
    bool buffered = c->in.len > 0;
    if (buffered && buf_add(&c->in, data, len)) {
        fail(c, REASON_INTERNAL, "out of memory");
        return;
    }
    const char *bytes = buffered ? c->in.data : data;
    size_t all = buffered ? c->in.len : len, used;
    enum mongo_next next = mongo_exchange_take(c->user.exchange, bytes, all, &used);
    if (used > 0 && c->rtt < 0)
        c->rtt = clock_now() - c->began;
    if (keep_rest(c, bytes + used, all - used, buffered))
        fail(c, REASON_INTERNAL, "out of memory");
    else
        go_on(c, next);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct mongo_conn *c = s->owner;
    if (c->state == MONGO_CONN_TALKING)
        take(c, data, len);
    else if (c->state != MONGO_CONN_ENDED) /* nobody has asked */
        fail(c, REASON_PROTOCOL, "more bytes than the reply");
}

static void on_eof(struct stream *s)
{
    struct mongo_conn *c = s->owner;
    if (c->state == MONGO_CONN_ENDED)
        return;
    if (c->user.exchange)
        mongo_exchange_cut(c->user.exchange, "the server closed the connection before its reply");
    end(c, true);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct mongo_conn *c = s->owner;
    if (c->state == MONGO_CONN_ENDED)
        return;
    if (c->user.exchange)
        c->user.exchange->gone = s->gone;
    fail(c, reason, detail);
}

static const struct stream_events events = {on_open, on_data, on_eof, on_fail};

/* ---- Its way ---- */

struct mongo_conn *mongo_conn_new(void)
{
    struct mongo_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->rtt = -1;
    buf_init(&c->in, 2 * MONGO_MESSAGE_MAX);
    return c;
}

void mongo_conn_open(struct mongo_conn *c, const struct mongo_conn_user *user,
                     const struct endpoint *ep)
{
    c->user = *user;
    stream_start(&c->stream, user->run, ep, user->conf->tls_on ? user->conf->tls : NULL, &events,
                 c);
}

void mongo_conn_park(struct mongo_conn *c, void (*on_end)(void *owner, struct mongo_conn *c),
                     void *owner)
{
    move_to(c, MONGO_CONN_IDLE);
    stream_adopt(&c->stream, NULL);
    buf_fini(&c->in);
    c->last_id = c->user.exchange->last_id;
    c->anonymous = c->user.exchange->anonymous;
    c->reused = true;
    c->user = (struct mongo_conn_user){.on_end = on_end, .owner = owner};
}

bool mongo_conn_is_fresh(const struct mongo_conn *c)
{
    return clock_now() - c->opened <= AGE_MAX && stream_may_go_on(&c->stream);
}

void mongo_conn_resume(struct mongo_conn *c, const struct mongo_conn_user *user)
{
    c->user = *user;
    stream_adopt(&c->stream, user->run);
    begin(c);
}

void mongo_conn_note(const struct mongo_conn *c, char out[PROBE_DETAIL_MAX])
{
    if (c->state == MONGO_CONN_TALKING || c->state == MONGO_CONN_WORKING)
        mongo_exchange_note(c->user.exchange, out);
    else
        snprintf(out, PROBE_DETAIL_MAX, "%s", c->user.conf->target);
}

static void on_stream_closed(struct stream *s)
{
    struct mongo_conn *c = s->owner;
    void (*on_closed)(void *owner) = c->on_closed;
    void *owner = c->user.owner;
    buf_fini(&c->in);
    free(c);
    on_closed(owner);
}

void mongo_conn_close(struct mongo_conn *c, void (*on_closed)(void *owner), void *owner)
{
    if (c->work)
        mongo_work_abandon(c->work);
    c->stream.at_once = c->state == MONGO_CONN_TALKING; /* it owes an answer: a member that hangs */
    move_to(c, MONGO_CONN_CLOSING);
    c->on_closed = on_closed;
    c->user = (struct mongo_conn_user){.owner = owner};
    stream_close(&c->stream, on_stream_closed);
}
