/* page: what page.c, page_probe.c and page_row.c share. */
#ifndef PROBE_SERVE_PAGE_H
#define PROBE_SERVE_PAGE_H

#include "serve/body.h"

/* What a person is shown as a probe's state, the worst first: the status; `stale` for a verdict
 * that is too old to be one; `warn` for a healthy probe with a warning, which counts as healthy. */
enum page_state {
    PAGE_UNHEALTHY,
    PAGE_STALE,
    PAGE_STARTING,
    PAGE_BLOCKED,
    PAGE_WARN,
    PAGE_HEALTHY,
    PAGE_STATES
};

enum page_state page_state_of(const struct check *c, int64_t now);
const char *page_state_name(enum page_state state);

/* Does it count for readiness? */
bool page_counts(const struct check *c);

/* The list item of one probe: at most about 3 KB and four times its name and target. `on_own`: on
 * the page of that probe, from which links lead elsewhere than from the list. */
void page_add_row(struct buf *b, const struct check *c, bool on_own, int64_t now);

/* Text as HTML, in an element or in a quoted attribute. Invalid UTF-8 becomes U+FFFD, as in JSON.
 */
void page_escape(struct buf *b, const char *s);
void page_add(struct buf *b, const char *before, const char *text, const char *after);

/* Labels, each in an element of its own. */
void page_add_labels(struct buf *b, const struct labels *l);

/* A link to the row of that probe, whose id is "probe-NAME". `own`: the probe on whose page it
 * stands, NULL: on the list. */
void page_add_link(struct buf *b, const struct check *own, const char *name);

/* The way from the page of that probe to the list: "../", and one more for each slash in the name.
 * NULL: from the list, nothing. */
void page_add_root(struct buf *b, const struct check *own);

/* A span of time as "12s", "5m", "3h 4m", "2d 1h". */
void page_add_age(struct buf *b, int64_t ns);

/* How long something took, to three digits. */
void page_add_took(struct buf *b, int64_t ns);

/* Which agent this is: its name, where that is another the host's, and its labels. */
void page_add_agent(struct buf *b, const struct identity *id);

void page_make_nonce(char nonce[NONCE_SIZE]);

extern const char page_html[]; /* generated from page.html, page.css and page.js */

#endif
