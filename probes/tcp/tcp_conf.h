/* tcp_conf: the keys of the tcp type and their compiled, immutable form. */
#ifndef PROBE_TCP_TCP_CONF_H
#define PROBE_TCP_TCP_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/endpoint.h"
#include "base/pattern.h"
#include "probe.h"
#include "tls/tls.h"

enum tcp_step_kind { TCP_STEP_SEND, TCP_STEP_EXPECT, TCP_STEP_TLS };

struct tcp_step {
    enum tcp_step_kind kind;
    char *bytes; /* to send */
    size_t len;
    struct pattern *pattern; /* to expect */
};

#define TCP_STEPS_MAX 64

struct tcp_conf {
    struct endpoint ep;
    struct tcp_step *steps; /* of `dialogue`, or those that `send` and `expect` make */
    size_t n_steps;         /* 0: the connection is enough */
    bool is_dialogue;
    struct pattern *reject; /* NULL: nothing is; never without something to expect */
    bool reset;             /* `close` */
    bool use_tls;
    struct tls_conf tls;
};

#define TCP_N_KEYS (8 + TLS_KEY_COUNT)
extern const struct probe_key tcp_keys[TCP_N_KEYS];

/* As probe_type has them. */
void *tcp_conf_prepare(const struct probe_value *values, struct probe_report *report,
                       char **target);
void tcp_conf_dispose(void *conf);

#endif
