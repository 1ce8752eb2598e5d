/* redis: a Redis server answers PING, and where asked is a master, a replica, or takes writes. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "redis/redis_exchange.h"

#define DATABASE_MAX 65535

static const char *const requires[] = {
    [REDIS_REQUIRE_PING] = "ping",         [REDIS_REQUIRE_DATA] = "data",
    [REDIS_REQUIRE_MASTER] = "master",     [REDIS_REQUIRE_REPLICA] = "replica",
    [REDIS_REQUIRE_WRITABLE] = "writable", NULL};

enum { K_REQUIRE = SERVER_KEY_COUNT, K_MAX_LAG, K_WARN_LAG };

static const struct probe_key keys[] = {
    SERVER_KEYS("A URL: redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE], rediss:// with TLS, or "
                "redis+unix:///path."),
    [K_REQUIRE] = SERVER_REQUIRE_KEY(
        requires, "What the server must be: ping (it answers PONG), data (its data is there; no "
                  "sentinel), master, replica, writable."),
    [K_MAX_LAG] = {.name = "max_lag",
                   .kind = KEY_DURATION,
                   .min = NS_PER_S,
                   .doc = "How long a replica may not have heard from its master, which writes "
                          "or pings every 10s. Default: off."},
    [K_WARN_LAG] = {.name = "warn_lag",
                    .kind = KEY_DURATION,
                    .min = NS_PER_S,
                    .doc =
                        "The check warns where a replica has not heard from its master for longer. "
                        "Default: off."},
};

static const struct probe_scheme schemes[] = {{"redis://", "uri", false},
                                              {"rediss://", "uri", false},
                                              {"redis+unix://", "uri", false},
                                              {NULL, NULL, false}};

static int parse_database(const char *text, int *out, struct err *e)
{
    char *end;
    long n = strtol(text, &end, 10);
    if (*text < '0' || *text > '9' || *end || n < 0 || n > DATABASE_MAX)
        return err_set(e, "the database is not a number, expected 0 to %d", DATABASE_MAX);
    *out = (int)n;
    return 0;
}

static int take_option(struct server_conf *s, void *type_conf, const char *name, const char *value,
                       struct err *e)
{
    struct redis_conf *c = type_conf;
    (void)s;
    return strcmp(name, "db") == 0 ? parse_database(value, &c->database, e) : 1;
}

static const struct server_kind kind = {
    .schemes = schemes, .tls_scheme = "rediss://", .port = 6379, .option = take_option};

static void *prepare(const struct probe_value *v, struct probe_report *report, char **target)
{
    struct redis_conf *c = calloc(1, sizeof *c);
    struct err e;
    if (!c)
        return NULL;
    c->database = -1;
    c->require = (enum redis_require)v[K_REQUIRE].num;
    c->max_lag = v[K_MAX_LAG].num;
    c->warn_lag = v[K_WARN_LAG].num;
    bool bad = server_conf_init(&c->server, c, &kind, v, report, target) < 0;
    const struct server_conf *s = &c->server;
    if (!bad && s->path && parse_database(s->path, &c->database, &e) < 0) {
        probe_error(report, SERVER_KEY_URI, "%s", e.text);
        bad = true;
    }
    if (!bad && s->user && !s->password && strcmp(s->user, "***") != 0 &&
        !probe_is_missing(report, SERVER_KEY_PASSWORD)) {
        probe_error(report, SERVER_KEY_USER, "a user name without a password");
        bad = true;
    }
    bool master = c->require == REDIS_REQUIRE_MASTER || c->require == REDIS_REQUIRE_WRITABLE;
    if (c->max_lag && master)
        probe_warn(report, K_MAX_LAG, "has no effect on a master");
    if (c->warn_lag && master)
        probe_warn(report, K_WARN_LAG, "has no effect on a master");
    return server_conf_done(c, bad, target);
}

static void start(struct probe_run *run)
{
    const struct redis_conf *c = run->conf;
    const struct server_conf *s = &c->server;
    talk_start((struct talk *)run, &redis_rules, &s->ep,
               s->tls_use == SERVER_TLS_YES ? &s->tls : NULL, NULL);
}

const struct probe_type probe_type_redis = {
    .name = "redis",
    .summary = "a Redis server answers PING, and has the wanted role",
    .keys = keys,
    .n_keys = ARRAY_LEN(keys),
    .schemes = schemes,
    .prepare = prepare,
    .dispose = server_conf_dispose,
    .run_size = sizeof(struct redis_run),
    .start = start,
    .cancel = talk_cancel,
};
