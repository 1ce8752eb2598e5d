/* http_failure: why an exchange brought no reply, in a reason and in words. */
#ifndef PROBE_HTTP_HTTP_FAILURE_H
#define PROBE_HTTP_HTTP_FAILURE_H

#include "http/http_exchange.h"

/* REASON_OK when the reply is whole, or there is all that the verdict needs; else the reason, with
 * words that name the peer. */
enum reason http_failure(const struct http_exchange *x, struct err *e);

#endif
