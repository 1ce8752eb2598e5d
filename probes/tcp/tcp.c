/* tcp: a connection, and where asked a TLS handshake, bytes to send and a pattern to expect.
 * Without `expect` it knows only that something accepts: a server that is stopped behind its
 * backlog, or a proxy without a backend, accepts as well. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/pattern.h"
#include "base/str.h"
#include "host.h"
#include "net/stream.h"
#include "probe.h"

#define REPLY_MAX   16384 /* bytes that `expect` is looked for in */
#define EXCERPT_MAX 160

enum { K_ADDRESS, K_SEND, K_EXPECT, K_FAMILY, K_CLOSE, K_TLS, K_TLS_FIRST };

static const char *const closes[] = {"order", "reset", NULL};

static const char *const families[] = {"any", "4", "6", NULL};
static const int family_of[] = {0, 4, 6};

static const struct probe_key keys[] = {
    [K_ADDRESS] = {.name = "address",
                   .kind = KEY_TEXT,
                   .flags = KEY_REQUIRED,
                   .doc = "Where to connect: host:port, [v6]:port or unix:///path."},
    [K_SEND] =
        {.name = "send",
         .kind = KEY_TEXT,
         .flags = KEY_SECRET,
         .doc =
             "Bytes to send once connected, with the escapes of C (\\r \\n \\t \\0 \\xHH \\\\)."},
    [K_EXPECT] = {.name = "expect",
                  .kind = KEY_TEXT,
                  .doc = "Regular expression that must appear in the first 16 KiB that come back. "
                         "Without it, a connection that is accepted is healthy."},
    [K_FAMILY] = {.name = "family",
                  .kind = KEY_CHOICE,
                  .def = "any",
                  .choices = families,
                  .doc =
                      "4 or 6: only addresses of this family are tried. any: both, side by side."},
    [K_CLOSE] = {.name = "close",
                 .kind = KEY_CHOICE,
                 .def = "order",
                 .choices = closes,
                 .doc = "order: the server's end is awaited after ours. reset: at once, without a "
                        "port in TIME_WAIT, which some servers log."},
    [K_TLS] = {.name = "tls",
               .kind = KEY_BOOL,
               .def = "no",
               .doc = "A TLS handshake must succeed, with the certificate verified."},
    TLS_KEYS,
};

static const struct probe_scheme schemes[] = {
    {"tcp://", "address", true}, {"unix://", "address", false}, {NULL, NULL, false}};

struct tcp_conf {
    struct endpoint ep;
    char *send;
    size_t send_len;
    struct pattern *expect; /* NULL: the connection is enough */
    bool reset;             /* `close` */
    bool use_tls;
    struct tls_conf tls;
};

/* ---- Settings. ---- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One escape at *p, just after the backslash; moves *p past it. -1: none of C's. */
static int unescape_one(const char **p)
{
    static const char letters[] = "abfnrtv\\\"'?e", bytes[] = "\a\b\f\n\r\t\v\\\"'?\033";
    char c = *(*p)++;
    const char *at = c ? strchr(letters, c) : NULL;
    if (at)
        return (unsigned char)bytes[at - letters];
    if (c == 'x') {
        int hi = hex_value(**p), lo = hi < 0 ? -1 : hex_value((*p)[1]);
        if (hi < 0)
            return -1;
        *p += lo < 0 ? 1 : 2;
        return lo < 0 ? hi : hi * 16 + lo;
    }
    if (c < '0' || c > '7')
        return -1;
    int value = c - '0';
    for (int i = 0; i < 2 && **p >= '0' && **p <= '7'; i++)
        value = value * 8 + *(*p)++ - '0';
    return value <= 255 ? value : -1;
}

/* In place; the length comes back, for the bytes may hold NULs. -1: a bad escape. */
static int unescape(char *s, size_t *len)
{
    char *out = s;
    for (const char *p = s; *p;) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        p++;
        int byte = unescape_one(&p);
        if (byte < 0)
            return -1;
        *out++ = (char)byte;
    }
    *len = (size_t)(out - s);
    return 0;
}

static void tcp_dispose(void *conf)
{
    struct tcp_conf *c = conf;
    endpoint_fini(&c->ep);
    free(c->send);
    pattern_free(c->expect);
    tls_conf_fini(&c->tls);
    free(c);
}

static void *tcp_prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct tcp_conf *c = calloc(1, sizeof *c);
    struct err e;
    bool bad = false;
    if (!c)
        return NULL;
    if (!v[K_ADDRESS].text) {
        bad = true; /* KEY_REQUIRED: reported by the configuration */
    } else if (endpoint_parse(&c->ep, v[K_ADDRESS].text, 0, &e) < 0) {
        probe_error(report, K_ADDRESS, "%s", e.text);
        bad = true;
    }
    if (!bad && endpoint_set_family(&c->ep, family_of[v[K_FAMILY].num], &e) < 0) {
        probe_error(report, K_FAMILY, "%s", e.text);
        bad = true;
    }
    if (v[K_SEND].text) {
        c->send = strdup(v[K_SEND].text);
        if (!c->send || unescape(c->send, &c->send_len) < 0) {
            probe_error(report, K_SEND, "has an escape that C does not have");
            bad = true;
        }
    }
    if (v[K_EXPECT].text && !(c->expect = pattern_new(v[K_EXPECT].text, &e))) {
        probe_error(report, K_EXPECT, "%s", e.text);
        bad = true;
    }
    c->reset = v[K_CLOSE].num != 0;
    c->use_tls = v[K_TLS].num != 0;
    bool may_use_tls = c->use_tls || probe_is_missing(report, K_TLS);
    if (tls_conf_init(&c->tls, v + K_TLS_FIRST, K_TLS_FIRST, may_use_tls, report) < 0)
        bad = true;
    else if (c->use_tls && c->ep.path && c->tls.verify && !c->tls.server_name &&
             !probe_is_missing(report, K_TLS_FIRST + TLS_KEY_VERIFY) &&
             !probe_is_missing(report, K_TLS_FIRST + TLS_KEY_SERVER_NAME)) {
        probe_error(report, K_TLS_FIRST + TLS_KEY_SERVER_NAME,
                    "must be set: a unix socket has no name to verify the certificate for");
        bad = true;
    }
    if (bad) {
        tcp_dispose(c);
        return NULL;
    }
    *target = str_format("%s%s", c->use_tls ? "tls://" : "", v[K_ADDRESS].text);
    return c;
}

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
    struct pattern_search search;
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
    pattern_search_fini(&t->search);
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

/* Is the verdict known from what has come so far? */
static bool judge(struct tcp_run *t)
{
    struct err e;
    const char *peer = t->stream.peer;
    switch (pattern_find_so_far(&t->search, t->reply.data, t->reply.len, &e).is) {
    case PATTERN_NO_MATCH:
        return false;
    case PATTERN_MATCH:
        probe_finish(&t->run, REASON_OK, "%s answered as expected", peer);
        break;
    case PATTERN_UNKNOWN:
        probe_finish(&t->run, REASON_INTERNAL,
                     "%s: cannot tell whether the answer matches /%s/: %s", peer,
                     pattern_text(conf_of(t)->expect), e.text);
        break;
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
    pattern_search_init(&t->search, c->expect, &t->budget);
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
    .keys = keys,
    .n_keys = ARRAY_LEN(keys),
    .schemes = schemes,
    .prepare = tcp_prepare,
    .dispose = tcp_dispose,
    .run_size = sizeof(struct tcp_run),
    .start = tcp_start,
    .cancel = tcp_cancel,
};
