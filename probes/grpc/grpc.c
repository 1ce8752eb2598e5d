/* grpc: the call grpc.health.v1.Health/Check over HTTP/2, by libcurl on our own connection
 * (net/http2.h): plain with prior knowledge, over TLS as ALPN has it. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "grpc/grpc_conf.h"
#include "grpc/grpc_reply.h"
#include "host.h"
#include "net/http2.h"
#include "net/stream.h"

#define OWN_HEADERS 4

/*  state       what is under way                      next
 *  CONNECTING  the dial and TLS                       CALLING, CLOSING
 *  CALLING     the call                               CLOSING
 *  CLOSING     finished or cancelled: it lets go */
enum grpc_run_state { GRPC_RUN_CONNECTING, GRPC_RUN_CALLING, GRPC_RUN_CLOSING };

struct grpc_run {
    struct probe_run run;
    enum grpc_run_state state;
    struct tls_options tls;
    struct stream stream;
    struct http2 http2;
    struct grpc_reply reply;
    bool over; /* the call came to its end */
};

static void move(struct grpc_run *g, enum grpc_run_state to)
{
    static const unsigned next[] = {
        [GRPC_RUN_CONNECTING] = 1 << GRPC_RUN_CALLING | 1 << GRPC_RUN_CLOSING,
        [GRPC_RUN_CALLING] = 1 << GRPC_RUN_CLOSING,
        [GRPC_RUN_CLOSING] = 0,
    };
    assert(next[g->state] & 1U << to);
    g->state = to;
}

static const struct grpc_conf *conf_of(const struct grpc_run *g)
{
    return g->run.conf;
}

static void on_stream_closed(struct stream *s)
{
    struct grpc_run *g = s->owner;
    http2_fini(&g->http2);
    grpc_reply_fini(&g->reply);
    probe_release(&g->run);
}

static void let_go(struct grpc_run *g)
{
    move(g, GRPC_RUN_CLOSING);
    stream_close(&g->stream, on_stream_closed);
}

static void conclude(struct grpc_run *g, enum reason reason, const char *words)
{
    probe_finish(&g->run, reason, "%s", words);
    let_go(g);
}

/* ---- The call ---- */

static bool on_line(void *owner, const char *line, size_t len)
{
    return grpc_reply_line(&((struct grpc_run *)owner)->reply, line, len);
}

static bool on_body(void *owner, const char *data, size_t len)
{
    return grpc_reply_body(&((struct grpc_run *)owner)->reply, data, len);
}

/* What the server's frames say of a call that did not end as HTTP/2 has it. */
static enum reason broken(const struct grpc_run *g, struct err *e)
{
    const struct http2_frames *f = &g->http2.frames;
    if (f->is_http1) {
        err_set(e, "it speaks HTTP/1, not gRPC");
        return REASON_PROTOCOL;
    }
    if (!f->began && g->http2.rc != CURLE_OUT_OF_MEMORY) {
        err_set(e, "it closed the connection without an answer");
        return REASON_CLOSED;
    }
    enum reason reason = http2_words(&g->http2, g->stream.peer, e);
    if (reason != REASON_OK || g->over)
        return reason;
    err_set(e, "it closed the connection within its answer");
    return REASON_CLOSED;
}

static void judge(struct grpc_run *g)
{
    const struct grpc_conf *c = conf_of(g);
    const char *peer = g->stream.peer;
    char words[1024];
    struct err e;
    enum reason reason = REASON_OK;
    /* A status is the server's word, whatever became of the stream behind it. */
    if (g->reply.status < 0 && !g->reply.too_long)
        reason = broken(g, &e);
    if (reason == REASON_OK)
        reason = grpc_reply_judge(&g->reply, c->service, &e);
    if (reason == REASON_OK)
        snprintf(words, sizeof words, "%s%sSERVING, says %s", c->service, *c->service ? " " : "",
                 peer);
    else
        snprintf(words, sizeof words, "%s%s%s: %s", c->service, *c->service ? " at " : "", peer,
                 e.text);
    conclude(g, reason, words);
}

static void on_turn(void *owner, const struct buf *out, bool over)
{
    struct grpc_run *g = owner;
    g->over = over;
    if (out->len && !over)
        stream_write(&g->stream, out->data, out->len);
    else if (over)
        judge(g);
}

static void start_call(struct grpc_run *g)
{
    static const struct http2_events events = {{.on_line = on_line, .on_body = on_body}, on_turn};
    const struct grpc_conf *c = conf_of(g);
    struct http_header headers[OWN_HEADERS + GRPC_METADATA_MAX];
    char left[32];
    int64_t ms = (g->run.deadline - clock_now()) / NS_PER_MS;
    size_t n = 0;
    struct err e;
    snprintf(left, sizeof left, "%lldm", ms > 0 ? (long long)ms : 1LL);
    headers[n++] = (struct http_header){"TE", "trailers"};
    headers[n++] = (struct http_header){"Content-Type", "application/grpc"};
    headers[n++] = (struct http_header){"User-Agent", "probe/" PROBE_VERSION};
    if (ms < 99999999) /* gRPC's numbers have eight digits */
        headers[n++] = (struct http_header){"grpc-timeout", left};
    for (size_t i = 0; i < c->n_headers; i++)
        headers[n++] = c->headers[i];
    struct http2_request request = {.method = "POST",
                                    .authority = c->authority,
                                    .path = "/grpc.health.v1.Health/Check",
                                    .body = c->request.data,
                                    .body_len = c->request.len,
                                    .https = c->use_tls,
                                    .headers = headers,
                                    .n_headers = n};
    move(g, GRPC_RUN_CALLING);
    probe_phase(&g->run, PHASE_REQUEST);
    probe_note(&g->run, "connected to %s, no answer to Health/Check", g->stream.peer);
    if (http2_start(&g->http2, &request, &events, g, &e) < 0)
        conclude(g, REASON_INTERNAL, e.text);
}

/* ---- The connection ---- */

static void on_open(struct stream *s)
{
    struct grpc_run *g = s->owner;
    char words[DIAL_TEXT_MAX + 64];
    if (!conf_of(g)->use_tls || strcmp(stream_alpn(s), "h2") == 0) {
        start_call(g);
        return;
    }
    snprintf(words, sizeof words, "%s does not speak HTTP/2, and so no gRPC", s->peer);
    conclude(g, REASON_PROTOCOL, words);
}

static void on_data(struct stream *s, const char *data, size_t len)
{
    struct grpc_run *g = s->owner;
    if (g->state == GRPC_RUN_CALLING)
        http2_take(&g->http2, data, len);
}

static void on_eof(struct stream *s)
{
    judge(s->owner);
}

static void on_fail(struct stream *s, enum reason reason, const char *detail)
{
    conclude(s->owner, reason, detail);
}

static const struct stream_events stream_events = {
    .on_open = on_open, .on_data = on_data, .on_eof = on_eof, .on_fail = on_fail};

static void grpc_start(struct probe_run *run)
{
    struct grpc_run *g = container_of(run, struct grpc_run, run);
    const struct grpc_conf *c = run->conf;
    grpc_reply_init(&g->reply);
    g->tls = (struct tls_options){.conf = c->use_tls ? (struct tls_conf *)(uintptr_t)&c->tls : NULL,
                                  .alpn = "h2"};
    stream_open(&g->stream, run, &c->ep, &g->tls, &stream_events, g);
}

static void grpc_cancel(struct probe_run *run)
{
    struct grpc_run *g = container_of(run, struct grpc_run, run);
    if (g->state != GRPC_RUN_CLOSING)
        let_go(g);
}

static const struct probe_scheme schemes[] = {{"grpc://", "url", false},
                                              {"grpcs://", "url", false},
                                              {"grpc+unix://", "url", false},
                                              {NULL, NULL, false}};

const struct probe_type probe_type_grpc = {
    .name = "grpc",
    .summary = "a gRPC service says SERVING",
    .keys = grpc_keys,
    .n_keys = GRPC_N_KEYS,
    .schemes = schemes,
    .prepare = grpc_conf_prepare,
    .dispose = grpc_conf_dispose,
    .run_size = sizeof(struct grpc_run),
    .start = grpc_start,
    .cancel = grpc_cancel,
};
