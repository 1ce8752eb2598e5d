/* http_gzip: a body in gzip, decoded by zlib for what is expected of it. */
#ifndef PROBE_HTTP_HTTP_GZIP_H
#define PROBE_HTTP_HTTP_GZIP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"

/* What a body may have, coded and decoded, whatever max_body says: some 10 ms of work, also for a
 * bomb. */
#define HTTP_GZIP_MAX (2 << 20)

/* Replaces the body, which is whole, by what it holds, of at most `most` bytes. REASON_OK; or, with
 * the words, PROTOCOL (it is not gzip, or broken, or ends too early), MISMATCH (it holds more), or
 * INTERNAL. */
enum reason http_gzip_decode(struct buf *body, size_t most, struct err *e);

#endif
