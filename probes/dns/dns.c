/* dns: a record, asked of a name server: by UDP with our own packets, and by TCP where the answer
 * is cut or TCP is asked for. Nothing is looked up in a cache or in /etc/hosts, and no search
 * domain is added: what the server says is the verdict. Several servers are asked one after the
 * other, as the system's resolver does; one that fails is left for the next. */
#include <assert.h>
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

#define PAUSE_MS    1000 /* until the question is sent again; twice that in the next round */
#define UDP_MAX     4096
#define TCP_MAX     (2 + 65535)
#define FIRST_SHOWN 100

/*  state       what is under way                         next
 *  LOOKING_UP  the addresses of the server's name        ASKING, CLOSING
 *  ASKING      by UDP                                    CONNECTED, CLOSING
 *  CONNECTED   by TCP                                    LEAVING, CLOSING
 *  LEAVING     one that failed by TCP, for the next      ASKING, CONNECTED, CLOSING
 *  CLOSING     finished or cancelled: it lets go */
enum dns_run_state {
    DNS_RUN_LOOKING_UP,
    DNS_RUN_ASKING,
    DNS_RUN_CONNECTED,
    DNS_RUN_LEAVING,
    DNS_RUN_CLOSING
};

struct dns_server {
    struct dns_run *run;
    char text[DIAL_TEXT_MAX];
    uv_udp_t udp;
    bool is_open, is_dead;
};

struct dns_run {
    struct probe_run run;
    enum dns_run_state state;
    unsigned char question[DNS_QUESTION_MAX];
    size_t question_len;
    struct dns_server servers[DNS_SERVERS_MAX];
    size_t n_servers, next, n_sent;
    struct dns_servers addresses;
    uv_timer_t timer;
    struct closer closer;
    /* What the last server that was given up said. */
    enum reason reason;
    char why[PROBE_DETAIL_MAX];
    struct endpoint tcp_ep;
    struct dns_server *by_tcp; /* CONNECTED: one of several; NULL: the one that the check names */
    struct stream stream;
    struct buf reply; /* by TCP */
    char data[UDP_MAX];
};

static void move(struct dns_run *d, enum dns_run_state to)
{
    static const unsigned next[] = {
        [DNS_RUN_LOOKING_UP] = 1 << DNS_RUN_ASKING | 1 << DNS_RUN_CONNECTED | 1 << DNS_RUN_CLOSING,
        [DNS_RUN_ASKING] = 1 << DNS_RUN_CONNECTED | 1 << DNS_RUN_CLOSING,
        [DNS_RUN_CONNECTED] = 1 << DNS_RUN_LEAVING | 1 << DNS_RUN_CLOSING,
        [DNS_RUN_LEAVING] = 1 << DNS_RUN_ASKING | 1 << DNS_RUN_CONNECTED | 1 << DNS_RUN_CLOSING,
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

static void go_on(struct dns_run *d);

static void on_stream_closed(struct stream *s)
{
    struct dns_run *d = s->owner;
    if (d->state == DNS_RUN_LEAVING)
        go_on(d);
    closer_drop(&d->closer);
}

static void on_addresses_closed(void *addresses)
{
    closer_drop(&container_of((struct dns_servers *)addresses, struct dns_run, addresses)->closer);
}

static void on_closed(struct closer *c)
{
    struct dns_run *d = container_of(c, struct dns_run, closer);
    endpoint_fini(&d->tcp_ep);
    buf_fini(&d->reply);
    probe_release(&d->run);
}

static void let_go(struct dns_run *d)
{
    bool connected = d->state == DNS_RUN_CONNECTED;
    move(d, DNS_RUN_CLOSING);
    if (dns_servers_close(&d->addresses, on_addresses_closed))
        closer_hold(&d->closer);
    if (connected)
        stream_close(&d->stream, on_stream_closed);
    closer_close(&d->closer);
}

static void conclude(struct dns_run *d, enum reason reason, const char *words)
{
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
    char words[1024], record[FIRST_SHOWN], more[32] = "";
    const char *type = dns_type_name(c->type);
    struct err e;
    enum reason reason;
    bool found = find_record(d, a, record, &reason, &e);
    if (a->cut && !a->records.len)
        snprintf(record, sizeof record, "of over 16 KiB");
    if (a->n > 1)
        snprintf(more, sizeof more, " and %zu more", a->n - 1);
    if (found) {
        snprintf(words, sizeof words, "%s %s %s%s from %s", c->name, type, record, more, peer);
        reason = REASON_OK;
    } else if (reason == REASON_INTERNAL) {
        snprintf(words, sizeof words, "%s: cannot tell whether a record matches /%.100s/: %.400s",
                 peer, pattern_text(c->expect), e.text);
    } else {
        snprintf(words, sizeof words, "%s %s from %s: no record matches /%.100s/: %s%s%s", c->name,
                 type, peer, pattern_text(c->expect), record, more,
                 a->cut ? "; not all were looked at" : "");
        reason = a->cut ? REASON_INTERNAL : reason;
    }
    conclude(d, reason, words);
}

static void ask_next(struct dns_run *d);

static bool is_server_left(const struct dns_run *d)
{
    for (size_t i = 0; i < d->n_servers; i++)
        if (!d->servers[i].is_dead)
            return true;
    return false;
}

/* `s` (NULL: there is but one) is of no use: its word counts if no other server has a better one.
 */
static void give_up(struct dns_run *d, struct dns_server *s, enum reason reason, const char *fmt,
                    const char *a, const char *b)
{
    d->reason = reason;
    snprintf(d->why, sizeof d->why, fmt, a, b);
    if (s)
        s->is_dead = true;
    if (d->state != DNS_RUN_CONNECTED) {
        ask_next(d);
    } else if (!is_server_left(d)) {
        conclude(d, reason, d->why);
    } else {
        move(d, DNS_RUN_LEAVING);
        stream_close(&d->stream, on_stream_closed);
    }
}

/* False: it is not the answer that is waited for. */
static bool judge(struct dns_run *d, struct dns_server *s, const struct dns_answer *a,
                  const char *peer)
{
    const struct dns_conf *c = conf_of(d);
    char words[PROBE_DETAIL_MAX];
    bool wrong_zone = c->authoritative && !a->authoritative;
    switch (a->is) {
    case DNS_ANSWER_OTHER:
    case DNS_ANSWER_CUT: /* by UDP, and the caller has seen to it */
        return false;
    case DNS_ANSWER_BROKEN:
    case DNS_ANSWER_ERROR:
        give_up(d, s, a->is == DNS_ANSWER_ERROR ? REASON_DNS : REASON_PROTOCOL,
                a->is == DNS_ANSWER_ERROR ? "the DNS server %s answers %s"
                                          : "the answer of the DNS server %s makes no sense%s",
                peer, a->is == DNS_ANSWER_ERROR ? a->error : "");
        return true;
    case DNS_ANSWER_FOUND:
    case DNS_ANSWER_NO_NAME:
    case DNS_ANSWER_NO_RECORD:
        break;
    }
    if (wrong_zone) {
        snprintf(words, sizeof words, "the answer of the DNS server %s is not authoritative", peer);
        conclude(d, REASON_MISMATCH, words);
    } else if (a->is == DNS_ANSWER_FOUND) {
        judge_records(d, a, peer);
    } else {
        probe_gone(&d->run);
        if (a->is == DNS_ANSWER_NO_NAME)
            snprintf(words, sizeof words, "%s: no such name (NXDOMAIN), says %s", c->name, peer);
        else
            snprintf(words, sizeof words, "%s: the name has no %s record, says %s", c->name,
                     dns_type_name(c->type), peer);
        conclude(d, REASON_DNS, words);
    }
    return true;
}

/* ---- By TCP ---- */

static void on_stream_open(struct stream *s)
{
    struct dns_run *d = s->owner;
    unsigned char message[2 + DNS_QUESTION_MAX] = {(unsigned char)(d->question_len >> 8),
                                                   (unsigned char)d->question_len};
    memcpy(message + 2, d->question, d->question_len);
    probe_phase(&d->run, PHASE_REQUEST);
    probe_note(&d->run, "connected to the DNS server %s, no answer", s->peer);
    stream_write(s, message, 2 + d->question_len);
}

static void on_stream_data(struct stream *s, const char *data, size_t len)
{
    struct dns_run *d = s->owner;
    struct dns_answer a;
    buf_add(&d->reply, data, len);
    const unsigned char *in = (const unsigned char *)d->reply.data;
    if (d->reply.len < 2 || d->reply.len - 2 < ((size_t)in[0] << 8 | in[1]))
        return;
    dns_answer_read(&a, d->question, d->question_len, in + 2, (size_t)in[0] << 8 | in[1]);
    if (a.is == DNS_ANSWER_OTHER || a.is == DNS_ANSWER_CUT)
        a.is = DNS_ANSWER_BROKEN;
    judge(d, d->by_tcp, &a, s->peer);
    dns_answer_fini(&a);
}

static void on_stream_eof(struct stream *s)
{
    struct dns_run *d = s->owner;
    give_up(d, d->by_tcp, REASON_CLOSED,
            "the DNS server %s closed the connection without an answer%s", s->peer, "");
}

static void on_stream_fail(struct stream *s, enum reason reason, const char *detail)
{
    struct dns_run *d = s->owner;
    give_up(d, d->by_tcp, reason, "%s%s", detail, "");
}

static const struct stream_events stream_events = {.on_open = on_stream_open,
                                                   .on_data = on_stream_data,
                                                   .on_eof = on_stream_eof,
                                                   .on_fail = on_stream_fail};

/* Nothing of the run may be touched after this. */
static void connect_to(struct dns_run *d, const struct endpoint *ep)
{
    move(d, DNS_RUN_CONNECTED);
    uv_timer_stop(&d->timer);
    buf_reset(&d->reply);
    closer_hold(&d->closer);
    stream_start(&d->stream, &d->run, ep, NULL, &stream_events, d);
}

/* One that the check does not name, or that has answered by UDP: the target is not gone with it. */
static void connect_to_server(struct dns_run *d, struct dns_server *s)
{
    struct err e;
    endpoint_fini(&d->tcp_ep);
    if (endpoint_parse(&d->tcp_ep, s->text, 0, &e) < 0) {
        conclude(d, REASON_INTERNAL, e.text);
        return;
    }
    d->tcp_ep.is_beside = true;
    d->by_tcp = s;
    connect_to(d, &d->tcp_ep);
}

/* ---- By UDP ---- */

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
    if (d->state != DNS_RUN_ASKING || s->is_dead || (n == 0 && !from))
        return;
    if (n < 0) {
        give_up(d, s, reason_from_errno((int)-n), "the DNS server %s: %s", s->text,
                address_error_words((int)-n));
        return;
    }
    dns_answer_read(&a, d->question, d->question_len, (unsigned char *)buf->base, (size_t)n);
    if (a.is != DNS_ANSWER_OTHER && (flags & UV_UDP_PARTIAL))
        a.is = DNS_ANSWER_CUT;
    if (a.is == DNS_ANSWER_CUT) {
        probe_note(&d->run, "the answer of the DNS server %s is cut, asking by TCP", s->text);
        connect_to_server(d, s);
    } else if (!judge(d, s, &a, s->text)) {
        probe_note(&d->run, "only answers to other questions came from the DNS server %s", s->text);
    }
    dns_answer_fini(&a);
}

static int open_server(struct dns_run *d, struct dns_server *s)
{
    int rc = uv_udp_init(d->run.env->loop, &s->udp);
    if (rc < 0)
        return rc;
    s->is_open = true;
    closer_add(&d->closer, &s->udp);
    rc = uv_udp_connect(&s->udp, (const struct sockaddr *)&d->addresses.found[s - d->servers]);
    return rc < 0 ? rc : uv_udp_recv_start(&s->udp, on_alloc, on_receive);
}

static int send_question(struct dns_run *d, struct dns_server *s)
{
    uv_buf_t buf = uv_buf_init((char *)d->question, (unsigned)d->question_len);
    int rc = s->is_open ? 0 : open_server(d, s);
    if (rc == 0)
        rc = uv_udp_try_send(&s->udp, &buf, 1, NULL);
    return rc < 0 && rc != UV_EAGAIN ? rc : 0;
}

static struct dns_server *next_server(struct dns_run *d)
{
    struct dns_server *s = NULL;
    while (is_server_left(d) && (s = &d->servers[d->next++ % d->n_servers])->is_dead)
        ;
    return s;
}

static void on_timer(uv_timer_t *timer)
{
    ask_next(container_of(timer, struct dns_run, timer));
}

/* Asks the next server, or ends where none is left. */
static void ask_next(struct dns_run *d)
{
    struct dns_server *s;
    while ((s = next_server(d))) {
        int rc = send_question(d, s);
        if (rc == 0) {
            uint64_t round = d->n_sent++ / d->n_servers;
            uint64_t pause = (uint64_t)PAUSE_MS << (round < 3 ? round : 3);
            probe_note(&d->run, "no answer from the DNS server %s", s->text);
            uv_timer_start(&d->timer, on_timer, pause, 0);
            return;
        }
        s->is_dead = true;
        d->reason = reason_from_errno(-rc);
        snprintf(d->why, sizeof d->why, "the DNS server %s: %s", s->text, address_error_words(-rc));
    }
    if (d->reason == REASON_REFUSED && conf_of(d)->server.host)
        probe_gone(&d->run);
    conclude(d, d->reason, d->why);
}

/* ---- Its course ---- */

/* By UDP, or by TCP alone, to the next server. */
static void go_on(struct dns_run *d)
{
    struct dns_server *s = conf_of(d)->tcp ? next_server(d) : NULL;
    if (s) {
        connect_to_server(d, s);
        return;
    }
    move(d, DNS_RUN_ASKING);
    probe_phase(&d->run, PHASE_REQUEST);
    ask_next(d);
}

static void on_servers(struct dns_servers *found)
{
    struct dns_run *d = container_of(found, struct dns_run, addresses);
    d->reason = found->reason;
    snprintf(d->why, sizeof d->why, "%s", found->why);
    d->n_servers = found->n;
    for (size_t i = 0; i < found->n; i++) {
        d->servers[i].run = d;
        address_text(&found->found[i], d->servers[i].text);
    }
    go_on(d);
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
    buf_init(&d->reply, TCP_MAX);
    d->question_len = dns_question(d->question, id, c->name, c->type, &e);
    if (!random || !d->question_len)
        conclude(d, REASON_INTERNAL, "no random number for the question");
    else if (c->server.host && c->tcp)
        connect_to(d, &c->server);
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
