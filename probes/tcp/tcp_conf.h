/* tcp_conf: the keys of the tcp type and their compiled, immutable form. */
#ifndef PROBE_TCP_TCP_CONF_H
#define PROBE_TCP_TCP_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/endpoint.h"
#include "base/pattern.h"
#include "probe.h"
#include "tls/tls.h"

struct tcp_conf {
    struct endpoint ep;
    char *send;
    size_t send_len;
    struct pattern *expect; /* NULL: the connection is enough */
    struct pattern *reject; /* NULL: nothing is; never without expect */
    bool reset;             /* `close` */
    bool use_tls;
    struct tls_conf tls;
};

#define TCP_N_KEYS (7 + TLS_KEY_COUNT)
extern const struct probe_key tcp_keys[TCP_N_KEYS];

/* As probe_type has them. */
void *tcp_conf_prepare(const struct probe_value *values, struct probe_report *report,
                       char **target);
void tcp_conf_dispose(void *conf);

#endif
