/* dns: a record, asked of a name server: by UDP with our own packets, and by TCP where the answer
 * is cut or TCP is asked for. Nothing is looked up in a cache or in /etc/hosts, and no search
 * domain is added: what the server says is the verdict. Several servers are asked one after the
 * other, as the system's resolver does: the next one when one fails, or has not answered for a
 * second, after which it still may. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "dns/dns_answer.h"
#include "dns/dns_conf.h"
#include "dns/dns_servers.h"
#include "host.h"
#include "loop/closer.h"
#include "net/address.h"
#include "net/stream.h"

#define PAUSE_MS    1000 /* until the next server is asked; twice that in the next round */
#define UDP_MAX     4096
#define TCP_MAX     (2 + 65535)
#define FIRST_SHOWN 100

/*  state       what is under way                    next
 *  LOOKING_UP  the addresses of the server's name   ASKING, CLOSING
 *  ASKING      one server after the other           CLOSING
 *  CLOSING     finished or cancelled: it lets go */
enum dns_run_state { DNS_RUN_LOOKING_UP, DNS_RUN_ASKING, DNS_RUN_CLOSING };

struct dns_server {
    struct dns_run *run;
    char text[DIAL_TEXT_MAX]; /* its address; "": the one that the check names, by TCP */
    bool is_dead;             /* it is of no use */
    bool by_udp, by_tcp;      /* open */
    uv_udp_t udp;
    struct endpoint ep;
    struct stream stream;
    struct buf reply; /* by TCP */
};

struct dns_run {
    struct probe_run run;
    enum dns_run_state state;
    unsigned char question[DNS_QUESTION_MAX];
    size_t question_len;
    struct dns_server servers[DNS_SERVERS_MAX];
    size_t n_servers, next, n_asked;
    size_t n_refused, n_no_family; /* of the servers, by UDP */
    struct dns_servers addresses;
    uv_timer_t timer;
    struct closer closer;
    /* The most telling word of those that are dead. */
    enum reason reason;
    char why[PROBE_DETAIL_MAX];
    char data[UDP_MAX];
};

static void move(struct dns_run *d, enum dns_run_state to)
{
    static const unsigned next[] = {
        [DNS_RUN_LOOKING_UP] = 1 << DNS_RUN_ASKING | 1 << DNS_RUN_CLOSING,
        [DNS_RUN_ASKING] = 1 << DNS_RUN_CLOSING,
        [DNS_RUN_CLOSING] = 0,
    };
    assert(next[d->state] & 1U << to);
    d->state = to;
}

static const struct dns_conf *conf_of(const struct dns_run *d)
{
    return d->run.conf;
}

/* ---- The end ---- */

static void on_stream_closed(struct stream *stream)
{
    struct dns_server *s = stream->owner;
    closer_drop(&s->run->closer);
}

static void on_addresses_closed(void *addresses)
{
    closer_drop(&container_of((struct dns_servers *)addresses, struct dns_run, addresses)->closer);
}

static void on_closed(struct closer *c)
{
    struct dns_run *d = container_of(c, struct dns_run, closer);
    for (size_t i = 0; i < d->n_servers; i++) {
        endpoint_fini(&d->servers[i].ep);
        buf_fini(&d->servers[i].reply);
    }
    probe_release(&d->run);
}

static void leave(struct dns_server *s)
{
    if (s->by_tcp)
        stream_close(&s->stream, on_stream_closed);
    s->by_tcp = false;
}

static void let_go(struct dns_run *d)
{
    move(d, DNS_RUN_CLOSING);
    if (dns_servers_close(&d->addresses, on_addresses_closed))
        closer_hold(&d->closer);
    for (size_t i = 0; i < d->n_servers; i++)
        leave(&d->servers[i]);
    closer_close(&d->closer);
}

__attribute__((format(printf, 3, 4))) static void conclude(struct dns_run *d, enum reason reason,
                                                           const char *fmt, ...)
{
    char words[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    probe_finish(&d->run, reason, "%s", words);
    let_go(d);
}

/* ---- What a reply says ---- */

/* The first record that the pattern matches; where there is no pattern, or it matches none, the
 * first of all, "" where that is too long to be kept. False: none matches; `*reason` then is why.
 */
static bool find_record(const struct dns_run *d, const struct dns_answer *a, char *out,
                        enum reason *reason, struct err *e)
{
    const struct pattern *expect = conf_of(d)->expect;
    struct pattern_budget budget = {PATTERN_STEPS};
    const char *records = a->records.data ? a->records.data : "";
    *reason = REASON_MISMATCH;
    snprintf(out, FIRST_SHOWN, "%.*s", (int)strcspn(records, "\n"), records);
    for (const char *p = records; expect && *p; p += strcspn(p, "\n") + 1) {
        size_t len = strcspn(p, "\n");
        struct pattern_result is = pattern_find_once(expect, p, len, true, &budget, e);
        if (is.is == PATTERN_UNKNOWN)
            *reason = REASON_INTERNAL;
        if (is.is != PATTERN_MATCH)
            continue;
        snprintf(out, FIRST_SHOWN, "%.*s", (int)len, p);
        return true;
    }
    return !expect;
}

static void judge_records(struct dns_run *d, const struct dns_answer *a, const char *peer)
{
    const struct dns_conf *c = conf_of(d);
    char record[FIRST_SHOWN], more[32] = "";
    const char *type = dns_type_name(c->type);
    struct err e;
    enum reason reason;
    bool found = find_record(d, a, record, &reason, &e);
    if (a->cut && !a->records.len)
        snprintf(record, sizeof record, "of over 16 KiB");
    if (a->n > 1)
        snprintf(more, sizeof more, " and %zu more", a->n - 1);
    if (found)
        conclude(d, REASON_OK, "%s %s %s%s from %s", c->name, type, record, more, peer);
    else if (reason == REASON_INTERNAL)
        conclude(d, reason, "%s: cannot tell whether a record matches /%.100s/: %.400s", peer,
                 pattern_text(c->expect), e.text);
    else
        conclude(d, a->cut ? REASON_INTERNAL : reason,
                 "%s %s from %s: no record matches /%.100s/: %s%s%s", c->name, type, peer,
                 pattern_text(c->expect), record, more, a->cut ? "; not all were looked at" : "");
}

static void ask_next(struct dns_run *d);

/* An answer says more than that there is none, and that it is our fault more than both. */
static int weight_of(enum reason reason)
{
    return reason == REASON_INTERNAL                           ? 2
           : reason == REASON_DNS || reason == REASON_PROTOCOL ? 1
                                                               : 0;
}

/* The server is of no use: the next is asked. */
__attribute__((format(printf, 3, 4))) static void give_up(struct dns_server *s, enum reason reason,
                                                          const char *fmt, ...)
{
    struct dns_run *d = s->run;
    va_list args;
    if (weight_of(reason) >= weight_of(d->reason)) {
        d->reason = reason;
        va_start(args, fmt);
        vsnprintf(d->why, sizeof d->why, fmt, args);
        va_end(args);
    }
    s->is_dead = true;
    leave(s);
    ask_next(d);
}

/* False: it is not the answer that is waited for. */
static bool judge(struct dns_server *s, const struct dns_answer *a, const char *peer)
{
    struct dns_run *d = s->run;
    const struct dns_conf *c = conf_of(d);
    switch (a->is) {
    case DNS_ANSWER_OTHER:
    case DNS_ANSWER_CUT: /* by UDP, and the caller has seen to it */
        return false;
    case DNS_ANSWER_BROKEN:
        give_up(s, REASON_PROTOCOL, "the answer of the DNS server %s makes no sense", peer);
        return true;
    case DNS_ANSWER_ERROR:
        give_up(s, REASON_DNS, "the DNS server %s answers %s", peer, a->error);
        return true;
    case DNS_ANSWER_FOUND:
    case DNS_ANSWER_NO_NAME:
    case DNS_ANSWER_NO_RECORD:
        break;
    }
    if (c->authoritative && !a->authoritative) {
        conclude(d, REASON_MISMATCH, "the answer of the DNS server %s is not authoritative", peer);
        return true;
    }
    if (a->is == DNS_ANSWER_FOUND) {
        judge_records(d, a, peer);
        return true;
    }
    probe_gone(&d->run);
    if (a->is == DNS_ANSWER_NO_NAME)
        conclude(d, REASON_DNS, "%s: no such name (NXDOMAIN), says %s", c->name, peer);
    else
        conclude(d, REASON_DNS, "%s: the name has no %s record, says %s", c->name,
                 dns_type_name(c->type), peer);
    return true;
}

/* ---- By TCP ---- */

static void on_stream_open(struct stream *stream)
{
    struct dns_run *d = ((struct dns_server *)stream->owner)->run;
    unsigned char message[2 + DNS_QUESTION_MAX] = {(unsigned char)(d->question_len >> 8),
                                                   (unsigned char)d->question_len};
    memcpy(message + 2, d->question, d->question_len);
    probe_phase(&d->run, PHASE_REQUEST);
    probe_note(&d->run, "connected to the DNS server %s, no answer", stream->peer);
    stream_write(stream, message, 2 + d->question_len);
}

static void on_stream_data(struct stream *stream, const char *data, size_t len)
{
    struct dns_server *s = stream->owner;
    const struct dns_run *d = s->run;
    struct dns_answer a;
    buf_add(&s->reply, data, len);
    const unsigned char *in = (const unsigned char *)s->reply.data;
    if (s->reply.len < 2 || s->reply.len - 2 < ((size_t)in[0] << 8 | in[1]))
        return;
    dns_answer_read(&a, d->question, d->question_len, in + 2, (size_t)in[0] << 8 | in[1]);
    if (a.is == DNS_ANSWER_OTHER || a.is == DNS_ANSWER_CUT)
        a.is = DNS_ANSWER_BROKEN;
    judge(s, &a, stream->peer);
    dns_answer_fini(&a);
}

static void on_stream_eof(struct stream *stream)
{
    give_up(stream->owner, REASON_CLOSED,
            "the DNS server %s closed the connection without an answer", stream->peer);
}

static void on_stream_fail(struct stream *stream, enum reason reason, const char *detail)
{
    give_up(stream->owner, reason, "%s", detail);
}

/* Nothing of the run may be touched after this. */
static void ask_by_tcp(struct dns_server *s)
{
    static const struct stream_events events = {.on_open = on_stream_open,
                                                .on_data = on_stream_data,
                                                .on_eof = on_stream_eof,
                                                .on_fail = on_stream_fail};
    struct dns_run *d = s->run;
    const struct endpoint *ep = &conf_of(d)->server;
    struct err e;
    if (s->text[0]) {
        if (endpoint_parse(&s->ep, s->text, 0, &e) < 0) {
            conclude(d, REASON_INTERNAL, "%s", e.text);
            return;
        }
        s->ep.is_beside = true; /* it is one of several, or has answered by UDP */
        ep = &s->ep;
    }
    s->by_tcp = true;
    buf_init(&s->reply, TCP_MAX);
    closer_hold(&d->closer);
    stream_start(&s->stream, &d->run, ep, NULL, &events, s);
}

/* ---- By UDP ---- */

static void fail_udp(struct dns_server *s, int errnum)
{
    struct dns_run *d = s->run;
    enum reason reason = reason_from_errno(errnum);
    d->n_refused += reason == REASON_REFUSED;
    d->n_no_family += address_lacks_family(d->addresses.found[s - d->servers].sin6_family, errnum);
    give_up(s, reason, "the DNS server %s: %s", s->text, address_error_words(errnum));
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct dns_run *d = container_of((uv_udp_t *)handle, struct dns_server, udp)->run;
    *buf = uv_buf_init(d->data, sizeof d->data);
}

static void on_receive(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from,
                       unsigned flags)
{
    struct dns_server *s = container_of(udp, struct dns_server, udp);
    struct dns_run *d = s->run;
    struct dns_answer a;
    if (d->state != DNS_RUN_ASKING || s->is_dead || s->by_tcp || (n == 0 && !from))
        return;
    if (n < 0) {
        fail_udp(s, (int)-n);
        return;
    }
    dns_answer_read(&a, d->question, d->question_len, (unsigned char *)buf->base, (size_t)n);
    if (a.is != DNS_ANSWER_OTHER && (flags & UV_UDP_PARTIAL))
        a.is = DNS_ANSWER_CUT;
    if (a.is == DNS_ANSWER_CUT) {
        probe_note(&d->run, "the answer of the DNS server %s is cut, asking by TCP", s->text);
        ask_by_tcp(s);
    } else if (!judge(s, &a, s->text)) {
        probe_note(&d->run, "only answers to other questions came from the DNS server %s", s->text);
    }
    dns_answer_fini(&a);
}

static int open_udp(struct dns_server *s)
{
    struct dns_run *d = s->run;
    int rc = uv_udp_init(d->run.env->loop, &s->udp);
    if (rc < 0)
        return rc;
    s->by_udp = true;
    closer_add(&d->closer, &s->udp);
    rc = uv_udp_connect(&s->udp, (const struct sockaddr *)&d->addresses.found[s - d->servers]);
    return rc < 0 ? rc : uv_udp_recv_start(&s->udp, on_alloc, on_receive);
}

static void ask_by_udp(struct dns_server *s)
{
    struct dns_run *d = s->run;
    uv_buf_t buf = uv_buf_init((char *)d->question, (unsigned)d->question_len);
    int rc = s->by_udp ? 0 : open_udp(s);
    if (rc == 0)
        rc = uv_udp_try_send(&s->udp, &buf, 1, NULL);
    if (rc < 0 && rc != UV_EAGAIN)
        fail_udp(s, -rc);
    else
        probe_note(&d->run, "no answer from the DNS server %s", s->text);
}

/* ---- Its course ---- */

static struct dns_server *next_server(struct dns_run *d)
{
    for (size_t tries = 0; tries < d->n_servers; tries++) {
        struct dns_server *s = &d->servers[d->next++ % d->n_servers];
        if (!s->is_dead)
            return s;
    }
    return NULL;
}

static void on_timer(uv_timer_t *timer)
{
    ask_next(container_of(timer, struct dns_run, timer));
}

/* There is no such server, or none at any address of it. */
static bool is_gone(const struct dns_run *d)
{
    return conf_of(d)->server.host && d->addresses.is_whole &&
           d->n_refused + d->n_no_family == d->n_servers && (d->n_refused || !d->n_servers);
}

/* Asks the next server, while the others may yet answer; the end where none is left. Nothing of the
 * run may be touched after this. */
static void ask_next(struct dns_run *d)
{
    struct dns_server *s = next_server(d);
    if (!s) {
        if (is_gone(d))
            probe_gone(&d->run);
        conclude(d, d->reason, "%s", d->why);
        return;
    }
    uint64_t round = d->n_asked++ / d->n_servers;
    uv_timer_start(&d->timer, on_timer, (uint64_t)PAUSE_MS << (round < 3 ? round : 3), 0);
    if (s->by_tcp) /* it has been asked */
        return;
    if (conf_of(d)->tcp)
        ask_by_tcp(s);
    else
        ask_by_udp(s);
}

static void begin(struct dns_run *d, size_t n_servers)
{
    move(d, DNS_RUN_ASKING);
    probe_phase(&d->run, PHASE_REQUEST);
    d->n_servers = n_servers;
    for (size_t i = 0; i < n_servers; i++)
        d->servers[i].run = d;
    ask_next(d);
}

static void on_servers(struct dns_servers *found)
{
    struct dns_run *d = container_of(found, struct dns_run, addresses);
    if (!found->n) {
        d->reason = found->reason;
        snprintf(d->why, sizeof d->why, "%s", found->why);
    }
    for (size_t i = 0; i < found->n; i++)
        address_text(&found->found[i], d->servers[i].text);
    begin(d, found->n);
}

static void dns_start(struct probe_run *run)
{
    struct dns_run *d = container_of(run, struct dns_run, run);
    const struct dns_conf *c = run->conf;
    struct err e;
    uint16_t id = 0;
    bool random = getrandom(&id, sizeof id, GRND_NONBLOCK) == sizeof id;
    closer_init(&d->closer, run->env->loop, on_closed);
    uv_timer_init(run->env->loop, &d->timer);
    closer_add(&d->closer, &d->timer);
    d->question_len = dns_question(d->question, id, c->name, c->type, &e);
    if (!random || !d->question_len)
        conclude(d, REASON_INTERNAL, "no random number for the question");
    else if (c->server.host && c->tcp)
        begin(d, 1);
    else
        dns_servers_find(&d->addresses, run, &c->server, on_servers);
}

static void dns_cancel(struct probe_run *run)
{
    struct dns_run *d = container_of(run, struct dns_run, run);
    if (d->state != DNS_RUN_CLOSING)
        let_go(d);
}

static const struct probe_scheme schemes[] = {
    {"dns://", "query", false}, {"dns+tcp://", "query", false}, {NULL, NULL, false}};

const struct probe_type probe_type_dns = {
    .name = "dns",
    .summary = "a name server has a record",
    .keys = dns_keys,
    .n_keys = DNS_N_KEYS,
    .schemes = schemes,
    .prepare = dns_conf_prepare,
    .dispose = dns_conf_dispose,
    .run_size = sizeof(struct dns_run),
    .start = dns_start,
    .cancel = dns_cancel,
};
