/* mongo: the type `mongo`: hello and ping, in one write, over our own codec on the loop, to one
 * server or to all of a deployment; what that does not speak goes to the driver in a child. It
 * keeps the connection to one server between the checks of an agent, and gives a verdict only on
 * replies that were checked (mongo_wire, mongo_hello). */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/closer.h"
#include "mongo/mongo_child.h"
#include "mongo/mongo_conf.h"
#include "mongo/mongo_conn.h"
#include "mongo/mongo_driver.h"
#include "mongo/mongo_set.h"
#include "mongo/mongo_srv.h"
#include "mongo/mongo_warn.h"

/* A run's states; move_to() is the one function that changes it.
 *
 *   BEGUN -> LOOKING_UP            the records of a mongodb+srv name, by `lookup`
 *   BEGUN, LOOKING_UP -> TALKING   one server, on `conn`
 *   BEGUN, LOOKING_UP -> ASKING    a deployment, by `set`
 *   BEGUN, LOOKING_UP -> DRIVER    what our own codec does not speak, by `worker`
 *   all -> OVER                    finished or cancelled; released once all of it is closed */
enum run_state { RUN_BEGUN, RUN_LOOKING_UP, RUN_TALKING, RUN_ASKING, RUN_DRIVER, RUN_OVER };

struct mongo_run {
    struct probe_run base;
    enum run_state state;
    struct dns_records_lookup *lookup; /* LOOKING_UP */
    struct mongo_srv *srv;             /* what it brought; the kept one's where there is one */
    struct mongo_conn *conn;           /* TALKING */
    struct mongo_exchange exchange;    /* on it */
    struct worker *worker;             /* DRIVER: the child */
    struct mongo_set *set;             /* ASKING */
    struct mongo_pool *pool;           /* its connections; the kept one's where there is one */
    struct closer closer;              /* holds what is being closed */
    bool retried;
};

struct mongo_kept {
    struct probe_kept base;
    struct mongo_conn *conn; /* idle; of one server */
    struct mongo_pool *pool; /* of a deployment; NULL: not yet */
    struct mongo_srv *srv;   /* NULL: none, or not yet */
    struct scram_keys keys;  /* of the last login */
    struct closer closer;    /* holds what is being closed */
};

static const struct mongo_conf *conf_of(const struct mongo_run *r)
{
    return r->srv ? &r->srv->conf : r->base.conf;
}

static struct mongo_kept *kept_of(const struct mongo_run *r)
{
    return (struct mongo_kept *)r->base.kept;
}

static void move_to(struct mongo_run *r, enum run_state to)
{
    static const unsigned allowed[] = {
        [RUN_BEGUN] = 1 << RUN_LOOKING_UP | 1 << RUN_TALKING | 1 << RUN_ASKING | 1 << RUN_DRIVER |
                      1 << RUN_OVER,
        [RUN_LOOKING_UP] = 1 << RUN_TALKING | 1 << RUN_ASKING | 1 << RUN_DRIVER | 1 << RUN_OVER,
        [RUN_TALKING] = 1 << RUN_OVER,
        [RUN_ASKING] = 1 << RUN_OVER,
        [RUN_DRIVER] = 1 << RUN_OVER,
        [RUN_OVER] = 0,
    };
    assert(allowed[r->state] & 1u << to);
    r->state = to;
}

static void on_run_closed(struct closer *c)
{
    struct mongo_run *r = container_of(c, struct mongo_run, closer);
    if (!kept_of(r))
        mongo_srv_free(r->srv);
    probe_release(&r->base);
}

static void on_kept_closed(struct closer *c)
{
    struct mongo_kept *k = container_of(c, struct mongo_kept, closer);
    scram_keys_wipe(&k->keys);
    mongo_srv_free(k->srv);
    probe_kept_closed(&k->base);
}

/* `closer`: the run's, or that of what is kept. */
static void on_part_closed(void *closer)
{
    closer_drop(closer);
}

static void on_lookup_closed(void *run)
{
    closer_drop(&((struct mongo_run *)run)->closer);
}

static void on_worker_closed(struct probe_run *run)
{
    on_lookup_closed(run);
}

/* ---- Endings ---- */

static void drop_conn(struct mongo_run *r)
{
    mongo_exchange_fini(&r->exchange);
    r->exchange = (struct mongo_exchange){0};
    closer_hold(&r->closer);
    mongo_conn_close(r->conn, on_part_closed, &r->closer);
    r->conn = NULL;
}

static void drop_kept_conn(struct mongo_kept *k)
{
    closer_hold(&k->closer);
    mongo_conn_close(k->conn, on_part_closed, &k->closer);
    k->conn = NULL;
}

static void on_lost(void *owner, struct mongo_conn *c)
{
    (void)c;
    drop_kept_conn(owner);
}

/* After a whole exchange, in an agent. */
static void keep_conn(struct mongo_run *r)
{
    struct mongo_kept *k = kept_of(r);
    if (r->exchange.scram.keys.valid)
        k->keys = r->exchange.scram.keys;
    mongo_conn_park(r->conn, on_lost, k);
    k->conn = r->conn;
    r->conn = NULL;
    mongo_exchange_fini(&r->exchange);
}

static void close_lookup(struct mongo_run *r)
{
    closer_hold(&r->closer);
    dns_records_close(r->lookup, on_lookup_closed);
    r->lookup = NULL;
}

/* What a check of an agent keeps stays. */
static void close_all(struct mongo_run *r)
{
    move_to(r, RUN_OVER);
    if (r->lookup)
        close_lookup(r);
    if (r->conn)
        drop_conn(r);
    if (r->set) {
        closer_hold(&r->closer);
        mongo_set_close(r->set, on_part_closed, &r->closer);
        r->set = NULL;
    }
    if (r->pool && !kept_of(r)) {
        closer_hold(&r->closer);
        mongo_pool_close(r->pool, on_part_closed, &r->closer);
    }
    if (r->worker) {
        closer_hold(&r->closer);
        worker_close(r->worker, on_worker_closed);
    }
    closer_close(&r->closer);
}

static void finish(struct mongo_run *r, enum reason reason, const char *detail)
{
    probe_finish(&r->base, reason, "%s", detail);
    if (r->conn && r->exchange.whole && kept_of(r))
        keep_conn(r);
    close_all(r);
}

/* ---- One server ---- */

static void describe(struct probe_run *run, char out[PROBE_DETAIL_MAX])
{
    const struct mongo_run *r = (struct mongo_run *)run;
    if (r->set)
        mongo_set_note(r->set, out);
    else if (r->conn)
        mongo_conn_note(r->conn, out);
    else
        snprintf(out, PROBE_DETAIL_MAX, "%s", conf_of(r)->target);
}

static void open_conn(struct mongo_run *r);

/* A connection that idled may have died of something that says nothing about the server: the same
 * run tries a fresh one. */
static void on_end(void *owner, struct mongo_conn *c)
{
    struct mongo_run *r = owner;
    if (c->failed && c->reused && !r->retried) {
        r->retried = true;
        drop_conn(r);
        open_conn(r);
        return;
    }
    const struct mongo_exchange *x = &r->exchange;
    char warning[PROBE_DETAIL_MAX];
    if (x->reason == REASON_OK &&
        mongo_warn_server(&x->hello, &conf_of(r)->wish, x->address, warning))
        probe_degraded(&r->base, "%s", warning);
    finish(r, x->reason, x->detail);
}

static struct mongo_conn_user user_of(struct mongo_run *r)
{
    return (struct mongo_conn_user){.run = &r->base,
                                    .conf = conf_of(r),
                                    .exchange = &r->exchange,
                                    .on_end = on_end,
                                    .owner = r,
                                    .describe = describe};
}

static void open_conn(struct mongo_run *r)
{
    const struct mongo_conn_user user = user_of(r);
    if (kept_of(r))
        r->exchange.scram.keys = kept_of(r)->keys;
    r->conn = mongo_conn_new();
    if (r->conn)
        mongo_conn_open(r->conn, &user, &conf_of(r)->ep);
    else
        finish(r, REASON_INTERNAL, "out of memory");
}

static void start_talking(struct mongo_run *r)
{
    struct mongo_kept *k = kept_of(r);
    const struct mongo_conn_user user = user_of(r);
    move_to(r, RUN_TALKING);
    probe_note_later(&r->base, describe);
    if (k && k->conn && !mongo_conn_is_fresh(k->conn))
        drop_kept_conn(k);
    if (!k || !k->conn) {
        open_conn(r);
        return;
    }
    r->conn = k->conn;
    k->conn = NULL;
    mongo_conn_resume(r->conn, &user);
}

/* ---- A deployment ---- */

static void on_asked(struct probe_run *run, const struct mongo_set_result *result)
{
    struct mongo_run *r = (struct mongo_run *)run;
    if (result->gone)
        probe_gone(run);
    if (kept_of(r) && result->keys.valid)
        kept_of(r)->keys = result->keys;
    finish(r, result->reason, result->detail);
}

static struct mongo_pool *need_pool(struct mongo_run *r)
{
    struct mongo_kept *k = kept_of(r);
    if (!k)
        return mongo_pool_new(r->base.env);
    if (!k->pool)
        k->pool = mongo_pool_new(r->base.env);
    return k->pool;
}

static void start_asking(struct mongo_run *r)
{
    const struct mongo_kept *k = kept_of(r);
    move_to(r, RUN_ASKING);
    probe_note_later(&r->base, describe);
    r->pool = need_pool(r);
    if (r->pool)
        r->set = mongo_set_new(&r->base, conf_of(r), r->pool, k ? &k->keys : NULL, on_asked);
    if (r->set)
        mongo_set_start(r->set);
    else
        finish(r, REASON_INTERNAL, "out of memory");
}

/* ---- The driver ---- */

static void on_worker_done(struct probe_run *run, const struct worker_result *result)
{
    struct mongo_run *r = (struct mongo_run *)run;
    char detail[PROBE_DETAIL_MAX];
    bool gone;
    enum reason reason = mongo_driver_verdict(conf_of(r), result, detail, &gone);
    if (gone)
        probe_gone(run);
    finish(r, reason, detail);
}

static void start_driver(struct mongo_run *r)
{
    move_to(r, RUN_DRIVER);
    probe_note(&r->base, "%s: the driver has no answer yet", conf_of(r)->target);
    r->worker = mongo_driver_start(&r->base, conf_of(r), on_worker_done);
    if (!r->worker)
        finish(r, REASON_INTERNAL, "out of memory");
}

/* ---- The name of mongodb+srv ---- */

static void start_asked(struct mongo_run *r)
{
    if (conf_of(r)->driver)
        start_driver(r);
    else if (conf_of(r)->deployment)
        start_asking(r);
    else
        start_talking(r);
}

/* The new records may lead elsewhere: what was kept is of the old ones. */
static void keep_srv(struct mongo_run *r)
{
    struct mongo_kept *k = kept_of(r);
    if (!k)
        return;
    if (k->conn)
        drop_kept_conn(k);
    if (k->pool)
        mongo_pool_drop_all(k->pool);
    mongo_srv_free(k->srv);
    k->srv = r->srv;
}

static void on_records(void *owner, const struct dns_records *records)
{
    struct mongo_run *r = owner;
    const struct mongo_conf *conf = r->base.conf;
    char detail[PROBE_DETAIL_MAX];
    struct err e;
    if (records->words) {
        snprintf(detail, sizeof detail, "%s: %s", records->name, records->words);
        if (records->no_such_name)
            probe_gone(&r->base);
        finish(r, records->internal ? REASON_INTERNAL : REASON_DNS, detail);
        return;
    }
    r->srv = mongo_srv_new(conf, records, &e);
    if (!r->srv) {
        snprintf(detail, sizeof detail, "%.100s: %.280s", conf->uri.hosts[0], e.text);
        finish(r, REASON_DNS, detail);
        return;
    }
    keep_srv(r);
    close_lookup(r);
    start_asked(r);
}

static void start_looking_up(struct mongo_run *r)
{
    const struct mongo_conf *conf = r->base.conf;
    char srv[DNS_NAME_SIZE], txt[DNS_NAME_SIZE], servers[200];
    struct err e;
    move_to(r, RUN_LOOKING_UP);
    probe_phase(&r->base, PHASE_DNS);
    if (mongo_srv_names(&conf->uri, srv, txt, &e) == 0)
        r->lookup = dns_records_start(r->base.env->loop, srv, txt, on_records, r, &e);
    if (r->lookup)
        probe_note(&r->base, "%s: no answer from DNS server %s", srv,
                   dns_records_servers(r->lookup, servers, sizeof servers));
    else
        finish(r, REASON_INTERNAL, e.text);
}

/* ---- The type ---- */

static void start(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    const struct mongo_kept *k = kept_of(r);
    closer_init(&r->closer, run->env->loop, on_run_closed);
    r->srv = k && k->srv && clock_now() < k->srv->expires ? k->srv : NULL;
    if (conf_of(r)->uri.srv)
        start_looking_up(r);
    else
        start_asked(r);
}

static void cancel(struct probe_run *run)
{
    struct mongo_run *r = (struct mongo_run *)run;
    if (r->state != RUN_OVER)
        close_all(r);
}

static void kept_open(struct probe_kept *kept)
{
    closer_init(&((struct mongo_kept *)kept)->closer, kept->env->loop, on_kept_closed);
}

static void kept_close(struct probe_kept *kept)
{
    struct mongo_kept *k = (struct mongo_kept *)kept;
    if (k->conn)
        drop_kept_conn(k);
    if (k->pool) {
        closer_hold(&k->closer);
        mongo_pool_close(k->pool, on_part_closed, &k->closer);
    }
    closer_close(&k->closer);
}

static const struct probe_scheme schemes[] = {
    {"mongodb://", "uri", false},
    {"mongodb+srv://", "uri", false},
    {NULL, NULL, false},
};

const struct probe_type probe_type_mongo = {
    .name = "mongo",
    .summary = "a MongoDB server or deployment answers hello and ping, and has the wanted role",
    .keys = mongo_keys,
    .n_keys = MONGO_KEY_COUNT,
    .schemes = schemes,
    .prepare = mongo_conf_prepare,
    .dispose = mongo_conf_dispose,
    .run_size = sizeof(struct mongo_run),
    .start = start,
    .cancel = cancel,
    .child_entry = MONGO_CHILD_ENTRY,
    .child_main = mongo_child_run,
    .kept_size = sizeof(struct mongo_kept),
    .kept_open = kept_open,
    .kept_close = kept_close,
};
