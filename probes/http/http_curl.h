/* http_curl: an exchange by libcurl, on the dialler's descriptor: all with TLS, and HTTP/2. */
#ifndef PROBE_HTTP_HTTP_CURL_H
#define PROBE_HTTP_HTTP_CURL_H

#include "base/err.h"
#include "base/reason.h"
#include "http/curl_glue.h"
#include "tls/tls.h"

struct http_exchange;

struct http_curl {
    struct curl_transfer transfer;
    CURLcode rc;            /* how it ended */
    struct tls_guest guest; /* on the certificate */
    bool setup_failed;      /* TLS could not be set up; setup_error says why */
    struct err setup_error;
    char error[CURL_ERROR_SIZE];
    struct curl_slist *connect_to;
};

/* As http_exchange_start; what came is noted by http_exchange_line and _body. */
int http_curl_start(struct http_exchange *x, struct err *e);

/* What there is to say of a whole reply's certificate and version of HTTP. */
enum reason http_curl_judge(const struct http_exchange *x, struct err *e);

/* In any state, once begun. */
void http_curl_end(struct http_exchange *x);

#endif
