/* mongo_set: see mongo_set.h. */
#include "mongo/mongo_set.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/closer.h"
#include "mongo/mongo_topology.h"
#include "mongo/mongo_verdict.h"
#include "mongo/mongo_warn.h"

#define END_MOST (20 * NS_PER_MS)

/* Who has answered is asked again while others hang: this part of the time that it has taken so
 * far, so that a new primary is seen nearly at once, and a check that only waits costs little. */
#define AGAIN_PART      50
#define AGAIN_LEAST     (10 * NS_PER_MS)
#define AGAIN_KEPT_PART 5 /* in an agent, which may have many checks */
#define AGAIN_KEPT      (100 * NS_PER_MS)

/*  state   what is under way                                         next
 *  ASKING  servers are asked, and again while others hang            ENDED, OVER
 *  ENDED   the timer has come, and who has not answered will not     OVER
 *  OVER    on_done has come, or must not any more */
enum set_state { SET_ASKING, SET_ENDED, SET_OVER };

struct mongo_set {
    enum set_state state;
    struct probe_run *run;
    const struct mongo_conf *conf;
    struct mongo_pool *pool; /* the owner's */
    struct mongo_pool_user user;
    void (*on_done)(struct probe_run *run, const struct mongo_set_result *result);
    void (*on_closed)(void *owner);
    void *owner;
    struct mongo_topology topology;
    size_t n_begun;
    bool asked[MONGO_HOSTS_MAX]; /* an answer is to come */
    struct mongo_set_result result;
    uv_timer_t timer; /* a little before the deadline */
    uv_timer_t again; /* while others hang */
    struct closer closer;
};

static void move_to(struct mongo_set *s, enum set_state to)
{
    assert(to > s->state);
    s->state = to;
}

static void on_all_closed(struct closer *closer)
{
    struct mongo_set *s = container_of(closer, struct mongo_set, closer);
    void (*on_closed)(void *owner) = s->on_closed;
    void *owner = s->owner;
    mongo_topology_fini(&s->topology);
    scram_keys_wipe(&s->result.keys);
    free(s);
    on_closed(owner);
}

static void advance(struct mongo_set *s);

static void on_answer(void *owner, size_t index, const struct mongo_pool_answer *answer)
{
    struct mongo_set *s = owner;
    const struct mongo_exchange *x = answer->exchange;
    struct mongo_server *server = &s->topology.servers[index];
    s->asked[index] = false;
    probe_phase(s->run, PHASE_REQUEST);
    server->rtt = answer->rtt;
    server->answered = clock_now();
    server->not_after = answer->not_after;
    server->earliest = answer->earliest;
    if (x->whole && x->scram.keys.valid)
        s->result.keys = x->scram.keys;
    if (x->whole) { /* may move the servers */
        mongo_topology_answer(&s->topology, index, &x->hello, answer->members);
    } else {
        mongo_topology_fail(&s->topology, index, x->reason, x->detail);
        server->gone = x->gone;
    }
    advance(s);
}

static void ask(struct mongo_set *s, size_t i)
{
    struct err e;
    s->asked[i] = true;
    enum reason reason =
        mongo_pool_ask(s->pool, &s->user, s->topology.servers[i].address, i, &s->result.keys, &e);
    if (reason == REASON_OK)
        return;
    s->asked[i] = false;
    mongo_topology_fail(&s->topology, i, reason, e.text);
}

/* The next check begins with the seeds again, also with one that its set knows by another name. */
static bool is_named(const void *arg, const char *address)
{
    const struct mongo_topology *t = arg;
    for (size_t i = 0; i < t->n; i++)
        if ((i < t->n_seeds || t->servers[i].state != MONGO_SERVER_DROPPED) &&
            strcasecmp(t->servers[i].address, address) == 0)
            return true;
    return false;
}

/* Who has not answered yet may do so later, for the next check. */
static void let_go(struct mongo_set *s)
{
    if (s->state == SET_OVER)
        return;
    move_to(s, SET_OVER);
    mongo_pool_leave(s->pool, &s->user);
}

static void tell_members(struct mongo_set *s)
{
    struct probe_member members[MONGO_HOSTS_MAX];
    probe_members(s->run, members, mongo_topology_members(&s->topology, members));
}

/* Of the members' certificates the one that ends first. */
static void tell_certificate(struct mongo_set *s)
{
    const struct mongo_server *first = NULL;
    int64_t earliest = INT64_MAX;
    struct err e;
    for (size_t i = 0; i < s->topology.n; i++) {
        const struct mongo_server *server = &s->topology.servers[i];
        if (server->state == MONGO_SERVER_DROPPED || !server->not_after)
            continue;
        earliest = server->earliest < earliest ? server->earliest : earliest;
        first = first && first->not_after <= server->not_after ? first : server;
    }
    if (!first)
        return;
    probe_cert_expiry(s->run, first->not_after, earliest);
    if (tls_days_left(first->not_after, s->conf->tls->min_days, &e) < 0)
        probe_degraded(s->run, "%s: %s", first->address, e.text);
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

/* An election may be won while another member hangs: the check would not see it before the
 * deadline.
 */
static void on_again(uv_timer_t *timer)
{
    struct mongo_set *s = container_of(timer, struct mongo_set, again);
    for (size_t i = 0; i < s->n_begun && s->state == SET_ASKING; i++)
        if (!s->asked[i] && mongo_topology_may_change(&s->topology, i))
            ask(s, i);
    if (s->state != SET_OVER)
        advance(s);
}

static void ask_again_later(struct mongo_set *s)
{
    int64_t taken = clock_now() - s->run->started, pause, least;
    if (s->state != SET_ASKING || uv_is_active((uv_handle_t *)&s->again))
        return;
    pause = taken / (s->run->kept ? AGAIN_KEPT_PART : AGAIN_PART);
    least = s->run->kept ? AGAIN_KEPT : AGAIN_LEAST;
    if (pause < least)
        pause = least;
    uv_timer_start(&s->again, on_again, (uint64_t)(pause / NS_PER_MS), 0);
}

/* After whatever became known. */
static void advance(struct mongo_set *s)
{
    struct mongo_topology *t = &s->topology;
    for (size_t i = 0; i < s->n_begun; i++)
        if (t->servers[i].state == MONGO_SERVER_DROPPED && !t->servers[i].told)
            mongo_pool_drop(s->pool, t->servers[i].address);
    while (s->state != SET_OVER && s->n_begun < t->n) {
        size_t i = s->n_begun++;
        if (t->servers[i].state == MONGO_SERVER_ASKED)
            ask(s, i);
    }
    struct mongo_set_result *r = &s->result;
    if (s->state == SET_OVER)
        return;
    if (!mongo_verdict(t, &s->conf->wish, &r->reason, r->detail, &r->gone)) {
        ask_again_later(s);
        return;
    }
    tell_members(s);
    if (s->state == SET_ENDED &&
        r->reason == REASON_TIMEOUT) /* the engine's to say, when it is time */
        return;
    tell_certificate(s);
    if (r->reason == REASON_OK)
        tell_warnings(s);
    let_go(s);
    mongo_pool_sweep(s->pool, is_named, t);
    s->on_done(s->run, r);
}

/* Those who hang are told of with all the others; where nobody has answered, the engine tells of
 * that. */
static void on_timer(uv_timer_t *timer)
{
    struct mongo_set *s = container_of(timer, struct mongo_set, timer);
    if (s->state == SET_OVER)
        return;
    if (!mongo_topology_end(&s->topology)) {
        tell_members(s);
        return;
    }
    move_to(s, SET_ENDED);
    advance(s);
}

/* A twentieth of the time before the deadline, but 20 ms at most. */
static uint64_t time_left(const struct mongo_set *s)
{
    int64_t left = s->run->deadline - clock_now(), before = left / 20;
    left -= before < END_MOST ? before : END_MOST;
    return left > 0 ? (uint64_t)(left / NS_PER_MS) : 0;
}

struct mongo_set *mongo_set_new(struct probe_run *run, const struct mongo_conf *conf,
                                struct mongo_pool *pool, const struct scram_keys *keys,
                                void (*on_done)(struct probe_run *run,
                                                const struct mongo_set_result *result))
{
    struct mongo_set *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->run = run;
    s->conf = conf;
    s->pool = pool;
    s->user =
        (struct mongo_pool_user){.run = run, .conf = conf, .on_answer = on_answer, .owner = s};
    s->on_done = on_done;
    if (keys)
        s->result.keys = *keys;
    if (mongo_topology_init(&s->topology, conf->uri.hosts, conf->uri.n_hosts,
                            conf->uri.replica_set) < 0) {
        mongo_topology_fini(&s->topology);
        free(s);
        return NULL;
    }
    closer_init(&s->closer, run->env->loop, on_all_closed);
    uv_timer_init(run->env->loop, &s->timer);
    closer_add(&s->closer, &s->timer);
    uv_timer_init(run->env->loop, &s->again);
    closer_add(&s->closer, &s->again);
    return s;
}

void mongo_set_start(struct mongo_set *s)
{
    probe_phase(s->run, PHASE_CONNECT);
    uv_timer_start(&s->timer, on_timer, time_left(s), 0);
    advance(s);
}

void mongo_set_note(const struct mongo_set *s, char out[PROBE_DETAIL_MAX])
{
    mongo_verdict_describe(&s->topology, out);
}

void mongo_set_close(struct mongo_set *s, void (*on_closed)(void *owner), void *owner)
{
    s->on_closed = on_closed;
    s->owner = owner;
    let_go(s);
    closer_close(&s->closer);
}
