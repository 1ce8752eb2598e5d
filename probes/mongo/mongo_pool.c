/* mongo_pool: see mongo_pool.h. */
#include "mongo/mongo_pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/closer.h"

#define AWAITED_MAX (5 * NS_PER_S)

struct member {
    enum mongo_member_state state;
    struct mongo_pool *pool;
    char *address;
    struct endpoint ep;
    struct mongo_conn *conn; /* ASKED, LEFT, IDLE */
    struct probe_run run;    /* nobody's: that one server is gone says nothing of the deployment */
    struct mongo_exchange exchange;
    struct mongo_members members;
    const struct mongo_conf *conf;      /* of the last user */
    const struct mongo_pool_user *user; /* ASKED: who waits, and its number there */
    size_t index;
    bool behind; /* ASKED: its answer to the question of an earlier check is awaited first */
    bool retried;
    unsigned n_closing; /* connections, which read `run` and `ep` until they are closed */
};

struct mongo_pool {
    struct probe_env *env;
    struct member *members[MONGO_HOSTS_MAX];
    size_t n;
    struct closer closer; /* holds each connection that is being closed */
    void (*on_closed)(void *owner);
    void *owner;
};

static void move_to(struct member *m, enum mongo_member_state to)
{
    static const unsigned allowed[] = {
        [MONGO_MEMBER_RESTING] = 1 << MONGO_MEMBER_ASKED | 1 << MONGO_MEMBER_CLOSED,
        [MONGO_MEMBER_ASKED] = 1 << MONGO_MEMBER_LEFT | 1 << MONGO_MEMBER_IDLE |
                               1 << MONGO_MEMBER_RESTING | 1 << MONGO_MEMBER_CLOSED,
        [MONGO_MEMBER_LEFT] = 1 << MONGO_MEMBER_ASKED | 1 << MONGO_MEMBER_IDLE |
                              1 << MONGO_MEMBER_RESTING | 1 << MONGO_MEMBER_CLOSED,
        [MONGO_MEMBER_IDLE] =
            1 << MONGO_MEMBER_ASKED | 1 << MONGO_MEMBER_RESTING | 1 << MONGO_MEMBER_CLOSED,
        [MONGO_MEMBER_CLOSED] = 0,
    };
    assert(allowed[m->state] & 1u << to);
    m->state = to;
}

static void free_member(struct member *m)
{
    endpoint_fini(&m->ep);
    free(m->address);
    free(m);
}

static void on_conn_closed(void *owner)
{
    struct member *m = owner;
    struct mongo_pool *p = m->pool;
    m->n_closing--;
    if (m->state == MONGO_MEMBER_CLOSED && m->n_closing == 0)
        free_member(m);
    closer_drop(&p->closer);
}

static void forget_exchange(struct member *m)
{
    mongo_exchange_fini(&m->exchange);
    mongo_members_fini(&m->members);
    m->exchange = (struct mongo_exchange){0};
    m->members = (struct mongo_members){0};
}

static void close_conn(struct member *m)
{
    struct mongo_conn *c = m->conn;
    m->conn = NULL;
    forget_exchange(m);
    if (!c)
        return;
    m->n_closing++;
    closer_hold(&m->pool->closer);
    mongo_conn_close(c, on_conn_closed, m);
}

/* ---- One member ---- */

static void on_lost(void *owner, struct mongo_conn *c)
{
    struct member *m = owner;
    (void)c;
    close_conn(m);
    move_to(m, MONGO_MEMBER_RESTING);
}

static void on_end(void *owner, struct mongo_conn *c);

static struct mongo_conn_user user_of(struct member *m)
{
    return (struct mongo_conn_user){.run = &m->run,
                                    .conf = m->conf,
                                    .exchange = &m->exchange,
                                    .members = &m->members,
                                    .on_end = on_end,
                                    .owner = m};
}

/* The answer to an earlier check's question says that it is there: now this one's. */
static bool ask_now(struct member *m, struct mongo_conn *c)
{
    if (!m->behind || !m->exchange.whole)
        return false;
    const struct scram_keys keys = m->exchange.scram.keys;
    m->behind = false;
    mongo_conn_park(c, on_lost, m);
    forget_exchange(m);
    m->exchange.scram.keys = keys;
    const struct mongo_conn_user user = user_of(m);
    mongo_conn_resume(c, &user);
    return true;
}

/* A connection that idled, or is of an earlier check, may have died of something that says nothing
 * about the server: the same check tries a fresh one. May end at once, and m with it. */
static bool retry(struct member *m, const struct mongo_conn *c)
{
    bool is_old = m->behind || (c->failed && c->reused);
    if (!is_old || m->retried || m->state != MONGO_MEMBER_ASKED)
        return false;
    m->behind = false;
    struct mongo_conn *fresh = mongo_conn_new();
    if (!fresh)
        return false;
    const struct scram_keys keys = m->exchange.scram.keys;
    close_conn(m);
    m->retried = true;
    m->conn = fresh;
    m->exchange.scram.keys = keys;
    const struct mongo_conn_user user = user_of(m);
    mongo_conn_open(fresh, &user, &m->ep);
    return true;
}

static void on_end(void *owner, struct mongo_conn *c)
{
    struct member *m = owner;
    if (ask_now(m, c) || retry(m, c))
        return;
    struct mongo_exchange x = m->exchange;
    struct mongo_members members = m->members;
    struct mongo_pool_answer answer = {.exchange = &x, .members = &members, .rtt = c->rtt};
    stream_cert(&c->stream, &answer.not_after, &answer.earliest);
    const struct mongo_pool_user *user = m->state == MONGO_MEMBER_ASKED ? m->user : NULL;
    if (x.whole)
        mongo_conn_park(c, on_lost, m);
    m->exchange = (struct mongo_exchange){0};
    m->members = (struct mongo_members){0};
    m->user = NULL;
    if (!x.whole)
        close_conn(m);
    move_to(m, x.whole ? MONGO_MEMBER_IDLE : MONGO_MEMBER_RESTING);
    if (user)
        user->on_answer(user->owner, m->index, &answer); /* m may be gone after it */
    mongo_exchange_fini(&x);
    mongo_members_fini(&members);
}

/* ---- All of them ---- */

static void drop(struct mongo_pool *p, struct member **at)
{
    struct member *m = *at;
    *at = p->members[--p->n];
    close_conn(m);
    move_to(m, MONGO_MEMBER_CLOSED);
    if (m->n_closing == 0)
        free_member(m);
}

static struct member **find(struct mongo_pool *p, const char *address)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcasecmp(p->members[i]->address, address) == 0)
            return &p->members[i];
    return NULL;
}

/* Of more than a deployment can have, one that is not asked now is not of it. */
static void make_room(struct mongo_pool *p)
{
    for (size_t i = 0; p->n == MONGO_HOSTS_MAX && i < p->n; i++)
        if (p->members[i]->state != MONGO_MEMBER_ASKED)
            drop(p, &p->members[i]);
}

static enum reason add(struct mongo_pool *p, const char *address, struct member **added,
                       struct err *e)
{
    struct endpoint ep;
    if (endpoint_parse(&ep, address, 0, e))
        return REASON_DNS;
    make_room(p);
    struct member *m = p->n < MONGO_HOSTS_MAX ? calloc(1, sizeof *m) : NULL;
    if (!m || !(m->address = strdup(address))) {
        err_set(e, "out of memory");
        endpoint_fini(&ep);
        free(m);
        return REASON_INTERNAL;
    }
    m->pool = p;
    m->ep = ep;
    p->members[p->n++] = *added = m;
    return REASON_OK;
}

/* Its server took the connection and then said nothing: another one would fare no better. */
static bool is_awaited(const struct member *m)
{
    const struct mongo_conn *c = m->conn;
    return m->state == MONGO_MEMBER_LEFT && !c->reused && c->state == MONGO_CONN_TALKING &&
           clock_now() - c->opened < AWAITED_MAX;
}

/* Only a connection that is at rest, whole and fresh is used again. */
static int prepare(struct member *m, struct err *e)
{
    assert(m->state != MONGO_MEMBER_ASKED);
    bool is_good = m->state == MONGO_MEMBER_IDLE && mongo_conn_is_fresh(m->conn);
    if (m->state != MONGO_MEMBER_RESTING && !is_good) {
        close_conn(m);
        move_to(m, MONGO_MEMBER_RESTING);
    }
    if (!m->conn && !(m->conn = mongo_conn_new()))
        return err_set(e, "out of memory");
    return 0;
}

enum reason mongo_pool_ask(struct mongo_pool *p, const struct mongo_pool_user *user,
                           const char *address, size_t index, const struct scram_keys *keys,
                           struct err *e)
{
    struct member **known = find(p, address), *m = known ? *known : NULL;
    bool awaited = m && is_awaited(m);
    enum reason reason = m ? REASON_OK : add(p, address, &m, e);
    if (reason == REASON_OK && !awaited && prepare(m, e))
        reason = REASON_INTERNAL;
    if (reason != REASON_OK)
        return reason;
    bool idled = m->state == MONGO_MEMBER_IDLE;
    move_to(m, MONGO_MEMBER_ASKED);
    m->user = user;
    m->index = index;
    m->retried = false;
    m->behind = awaited;
    m->conf = user->conf;
    m->ep.family = user->conf->family;
    m->run = (struct probe_run){.conf = user->conf,
                                .env = p->env,
                                .started = user->run->started,
                                .deadline = user->run->deadline};
    if (awaited)
        return REASON_OK;
    m->exchange.scram.keys = *keys;
    const struct mongo_conn_user conn_user = user_of(m);
    if (idled)
        mongo_conn_resume(m->conn, &conn_user);
    else
        mongo_conn_open(m->conn, &conn_user, &m->ep);
    return REASON_OK;
}

void mongo_pool_leave(struct mongo_pool *p, const struct mongo_pool_user *user)
{
    for (size_t i = 0; i < p->n; i++) {
        struct member *m = p->members[i];
        if (m->state != MONGO_MEMBER_ASKED || m->user != user)
            continue;
        m->user = NULL;
        m->behind = false;
        move_to(m, MONGO_MEMBER_LEFT);
    }
}

void mongo_pool_drop(struct mongo_pool *p, const char *address)
{
    struct member **at = find(p, address);
    if (at)
        drop(p, at);
}

void mongo_pool_drop_all(struct mongo_pool *p)
{
    while (p->n)
        drop(p, &p->members[p->n - 1]);
}

void mongo_pool_sweep(struct mongo_pool *p, bool (*is_named)(const void *arg, const char *address),
                      const void *arg)
{
    for (size_t i = p->n; i-- > 0;)
        if (!is_named(arg, p->members[i]->address))
            drop(p, &p->members[i]);
}

/* ---- Begin and end ---- */

static void on_all_closed(struct closer *closer)
{
    struct mongo_pool *p = container_of(closer, struct mongo_pool, closer);
    void (*on_closed)(void *owner) = p->on_closed;
    void *owner = p->owner;
    free(p);
    on_closed(owner);
}

struct mongo_pool *mongo_pool_new(struct probe_env *env)
{
    struct mongo_pool *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->env = env;
    closer_init(&p->closer, env->loop, on_all_closed);
    return p;
}

void mongo_pool_close(struct mongo_pool *p, void (*on_closed)(void *owner), void *owner)
{
    p->on_closed = on_closed;
    p->owner = owner;
    mongo_pool_drop_all(p);
    closer_close(&p->closer);
}
