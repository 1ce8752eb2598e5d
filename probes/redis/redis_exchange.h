/* redis_exchange: what is said to a Redis server (or Valkey, KeyDB, Dragonfly) for one check, and
 * what its answers mean. All commands go in one write: AUTH where there is a password, SELECT where
 * a database is named, PING, and INFO where more is required than PONG. Bytes in, bytes out. */
#ifndef PROBE_REDIS_REDIS_EXCHANGE_H
#define PROBE_REDIS_REDIS_EXCHANGE_H

#include "net/server_conf.h"
#include "net/talk.h"

enum redis_require {
    REDIS_REQUIRE_PING,
    REDIS_REQUIRE_DATA,
    REDIS_REQUIRE_MASTER,
    REDIS_REQUIRE_REPLICA,
    REDIS_REQUIRE_WRITABLE,
    REDIS_REQUIRE_COUNT
};

struct redis_conf {
    struct server_conf server; /* first: server_conf_dispose */
    enum redis_require require;
    int64_t max_lag;  /* ns; 0: not looked at */
    int64_t warn_lag; /* the same */
    int database;     /* -1: none is named */
};

enum redis_step { REDIS_AUTH, REDIS_SELECT, REDIS_PING, REDIS_INFO, REDIS_CLUSTER, REDIS_STEPS };

/* A run: `talk.run.conf` is a struct redis_conf. */
struct redis_run {
    struct talk talk;
    enum redis_step steps[REDIS_STEPS]; /* whose answers are still to come, in order */
    size_t n_steps, at;
    char role[200]; /* what INFO said, for the detail */
};

extern const struct talk_rules redis_rules;

#endif
