/* document: the JSON that the API, `check --json`, `wait --json` and `explain --json` share. It
 * reads checks, never changes them, and never holds a secret: targets are redacted by config. */
#ifndef PROBE_VIEW_DOCUMENT_H
#define PROBE_VIEW_DOCUMENT_H

#include "base/jsonw.h"
#include "engine/engine.h"

/* The status to show. A stale verdict is never shown as healthy: it is `starting`, "not known yet",
 * until a check has ended again. */
enum health_status document_status_of(const struct check *c, int64_t now);

/* The last result that says something of the present status: not one of before the probe was
 * blocked. NULL: there is none. */
const struct check_result *document_last(const struct check *c);

/* How the status came to be `to`: from, to, at, reason, detail, warning, as members of the open
 * object. `from` NULL: it is the present one; equal to `to`: its warning began or ended. */
void document_change(struct jsonw *j, const struct check *c, const char *from, const char *to);

/* Labels, as the members of an object. */
void document_labels(struct jsonw *j, const char *key, const struct labels *l);

/* Which agent this is: name, labels, version, host and pid, as members of the open object. */
void document_identity(struct jsonw *j, const struct engine *e);

/* One probe: name, type, target, status, ..., history. `key` as in jsonw.h. */
void document_probe(struct jsonw *j, const char *key, const struct check *c, int64_t now);

/* The same without its history, which is most of it. */
void document_probe_brief(struct jsonw *j, const char *key, const struct check *c, int64_t now);

/* The whole: agent, live, ready, probes. */
void document_status(struct jsonw *j, const struct engine *e, int64_t now);

/* The same in parts, for a document that is made in slices: the head up to and with the opening of
 * `probes`, then document_probe for each, then the tail. */
void document_head(struct jsonw *j, const struct engine *e, const struct readiness *r, int64_t now);
void document_tail(struct jsonw *j);

/* The detail as it is said beside the name: "GET http://h/: HTTP 500" beside the name http://h/ is
 * "HTTP 500". Points into `detail`. */
const char *document_detail(const char *detail, const char *name);

/* "refused: connect to 127.0.0.1:80: connection refused", or for a success what was seen, or why
 * there is no result: one line without newline, control bytes replaced. */
void document_why(struct buf *out, const struct check *c);

/* "not checked while db, cache is down": why a blocked probe is blocked. Control bytes are
 * replaced.
 */
void document_blocked(struct buf *out, const struct check *c);

#endif
