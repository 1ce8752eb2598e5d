/* tcp: a connection, and where asked a TLS handshake, bytes to send and a pattern to expect.
 * Without `expect` it knows only that something accepts: a server that is stopped behind its
 * backlog, or a proxy without a backend, accepts as well. */
#include <assert.h>

#include "base/buf.h"
#include "base/str.h"
#include "host.h"
#include "net/stream.h"
#include "tcp/tcp_conf.h"

#define REPLY_MAX   16384 /* bytes that `expect` is looked for in */
#define EXCERPT_MAX 160

static const struct probe_scheme schemes[] = {
    {"tcp://", "address", true}, {"unix://", "address", false}, {NULL, NULL, false}};

/* ---- A run. ---- */

/*  state       what is under way                     next
 *  CONNECTING  the dial and TLS                      AWAITING, CLOSING
 *  AWAITING    the reply that `expect` looks for     CLOSING
 *  CLOSING     finished or cancelled: it lets go */
enum tcp_run_state { TCP_RUN_CONNECTING, TCP_RUN_AWAITING, TCP_RUN_CLOSING };

struct tcp_run {
    struct probe_run run;
    enum tcp_run_state state;
    struct stream stream;
    struct buf reply;
    struct pattern_budget budget;
    struct pattern_search expect, reject;
};

static void move(struct tcp_run *t, enum tcp_run_state to)
{
    static const unsigned next[] = {
        [TCP_RUN_CONNECTING] = 1 << TCP_RUN_AWAITING | 1 << TCP_RUN_CLOSING,
        [TCP_RUN_AWAITING] = 1 << TCP_RUN_CLOSING,
        [TCP_RUN_CLOSING] = 0,
    };
    assert(next[t->state] & 1U << to);
    t->state = to;
}

static const struct tcp_conf *conf_of(const struct tcp_run *t)
{
    return t->run.conf;
}

static void on_stream_closed(struct stream *s)
{
    struct tcp_run *t = s->owner;
    pattern_search_fini(&t->expect);
    pattern_search_fini(&t->reject);
    buf_fini(&t->reply);
    probe_release(&t->run);
}

static void let_go(struct tcp_run *t)
{
    move(t, TCP_RUN_CLOSING);
    t->stream.reset = conf_of(t)->reset;
    stream_close(&t->stream, on_stream_closed);
}

/* ---- The reply. ---- */

static enum pattern_found look_for(struct tcp_run *t, struct pattern_search *search)
{
    struct err e;
    enum pattern_found is = pattern_find_so_far(search, t->reply.data, t->reply.len, &e).is;
    if (is == PATTERN_UNKNOWN)
        probe_finish(&t->run, REASON_INTERNAL,
                     "%s: cannot tell whether the answer matches /%s/: %s", t->stream.peer,
                     pattern_text(search->pattern), e.text);
    return is;
}

/* Is the verdict known from what has come so far? */
static bool judge(struct tcp_run *t)
{
    char excerpt[EXCERPT_MAX];
    const char *peer = t->stream.peer;
    const struct pattern *reject = conf_of(t)->reject;
    enum pattern_found is = reject ? look_for(t, &t->reject) : PATTERN_NO_MATCH;
    if (is == PATTERN_MATCH) {
        probe_finish(&t->run, REASON_MISMATCH, "%s: the answer matches reject /%s/: \"%s\"", peer,
                     pattern_text(reject),
                     str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    } else if (is == PATTERN_NO_MATCH) {
        is = look_for(t, &t->expect);
        if (is == PATTERN_NO_MATCH)
            return false;
        if (is == PATTERN_MATCH)
            probe_finish(&t->run, REASON_OK, "%s answered as expected", peer);
    }
    let_go(t);
    return true;
}

static void fail_expect(struct tcp_run *t, const char *why)
{
    char excerpt[EXCERPT_MAX];
    if (t->reply.len)
        probe_finish(&t->run, REASON_MISMATCH, "%s: %s: expected /%s/, got \"%s\"", t->stream.peer,
                     why, pattern_text(conf_of(t)->expect),
                     str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    else
        probe_finish(&t->run, REASON_CLOSED, "%s: %s without a byte", t->stream.peer, why);
    let_go(t);
}

static void note_reply(struct tcp_run *t)
{
    char excerpt[EXCERPT_MAX];
    if (t->reply.len)
        probe_note(&t->run, "%s: expected /%s/, got only \"%s\"", t->stream.peer,
                   pattern_text(conf_of(t)->expect),
                   str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    else
        probe_note(&t->run, "connected to %s, it says nothing", t->stream.peer);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct tcp_run *t = s->owner;
    bool whole = buf_add(&t->reply, data, len) == 0;
    if (judge(t))
        return;
    if (whole)
        note_reply(t);
    else
        fail_expect(t, "not in its first 16 KiB");
}

static void on_eof(struct stream *s)
{
    fail_expect(s->owner, "closed the connection");
}

static void on_open(struct stream *s)
{
    struct tcp_run *t = s->owner;
    const struct tcp_conf *c = conf_of(t);
    if (c->send || c->expect)
        probe_phase(&t->run, PHASE_REQUEST);
    if (c->send)
        stream_write(s, c->send, c->send_len);
    if (t->state == TCP_RUN_CLOSING) /* the write failed, and that was said */
        return;
    if (c->expect) {
        move(t, TCP_RUN_AWAITING);
        note_reply(t);
        return;
    }
    probe_finish(&t->run, REASON_OK, "connected to %s%s", s->peer,
                 c->use_tls ? ", TLS handshake done" : "");
    let_go(t);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct tcp_run *t = s->owner;
    probe_finish(&t->run, reason, "%s", detail);
    let_go(t);
}

static const struct stream_events events = {
    .on_open = on_open, .on_data = on_data, .on_eof = on_eof, .on_fail = on_fail};

static void tcp_start(struct probe_run *run)
{
    struct tcp_run *t = container_of(run, struct tcp_run, run);
    const struct tcp_conf *c = run->conf;
    buf_init(&t->reply, REPLY_MAX);
    t->budget.steps = PATTERN_STEPS;
    pattern_search_init(&t->expect, c->expect, &t->budget);
    pattern_search_init(&t->reject, c->reject, &t->budget);
    stream_start(&t->stream, run, &c->ep, c->use_tls ? &c->tls : NULL, &events, t);
}

static void tcp_cancel(struct probe_run *run)
{
    struct tcp_run *t = container_of(run, struct tcp_run, run);
    if (t->state != TCP_RUN_CLOSING)
        let_go(t);
}

const struct probe_type probe_type_tcp = {
    .name = "tcp",
    .summary = "a connection is accepted, and where asked answers as expected",
    .keys = tcp_keys,
    .n_keys = TCP_N_KEYS,
    .schemes = schemes,
    .prepare = tcp_conf_prepare,
    .dispose = tcp_conf_dispose,
    .run_size = sizeof(struct tcp_run),
    .start = tcp_start,
    .cancel = tcp_cancel,
};
