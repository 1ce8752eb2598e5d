/* http_conf: the keys of the http type and their compiled, immutable form. */
#ifndef PROBE_HTTP_HTTP_CONF_H
#define PROBE_HTTP_HTTP_CONF_H

#include <stdbool.h>
#include <stddef.h>

#include "http/http_expect_conf.h"
#include "net/dial.h"
#include "net/http_url.h"
#include "probe.h"
#include "tls/tls.h"

enum http_version { HTTP_VERSION_ANY, HTTP_VERSION_1_0, HTTP_VERSION_1_1, HTTP_VERSION_2 };

struct http_conf_header {
    char *name, *value;
    bool is_safe; /* another host may see it as well */
};

struct http_conf {
    struct http_url url;
    struct endpoint ep; /* where to connect for url: its host, connect_to or the proxy */
    char *method;
    struct http_conf_header *headers;
    size_t n_headers;
    char *body; /* NULL: none */
    struct http_expect expect;
    bool secret; /* the request holds one: a body may echo it */
    bool follow;
    bool inflate; /* Accept-Encoding is configured: a gzip body is decoded */
    size_t max_body;
    char *max_body_text;
    enum http_version version;
    int family;
    char *proxy_auth; /* Proxy-Authorization for it; NULL: none */
    struct tls_conf tls;
};

#define HTTP_N_KEYS (13 + HTTP_EXPECT_KEY_COUNT + TLS_KEY_COUNT)
extern const struct probe_key http_keys[HTTP_N_KEYS];

/* As probe_type has them. */
void *http_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target);
void http_conf_dispose(void *conf);

/* The value of the first configured header with that name (case ignored); NULL: none. */
const char *http_conf_header(const struct http_conf *c, const char *name);

/* The endpoint that a URL names. 0, or -1 with the words. */
int http_conf_endpoint(const struct http_url *url, struct endpoint *ep, struct err *e);

#endif
