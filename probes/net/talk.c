/* talk: see talk.h. */
#include "net/talk.h"

#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define OUT_MAX     65536
#define SAID_MAX    200
#define MOST_JOBS   4
#define JOBS        "server login"
#define OUR_MEMORY  "out of memory"
#define MORE_FORMAT "more bytes than the answer to %s"

/* A job on its thread, which may outlive the run: the memory goes with it. */
struct talk_thread {
    struct work_job job;
    struct talk *talk;
    void (*run)(void *memory);
    size_t size;
    max_align_t memory[];
};

/* ---- Words ---- */

enum talk_next talk_end(struct talk *t, enum reason reason, const char *fmt, ...)
{
    va_list args;
    int n = snprintf(t->detail, sizeof t->detail, "%s: ", t->address);
    va_start(args, fmt);
    if (n > 0 && (size_t)n < sizeof t->detail)
        vsnprintf(t->detail + n, sizeof t->detail - (size_t)n, fmt, args);
    va_end(args);
    t->reason = reason;
    return TALK_DONE;
}

enum talk_next talk_said(struct talk *t, enum reason reason, const char *words, const char *said,
                         size_t len)
{
    char excerpt[SAID_MAX];
    str_excerpt(said, len, excerpt, sizeof excerpt);
    return talk_end(t, reason, "%s: %s%s%s", t->awaited, words, *words && *excerpt ? ": " : "",
                    excerpt);
}

static enum talk_next unable(struct talk *t, const char *words)
{
    t->reason = REASON_INTERNAL;
    snprintf(t->detail, sizeof t->detail, "%.390s", words);
    return TALK_DONE;
}

static void describe(struct probe_run *run, char out[PROBE_DETAIL_MAX])
{
    const struct talk *t = (const struct talk *)run;
    snprintf(out, PROBE_DETAIL_MAX, "connected to %s, no answer to %s", t->address, t->awaited);
}

/* ---- Memory ---- */

void talk_init(struct talk *t, const struct talk_rules *rules, const char *address)
{
    t->rules = rules;
    t->address = address;
    t->awaited = "the connection";
    buf_init(&t->out, OUT_MAX);
    buf_init(&t->in, rules->in_max);
}

void talk_fini(struct talk *t)
{
    if (t->rules->fini)
        t->rules->fini(t);
    buf_wipe(&t->out);
    buf_wipe(&t->in);
}

/* ---- States ---- */

static void move(struct talk *t, enum talk_state to)
{
    static const unsigned next[] = {
        [TALK_STATE_CONNECTING] =
            1 << TALK_STATE_TALKING | 1 << TALK_STATE_LEAVING | 1 << TALK_STATE_CLOSING,
        [TALK_STATE_TALKING] = 1 << TALK_STATE_CONNECTING | 1 << TALK_STATE_WORKING |
                               1 << TALK_STATE_LEAVING | 1 << TALK_STATE_CLOSING,
        [TALK_STATE_WORKING] =
            1 << TALK_STATE_TALKING | 1 << TALK_STATE_LEAVING | 1 << TALK_STATE_CLOSING,
        [TALK_STATE_LEAVING] = 1 << TALK_STATE_CONNECTING | 1 << TALK_STATE_CLOSING,
        [TALK_STATE_CLOSING] = 0,
    };
    assert(next[t->state] & 1U << to);
    t->state = to;
}

static bool is_over(const struct talk *t)
{
    return t->state == TALK_STATE_LEAVING || t->state == TALK_STATE_CLOSING;
}

static void connect_to(struct talk *t, const struct endpoint *ep, const struct tls_conf *tls);

static void on_timer_closed(uv_handle_t *handle)
{
    struct talk *t = container_of((uv_timer_t *)handle, struct talk, timer);
    talk_fini(t);
    probe_release(&t->run);
}

static void on_stream_closed(struct stream *s)
{
    struct talk *t = s->owner;
    if (t->state == TALK_STATE_LEAVING) {
        buf_reset(&t->in);
        move(t, TALK_STATE_CONNECTING);
        connect_to(t, t->next_ep, NULL);
    } else if (t->timed) {
        uv_close((uv_handle_t *)&t->timer, on_timer_closed);
    } else {
        talk_fini(t);
        probe_release(&t->run);
    }
}

/* Goes on in on_stream_closed: elsewhere, or to the end. `out` is the last word here. */
static void let_go(struct talk *t, enum talk_state to)
{
    move(t, to);
    if (t->timed)
        uv_timer_stop(&t->timer);
    if (t->thread)
        work_abandon(&t->thread->job);
    t->thread = NULL;
    if (t->out.len && !t->out.failed)
        stream_write(&t->stream, t->out.data, t->out.len); /* its failure is nobody's any more */
    stream_close(&t->stream, on_stream_closed);
}

static void finish(struct talk *t)
{
    probe_finish(&t->run, t->reason, "%s", t->detail);
    let_go(t, TALK_STATE_CLOSING);
}

static void go_on(struct talk *t, enum talk_next next);
static void take_all(struct talk *t, bool full);

/* ---- Jobs ---- */

static void free_job(struct work_job *job)
{
    struct talk_thread *th = container_of(job, struct talk_thread, job);
    explicit_bzero(th->memory, th->size);
    free(th);
}

static void run_job(struct work_job *job)
{
    struct talk_thread *th = container_of(job, struct talk_thread, job);
    th->run(th->memory);
}

static void on_job_done(struct work_job *job)
{
    struct talk_thread *th = container_of(job, struct talk_thread, job);
    struct talk *t = th->talk;
    t->thread = NULL;
    memcpy(t->job.memory, th->memory, th->size);
    free_job(job);
    move(t, TALK_STATE_TALKING);
    buf_reset(&t->out);
    enum talk_next next = t->rules->worked(t);
    go_on(t, next);
    if (t->state == TALK_STATE_TALKING && t->in.len) /* it came meanwhile */
        take_all(t, false);
}

static void start_job(struct talk *t)
{
    struct err e;
    struct work *threads = probe_work(t->run.env, JOBS, MOST_JOBS, &e);
    struct talk_thread *th = threads ? calloc(1, sizeof *th + t->job.size) : NULL;
    if (!th) {
        go_on(t, unable(t, threads ? OUR_MEMORY : e.text));
        return;
    }
    *th = (struct talk_thread){.job = {.run = run_job, .on_done = on_job_done, .free = free_job},
                               .talk = t,
                               .run = t->job.run,
                               .size = t->job.size};
    memcpy(th->memory, t->job.memory, t->job.size);
    if (work_start(threads, &th->job, &e) < 0) {
        free_job(&th->job);
        go_on(t, unable(t, e.text));
        return;
    }
    t->thread = th;
    move(t, TALK_STATE_WORKING);
}

/* ---- Steps ---- */

static void begin_tls(struct talk *t)
{
    if (t->in.len) { /* what came before the handshake is nobody's word */
        go_on(t, talk_end(t, REASON_PROTOCOL, "bytes before the TLS handshake"));
        return;
    }
    if (t->out.len)
        stream_write(&t->stream, t->out.data, t->out.len);
    if (t->state != TALK_STATE_TALKING)
        return;
    move(t, TALK_STATE_CONNECTING);
    t->is_tls = true;
    stream_start_tls(&t->stream, &t->tls, t->host);
}

static void go_on(struct talk *t, enum talk_next next)
{
    if (next != TALK_WAIT && t->out.failed)
        next = unable(t, "out of memory, or a setting is too long");
    switch (next) {
    case TALK_WAIT:
        return;
    case TALK_SEND:
        stream_write(&t->stream, t->out.data, t->out.len); /* t may let go in it */
        return;
    case TALK_TLS:
        begin_tls(t);
        return;
    case TALK_WORK:
        start_job(t);
        return;
    case TALK_AGAIN:
        let_go(t, TALK_STATE_LEAVING);
        return;
    case TALK_DONE:
        finish(t);
        return;
    }
}

/* Takes answers until one is not whole; what is left of the bytes stays in `in`. */
static enum talk_next take(struct talk *t)
{
    size_t used = 0;
    buf_reset(&t->out);
    enum talk_next next = t->rules->take(t, t->in.data, t->in.len, &used);
    assert(used <= t->in.len);
    buf_consume(&t->in, used);
    if (next == TALK_SEND && t->in.len && !t->rules->unasked) /* nobody has asked for those */
        return talk_end(t, REASON_PROTOCOL, MORE_FORMAT, t->awaited);
    return next;
}

/* All that is whole; `full`: `in` could not take what came last. */
static void take_all(struct talk *t, bool full)
{
    enum talk_next next;
    do {
        next = take(t);
        if (next == TALK_WAIT && full)
            next = talk_end(t, REASON_PROTOCOL, "an answer to %s without end", t->awaited);
        go_on(t, next);
    } while (next == TALK_SEND && t->in.len && t->state == TALK_STATE_TALKING);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct talk *t = s->owner;
    bool full = buf_add(&t->in, data, len) < 0;
    if (t->state == TALK_STATE_TALKING)
        take_all(t, full);
    else if (t->state == TALK_STATE_WORKING && full)
        go_on(t, talk_end(t, REASON_PROTOCOL, MORE_FORMAT, t->awaited));
}

static void on_open(struct stream *s)
{
    struct talk *t = s->owner;
    t->address = s->peer;
    move(t, TALK_STATE_TALKING);
    probe_phase(&t->run, PHASE_REQUEST);
    probe_note_later(&t->run, describe);
    buf_reset(&t->out);
    go_on(t, t->rules->opened(t));
}

/* `reason` and `detail` are set. */
static void on_failed(struct talk *t)
{
    buf_reset(&t->out);
    enum talk_next next = t->rules->failed ? t->rules->failed(t) : TALK_DONE;
    go_on(t, next);
}

static void on_eof(struct stream *s)
{
    struct talk *t = s->owner;
    if (is_over(t))
        return;
    talk_end(t, REASON_CLOSED, "the server closed the connection instead of an answer to %s",
             t->awaited);
    on_failed(t);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct talk *t = s->owner;
    if (is_over(t))
        return;
    t->reason = reason;
    snprintf(t->detail, sizeof t->detail, "%s", detail);
    on_failed(t);
}

static const struct stream_events events = {
    .on_open = on_open, .on_data = on_data, .on_eof = on_eof, .on_fail = on_fail};

/* ---- Its way ---- */

static void on_limit(uv_timer_t *timer)
{
    struct talk *t = container_of(timer, struct talk, timer);
    char limit[CLOCK_SHORT_SIZE];
    const struct endpoint *ep = t->next_ep;
    t->reason = REASON_TIMEOUT;
    snprintf(t->detail, sizeof t->detail, "%s: no answer to %s within its share of the time, %s",
             *t->address ? t->address
             : ep->host  ? ep->host
                         : ep->path,
             t->awaited, clock_short(t->limit, limit));
    on_failed(t);
}

static void connect_to(struct talk *t, const struct endpoint *ep, const struct tls_conf *tls)
{
    t->host = ep->host;
    t->is_tls = tls != NULL;
    t->next_ep = ep;
    if (t->limit && !t->timed) {
        uv_timer_init(t->run.env->loop, &t->timer);
        t->timed = true;
    }
    if (t->limit)
        uv_timer_start(&t->timer, on_limit, (uint64_t)(t->limit / NS_PER_MS) + 1, 0);
    stream_start(&t->stream, &t->run, ep, tls, &events, t);
}

void talk_start(struct talk *t, const struct talk_rules *rules, const struct endpoint *ep,
                const struct tls_conf *tls, const struct tls_conf *later)
{
    talk_init(t, rules, "");
    t->tls = (struct tls_options){.conf = (struct tls_conf *)(uintptr_t)later};
    connect_to(t, ep, tls);
}

void talk_cancel(struct probe_run *run)
{
    struct talk *t = (struct talk *)run;
    buf_reset(&t->out);
    if (t->state == TALK_STATE_LEAVING)
        move(t, TALK_STATE_CLOSING); /* on_stream_closed is on its way */
    else if (t->state != TALK_STATE_CLOSING)
        let_go(t, TALK_STATE_CLOSING);
}
