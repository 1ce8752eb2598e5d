/* tcp: a connection, and where asked a TLS handshake, bytes to send and patterns to expect.
 * Without `expect` it knows only that something accepts: a server that is stopped behind its
 * backlog, or a proxy without a backend, accepts as well. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "host.h"
#include "net/stream.h"
#include "tcp/tcp_conf.h"

#define REPLY_MAX   16384 /* bytes that `expect` is looked for in */
#define EXCERPT_MAX 160
#define STEP_WORDS  32

static const struct probe_scheme schemes[] = {
    {"tcp://", "address", true}, {"unix://", "address", false}, {NULL, NULL, false}};

/* ---- A run. ---- */

/*  state       what is under way                          next
 *  CONNECTING  the dial, and TLS where it is from there   TALKING, CLOSING
 *  TALKING     the steps                                  SECURING, CLOSING
 *  SECURING    the TLS that a step begins                 TALKING, CLOSING
 *  CLOSING     finished or cancelled: it lets go */
enum tcp_run_state { TCP_RUN_CONNECTING, TCP_RUN_TALKING, TCP_RUN_SECURING, TCP_RUN_CLOSING };

struct tcp_run {
    struct probe_run run;
    enum tcp_run_state state;
    struct stream stream;
    struct tls_options tls;
    size_t step;      /* the present one, or that behind the last */
    struct buf reply; /* what came since the last step was met */
    size_t looked_at; /* bytes of it */
    struct pattern_budget budget;
    struct pattern_search expect, reject; /* of the present step */
};

static void move(struct tcp_run *t, enum tcp_run_state to)
{
    static const unsigned next[] = {
        [TCP_RUN_CONNECTING] = 1 << TCP_RUN_TALKING | 1 << TCP_RUN_CLOSING,
        [TCP_RUN_TALKING] = 1 << TCP_RUN_SECURING | 1 << TCP_RUN_CLOSING,
        [TCP_RUN_SECURING] = 1 << TCP_RUN_TALKING | 1 << TCP_RUN_CLOSING,
        [TCP_RUN_CLOSING] = 0,
    };
    assert(next[t->state] & 1U << to);
    t->state = to;
}

static const struct tcp_conf *conf_of(const struct tcp_run *t)
{
    return t->run.conf;
}

static const struct tcp_step *step_of(const struct tcp_run *t)
{
    const struct tcp_conf *c = conf_of(t);
    return t->step < c->n_steps ? &c->steps[t->step] : NULL;
}

static void on_stream_closed(struct stream *s)
{
    struct tcp_run *t = s->owner;
    pattern_search_fini(&t->expect);
    pattern_search_fini(&t->reject);
    buf_wipe(&t->reply);
    probe_release(&t->run);
}

static void let_go(struct tcp_run *t)
{
    move(t, TCP_RUN_CLOSING);
    t->stream.reset = conf_of(t)->reset;
    stream_close(&t->stream, on_stream_closed);
}

/* ---- The reply. ---- */

/* "step 3: " where there are steps to be told apart. */
static const char *step_words(const struct tcp_run *t, char out[STEP_WORDS])
{
    *out = '\0';
    if (conf_of(t)->is_dialogue)
        snprintf(out, STEP_WORDS, "step %zu: ", t->step + 1);
    return out;
}

static enum pattern_found look_for(struct tcp_run *t, struct pattern_search *search, size_t len)
{
    struct err e;
    enum pattern_found is = pattern_find_so_far(search, t->reply.data, len, &e).is;
    if (is == PATTERN_UNKNOWN) {
        probe_finish(&t->run, REASON_INTERNAL,
                     "%s: cannot tell whether the answer matches /%s/: %s", t->stream.peer,
                     pattern_text(search->pattern), e.text);
        let_go(t);
    }
    return is;
}

static void fail_reject(struct tcp_run *t)
{
    char excerpt[EXCERPT_MAX], words[STEP_WORDS];
    probe_finish(&t->run, REASON_MISMATCH, "%s: %sthe answer matches reject /%s/: \"%s\"",
                 t->stream.peer, step_words(t, words), pattern_text(conf_of(t)->reject),
                 str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    let_go(t);
}

static void fail_expect(struct tcp_run *t, const char *why)
{
    char excerpt[EXCERPT_MAX], words[STEP_WORDS];
    const char *pattern = pattern_text(step_of(t)->pattern);
    if (t->reply.len)
        probe_finish(&t->run, REASON_MISMATCH, "%s: %s%s: expected /%s/, got \"%s\"",
                     t->stream.peer, step_words(t, words), why, pattern,
                     str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    else if (conf_of(t)->is_dialogue)
        probe_finish(&t->run, REASON_CLOSED, "%s: %s%s, expected /%s/", t->stream.peer,
                     step_words(t, words), why, pattern);
    else
        probe_finish(&t->run, REASON_CLOSED, "%s: %s without a byte", t->stream.peer, why);
    let_go(t);
}

static void note_reply(struct tcp_run *t)
{
    char excerpt[EXCERPT_MAX], words[STEP_WORDS];
    const char *pattern = pattern_text(step_of(t)->pattern);
    if (t->reply.len)
        probe_note(&t->run, "%s: %sexpected /%s/, got only \"%s\"", t->stream.peer,
                   step_words(t, words), pattern,
                   str_excerpt(t->reply.data, t->reply.len, excerpt, sizeof excerpt));
    else if (t->step > 1)
        probe_note(&t->run, "%s: %sexpected /%s/, it says nothing", t->stream.peer,
                   step_words(t, words), pattern);
    else
        probe_note(&t->run, "connected to %s, it says nothing", t->stream.peer);
}

/* Looks at what is new, line by line, so that what follows the line that is expected is left for
 * the next step. True: the present step is met. Else it waits, or the run is over. */
static bool meets_expect(struct tcp_run *t)
{
    while (t->looked_at < t->reply.len) {
        const char *rest = t->reply.data + t->looked_at;
        const char *line_end = memchr(rest, '\n', t->reply.len - t->looked_at);
        size_t len = line_end ? (size_t)(line_end + 1 - t->reply.data) : t->reply.len;
        enum pattern_found is =
            conf_of(t)->reject ? look_for(t, &t->reject, len) : PATTERN_NO_MATCH;
        if (is == PATTERN_MATCH)
            fail_reject(t);
        if (is != PATTERN_NO_MATCH)
            return false;
        is = look_for(t, &t->expect, len);
        t->looked_at = len;
        if (is == PATTERN_MATCH)
            buf_consume(&t->reply, len);
        if (is != PATTERN_NO_MATCH)
            return is == PATTERN_MATCH;
    }
    note_reply(t);
    return false;
}

/* ---- The steps. ---- */

/* The present step's searches begin anew: the texts that they are over do. */
static void begin_step(struct tcp_run *t)
{
    const struct tcp_step *step = step_of(t);
    pattern_search_fini(&t->expect);
    pattern_search_fini(&t->reject);
    pattern_search_init(&t->expect, step ? step->pattern : NULL, &t->budget);
    pattern_search_init(&t->reject, conf_of(t)->reject, &t->budget);
    t->looked_at = 0;
}

static void next_step(struct tcp_run *t)
{
    t->step++;
    begin_step(t);
}

/* Nothing of the run may be touched after this. */
static void start_tls(struct tcp_run *t)
{
    const struct tcp_conf *c = conf_of(t);
    char words[STEP_WORDS];
    if (t->reply.len) { /* it was not of the server, but of somebody on the way */
        probe_finish(&t->run, REASON_PROTOCOL, "%s: %sbytes came before TLS that nobody asked for",
                     t->stream.peer, step_words(t, words));
        let_go(t);
        return;
    }
    next_step(t);
    move(t, TCP_RUN_SECURING);
    t->tls = (struct tls_options){.conf = (struct tls_conf *)(uintptr_t)&c->tls};
    stream_start_tls(&t->stream, &t->tls, c->ep.host);
}

static void succeed(struct tcp_run *t)
{
    const struct tcp_conf *c = conf_of(t);
    const char *peer = t->stream.peer;
    if (c->is_dialogue)
        probe_finish(&t->run, REASON_OK, "%s answered as expected in all %zu steps", peer,
                     c->n_steps);
    else if (c->n_steps && c->steps[c->n_steps - 1].kind == TCP_STEP_EXPECT)
        probe_finish(&t->run, REASON_OK, "%s answered as expected", peer);
    else
        probe_finish(&t->run, REASON_OK, "connected to %s%s", peer,
                     c->use_tls ? ", TLS handshake done" : "");
    let_go(t);
}

/* Goes on until a step waits for the server, or all is over. */
static void go_on(struct tcp_run *t)
{
    const struct tcp_step *step;
    while ((step = step_of(t))) {
        switch (step->kind) {
        case TCP_STEP_SEND:
            stream_write(&t->stream, step->bytes, step->len);
            if (t->state == TCP_RUN_CLOSING) /* the write failed, and that was said */
                return;
            break;
        case TCP_STEP_EXPECT:
            if (!meets_expect(t))
                return;
            break;
        case TCP_STEP_TLS:
            start_tls(t);
            return;
        }
        next_step(t);
    }
    succeed(t);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct tcp_run *t = s->owner;
    bool whole = buf_add(&t->reply, data, len) == 0;
    go_on(t);
    if (t->state == TCP_RUN_TALKING && !whole)
        fail_expect(t, "not in its first 16 KiB");
}

static void on_eof(struct stream *s)
{
    fail_expect(s->owner, "closed the connection");
}

static void on_open(struct stream *s)
{
    struct tcp_run *t = s->owner;
    move(t, TCP_RUN_TALKING);
    if (step_of(t))
        probe_phase(&t->run, PHASE_REQUEST);
    go_on(t);
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
    begin_step(t);
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
