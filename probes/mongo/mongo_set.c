/* mongo_set: see mongo_set.h. */
#include "mongo/mongo_set.h"

#include <assert.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/str.h"
#include "mongo/mongo_conn.h"
#include "mongo/mongo_topology.h"
#include "mongo/mongo_verdict.h"
#include "mongo/mongo_warn.h"

#define END_MOST (20 * NS_PER_MS)

/* One server that is asked. Its run is nobody's: that one server is gone, or in which phase it is,
 * says nothing of the deployment. */
struct asked {
    struct mongo_set *set;
    size_t index; /* in the topology */
    struct probe_run run;
    struct endpoint ep;
    struct mongo_conn *conn; /* NULL once it has ended */
    struct mongo_exchange exchange;
    struct mongo_members members;
};

struct mongo_set {
    struct probe_run *run;
    const struct mongo_conf *conf;
    void (*on_done)(struct probe_run *run, const struct mongo_set_result *result);
    void (*on_closed)(void *owner);
    void *owner;
    struct mongo_topology topology;
    struct asked *asked[MONGO_HOSTS_MAX]; /* by index in the topology; NULL: not begun */
    size_t n_begun;
    struct mongo_set_result result;
    uv_timer_t timer; /* a little before the deadline */
    unsigned holds;   /* connections being closed, calls under way */
    bool started;     /* the timer is there */
    bool ended;       /* it has come, and who has not answered will not */
    bool over;        /* on_done has come, or must not any more */
};

static void free_set(struct mongo_set *s)
{
    void (*on_closed)(void *owner) = s->on_closed;
    void *owner = s->owner;
    for (size_t i = 0; i < s->n_begun; i++)
        if (s->asked[i]) {
            endpoint_fini(&s->asked[i]->ep);
            mongo_members_fini(&s->asked[i]->members);
            free(s->asked[i]);
        }
    mongo_topology_fini(&s->topology);
    scram_keys_wipe(&s->result.keys);
    free(s);
    on_closed(owner);
}

static void unhold(void *owner)
{
    struct mongo_set *s = owner;
    assert(s->holds > 0);
    if (--s->holds == 0 && s->on_closed)
        free_set(s);
}

static void close_conn(struct asked *a)
{
    struct mongo_conn *c = a->conn;
    mongo_exchange_fini(&a->exchange);
    a->conn = NULL;
    a->set->holds++;
    mongo_conn_close(c, unhold, a->set);
}

static void advance(struct mongo_set *s);

static void on_end(void *owner, struct mongo_conn *c)
{
    struct asked *a = owner;
    struct mongo_set *s = a->set;
    const struct mongo_exchange *x = &a->exchange;
    s->holds++;
    probe_phase(s->run, PHASE_REQUEST);
    s->topology.servers[a->index].rtt = c->rtt;
    s->topology.servers[a->index].answered = clock_now();
    if (x->whole && x->scram.keys.valid)
        s->result.keys = x->scram.keys;
    if (x->whole)
        mongo_topology_answer(&s->topology, a->index, &x->hello, &a->members);
    else
        mongo_topology_fail(&s->topology, a->index, x->reason, x->detail);
    close_conn(a);
    advance(s);
    unhold(s);
}

static void ask(struct mongo_set *s, size_t i)
{
    struct asked *a = calloc(1, sizeof *a);
    const char *address = s->topology.servers[i].address;
    struct err e;
    s->asked[i] = a;
    if (!a || !(a->conn = mongo_conn_new())) {
        mongo_topology_fail(&s->topology, i, REASON_INTERNAL, "out of memory");
        return;
    }
    a->set = s;
    a->index = i;
    a->run = (struct probe_run){.conf = s->conf,
                                .env = s->run->env,
                                .started = s->run->started,
                                .deadline = s->run->deadline};
    a->exchange.scram.keys = s->result.keys;
    const struct mongo_conn_user user = {.run = &a->run,
                                         .conf = s->conf,
                                         .exchange = &a->exchange,
                                         .members = &a->members,
                                         .on_end = on_end,
                                         .owner = a};
    if (endpoint_parse(&a->ep, address, 0, &e)) {
        free(a->conn);
        a->conn = NULL;
        mongo_topology_fail(&s->topology, i, REASON_DNS, e.text);
        return;
    }
    a->ep.family = s->conf->family;
    mongo_conn_open(a->conn, &user, &a->ep); /* may end at once, and all with it */
}

static void tell_members(struct mongo_set *s)
{
    struct probe_member members[MONGO_HOSTS_MAX];
    probe_members(s->run, members, mongo_topology_members(&s->topology, members));
}

static void tell_warnings(struct mongo_set *s)
{
    char words[PROBE_DETAIL_MAX];
    if (mongo_warn_lag(&s->topology, &s->conf->wish, words))
        probe_degraded(s->run, "%s", words);
    if (mongo_warn_reserve(&s->topology, &s->conf->wish, words))
        probe_degraded(s->run, "%s", words);
    if (mongo_warn_versions(&s->topology, words))
        probe_degraded(s->run, "%s", words);
}

/* After whatever became known. */
static void advance(struct mongo_set *s)
{
    struct mongo_topology *t = &s->topology;
    for (size_t i = 0; i < s->n_begun; i++)
        if (t->servers[i].state == MONGO_SERVER_DROPPED && s->asked[i] && s->asked[i]->conn)
            close_conn(s->asked[i]);
    while (!s->over && s->n_begun < t->n) {
        size_t i = s->n_begun++;
        if (t->servers[i].state == MONGO_SERVER_ASKED)
            ask(s, i);
    }
    struct mongo_set_result *r = &s->result;
    if (s->over || !mongo_verdict(t, &s->conf->wish, &r->reason, r->detail, &r->gone))
        return;
    tell_members(s);
    if (s->ended && r->reason == REASON_TIMEOUT) /* the engine's to say, when it is time */
        return;
    if (r->reason == REASON_OK)
        tell_warnings(s);
    s->over = true;
    s->on_done(s->run, r);
}

/* Those who hang are told of with all the others; where nobody has answered, the engine tells of
 * that. */
static void on_timer(uv_timer_t *timer)
{
    struct mongo_set *s = container_of(timer, struct mongo_set, timer);
    s->holds++;
    s->ended = mongo_topology_end(&s->topology);
    if (!s->over && s->ended)
        advance(s);
    else if (!s->over)
        tell_members(s);
    unhold(s);
}

static void on_timer_closed(uv_handle_t *handle)
{
    unhold(container_of((uv_timer_t *)handle, struct mongo_set, timer));
}

/* A twentieth of the time before the deadline, but 20 ms at most. */
static uint64_t time_left(const struct mongo_set *s)
{
    int64_t left = s->run->deadline - clock_now(), before = left / 20;
    left -= before < END_MOST ? before : END_MOST;
    return left > 0 ? (uint64_t)(left / NS_PER_MS) : 0;
}

struct mongo_set *
mongo_set_new(struct probe_run *run, const struct mongo_conf *conf, const struct scram_keys *keys,
              void (*on_done)(struct probe_run *run, const struct mongo_set_result *result))
{
    struct mongo_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->run = run;
    s->conf = conf;
    s->on_done = on_done;
    if (keys)
        s->result.keys = *keys;
    if (mongo_topology_init(&s->topology, conf->uri.hosts, conf->uri.n_hosts,
                            conf->uri.replica_set) == 0)
        return s;
    mongo_topology_fini(&s->topology);
    free(s);
    return NULL;
}

void mongo_set_start(struct mongo_set *s)
{
    s->holds++;
    probe_phase(s->run, PHASE_CONNECT);
    uv_timer_init(s->run->env->loop, &s->timer);
    uv_timer_start(&s->timer, on_timer, time_left(s), 0);
    s->started = true;
    advance(s);
    unhold(s);
}

void mongo_set_note(const struct mongo_set *s, char out[PROBE_DETAIL_MAX])
{
    mongo_verdict_describe(&s->topology, out);
}

void mongo_set_close(struct mongo_set *s, void (*on_closed)(void *owner), void *owner)
{
    s->holds++;
    s->over = true;
    s->on_closed = on_closed;
    s->owner = owner;
    for (size_t i = 0; i < s->n_begun; i++)
        if (s->asked[i] && s->asked[i]->conn)
            close_conn(s->asked[i]);
    if (s->started) {
        s->holds++;
        uv_close((uv_handle_t *)&s->timer, on_timer_closed);
    }
    unhold(s);
}
