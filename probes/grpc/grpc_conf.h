/* grpc_conf: the keys of the grpc type and their compiled, immutable form. */
#ifndef PROBE_GRPC_GRPC_CONF_H
#define PROBE_GRPC_GRPC_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/endpoint.h"
#include "net/http1.h"
#include "probe.h"
#include "tls/tls.h"

#define GRPC_METADATA_MAX 64 /* lines */

struct grpc_conf {
    struct endpoint ep;
    bool use_tls;
    struct tls_conf tls;
    char *authority;             /* "host:port" */
    char *service;               /* "": the server as a whole */
    struct buf request;          /* the call's message */
    struct http_header *headers; /* further ones; the text of one is one piece, its name's */
    size_t n_headers;
};

#define GRPC_N_KEYS (3 + TLS_KEY_COUNT)
extern const struct probe_key grpc_keys[GRPC_N_KEYS];

/* As probe_type has them. */
void *grpc_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target);
void grpc_conf_dispose(void *conf);

#endif
