/* http_conf: the keys of the http type and their compiled, immutable form. */
#ifndef PROBE_HTTP_HTTP_CONF_H
#define PROBE_HTTP_HTTP_CONF_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stddef.h>

#include "http/http_expect.h"
#include "http/http_mask.h"
#include "http/http_url.h"
#include "net/dial.h"
#include "probe.h"
#include "tls/tls.h"

struct http_conf {
    struct http_url url;
    struct endpoint ep; /* where to connect for url: its host, or connect_to */
    char *method;
    struct curl_slist *headers;      /* what goes to url's origin */
    struct curl_slist *safe_headers; /* those of them that another host may see */
    char *body;                      /* NULL: none */
    struct http_expect expect;
    char *tls_url;         /* url's text with tls_server_name for its host; NULL: as it is */
    struct http_mask mask; /* of all of these */
    bool follow;
    size_t max_body;
    char *max_body_text;
    long version; /* CURL_HTTP_VERSION_... */
    bool needs_http2;
    int family;
    struct tls_conf tls;
};

#define HTTP_N_KEYS (17 + TLS_KEY_COUNT)
extern const struct probe_key http_keys[HTTP_N_KEYS];

/* As probe_type has them. */
void *http_conf_prepare(const struct probe_value *values, struct probe_report *report,
                        char **target);
void http_conf_dispose(void *conf);

/* The endpoint that a URL names. 0, or -1 with the words. */
int http_conf_endpoint(const struct http_url *url, struct endpoint *ep, struct err *e);

#endif
