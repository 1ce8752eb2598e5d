/* http_failure: why an exchange failed, in the words of the closed list of reasons and a person's.
 */
#ifndef PROBE_HTTP_HTTP_FAILURE_H
#define PROBE_HTTP_HTTP_FAILURE_H

#include "http/http_exchange.h"

/* Of an exchange that ended without a whole reply. Never REASON_OK. */
enum reason http_failure(const struct http_exchange *x, struct err *e);

#endif
