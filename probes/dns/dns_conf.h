/* dns_conf: the keys of the dns type and their compiled, immutable form. */
#ifndef PROBE_DNS_DNS_CONF_H
#define PROBE_DNS_DNS_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/endpoint.h"
#include "base/pattern.h"
#include "probe.h"

struct dns_conf {
    struct endpoint server; /* host NULL: the system's servers */
    char *name;
    unsigned type;
    struct pattern *expect; /* NULL: any record will do */
    bool tcp;               /* never by UDP */
    bool authoritative;     /* the answer must be */
};

#define DNS_N_KEYS 4
extern const struct probe_key dns_keys[DNS_N_KEYS];

/* As probe_type has them. */
void *dns_conf_prepare(const struct probe_value *values, struct probe_report *report,
                       char **target);
void dns_conf_dispose(void *conf);

#endif
