/* dns_records: see dns_records.h. */
#include "net/dns_records.h"

#include <arpa/nameser.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "net/dns_channel.h"

/* One question; its status is c-ares'. */
struct question {
    char name[DNS_NAME_SIZE];
    bool answered;
    int status;
};

struct dns_records_lookup {
    struct dns_channel channel;
    struct question srv, txt;
    struct dns_records found;
    struct dns_srv *targets;
    char text[DNS_TXT_MAX];
    bool told;
    void (*on_done)(void *owner, const struct dns_records *r);
    void (*on_closed)(void *owner);
    void *owner;
};

static int status_of(enum dns_reply reply)
{
    return reply == DNS_REPLY_FOUND  ? ARES_SUCCESS
           : reply == DNS_REPLY_NONE ? ARES_ENODATA
                                     : ARES_EBADRESP;
}

static int take_srv(struct dns_records_lookup *l, const unsigned char *data, size_t len)
{
    size_t n;
    enum dns_reply reply = dns_reply_srv(data, len, l->targets, DNS_SRV_MAX, &n, &l->found.ttl);
    l->found.n_srv = n < DNS_SRV_MAX ? n : DNS_SRV_MAX;
    return status_of(reply);
}

static void on_srv(void *arg, int status, int timeouts, unsigned char *data, int len)
{
    struct dns_records_lookup *l = arg;
    (void)timeouts;
    status = dns_channel_status(status, data, len);
    l->srv.status = status == ARES_SUCCESS ? take_srv(l, data, (size_t)len) : status;
    l->srv.answered = true;
}

static void on_txt(void *arg, int status, int timeouts, unsigned char *data, int len)
{
    struct dns_records_lookup *l = arg;
    (void)timeouts;
    status = dns_channel_status(status, data, len);
    if (status == ARES_SUCCESS)
        status = status_of(dns_reply_txt(data, (size_t)len, l->text, sizeof l->text,
                                         &l->found.n_txt, &l->found.ttl));
    l->txt.status = status;
    l->txt.answered = true;
}

static void ask(struct dns_records_lookup *l, struct question *q)
{
    q->answered = false;
    if (q == &l->srv)
        ares_query(l->channel.ares, q->name, C_IN, T_SRV, on_srv, l);
    else
        ares_query(l->channel.ares, q->name, C_IN, T_TXT, on_txt, l);
}

static bool is_none(int status)
{
    return status == ARES_ENOTFOUND || status == ARES_ENODATA;
}

/* A name without SRV is a failure, one without TXT is not. */
static bool is_failed(const struct dns_records_lookup *l, const struct question *q)
{
    return q->answered && q->status != ARES_SUCCESS && q->status != ARES_ETIMEOUT &&
           (q == &l->srv || !is_none(q->status));
}

static void tell(struct dns_records_lookup *l, const struct question *failed)
{
    struct dns_records *r = &l->found;
    l->told = true;
    if (failed) {
        r->words = failed->status == ARES_ENODATA ? "the name has no SRV record"
                                                  : dns_channel_words(failed->status, &r->internal);
        r->name = failed->name;
        r->no_such_name = failed == &l->srv && is_none(failed->status);
    }
    l->on_done(l->owner, r);
}

static void on_turn(struct dns_channel *channel)
{
    struct dns_records_lookup *l = container_of(channel, struct dns_records_lookup, channel);
    if (l->told || channel->closer.closing)
        return;
    if (l->srv.answered && l->srv.status == ARES_ETIMEOUT)
        ask(l, &l->srv);
    if (l->txt.answered && l->txt.status == ARES_ETIMEOUT)
        ask(l, &l->txt);
    if (is_failed(l, &l->srv))
        tell(l, &l->srv);
    else if (is_failed(l, &l->txt))
        tell(l, &l->txt);
    else if (l->srv.answered && l->txt.answered)
        tell(l, NULL);
}

static void discard(struct dns_records_lookup *l)
{
    free(l->targets);
    free(l);
}

struct dns_records_lookup *
dns_records_start(uv_loop_t *loop, const char *srv_name, const char *txt_name,
                  void (*on_done)(void *owner, const struct dns_records *r), void *owner,
                  struct err *e)
{
    struct dns_records_lookup *l = calloc(1, sizeof *l);
    if (!l || !(l->targets = calloc(DNS_SRV_MAX, sizeof *l->targets)) ||
        strlen(srv_name) >= DNS_NAME_SIZE || strlen(txt_name) >= DNS_NAME_SIZE) {
        err_set(e, l && l->targets ? "the name is too long" : "out of memory");
        if (l)
            discard(l);
        return NULL;
    }
    memcpy(l->srv.name, srv_name, strlen(srv_name) + 1);
    memcpy(l->txt.name, txt_name, strlen(txt_name) + 1);
    l->found = (struct dns_records){.srv = l->targets, .txt = l->text, .ttl = UINT32_MAX};
    l->on_done = on_done;
    l->owner = owner;
    if (dns_channel_open(&l->channel, loop, on_turn, e) < 0) {
        discard(l);
        return NULL;
    }
    ask(l, &l->srv);
    ask(l, &l->txt);
    dns_channel_wait(&l->channel, l->srv.answered || l->txt.answered);
    return l;
}

char *dns_records_servers(const struct dns_records_lookup *l, char *out, size_t size)
{
    return dns_channel_servers(&l->channel, out, size);
}

static void on_channel_closed(struct dns_channel *channel)
{
    struct dns_records_lookup *l = container_of(channel, struct dns_records_lookup, channel);
    void (*on_closed)(void *owner) = l->on_closed;
    void *owner = l->owner;
    discard(l);
    on_closed(owner);
}

void dns_records_close(struct dns_records_lookup *l, void (*on_closed)(void *owner))
{
    l->on_closed = on_closed;
    dns_channel_close(&l->channel, on_channel_closed);
}
