/* view: what a running agent says about one probe, read from its JSON. Nothing of it is trusted: a
 * member that is missing or of another type is as if it were not there. */
#ifndef PROBE_CLI_VIEW_H
#define PROBE_CLI_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "term/grid.h"

/* One result; texts are the document's, never NULL. */
struct view_result {
    bool there, ok;
    const char *reason, *detail, *counted;
    int64_t started; /* wall time, ns; 0: not known */
    int64_t took;    /* ns */
};

/* Texts are the document's and live as long as it; never NULL. */
struct view {
    const char *name, *status;
    const char *warning; /* "": none */
    bool stale, required;
    bool lost;       /* set by who reads it: the agent has gone since, nothing is known any more */
    int64_t since;   /* wall time, ns; 0: not known */
    int64_t next_in; /* ns; < 0: none is planned */
    int64_t failing_streak, success_streak;
    int64_t retries, success_threshold; /* 0: not known */
    int64_t checks, failures;
    struct view_result last;
    const json_t *history; /* an array or NULL */
    const json_t *blocked_by;
};

/* The text as a document, the caller's to json_decref; NULL: it is none. */
json_t *view_document(const char *text, size_t len);

/* A text of an object; "" where it is none. */
const char *view_text(const json_t *object, const char *key);

void view_read(struct view *v, const json_t *probe);
void view_read_result(struct view_result *r, const json_t *result);

/* The i-th probe that blocks it; NULL: no further one, or the agent does not say. */
const char *view_blocker(const struct view *v, size_t i);

bool view_is(const struct view *v, const char *status);

/* The word for a person: its status, "warn" for a healthy one with a warning, "stale", or "unknown"
 * when the agent was lost. */
const char *view_state(const struct view *v);
enum tone view_tone(const char *state);

#define VIEW_BADNESS_MAX 5

/* How much it wants to be seen: 0 healthy, up to VIEW_BADNESS_MAX for worse. */
int view_badness(const struct view *v);

/* A table of probes for a person at a terminal, and a row in it; `now` is wall time. */
#define VIEW_COLUMNS 6
extern const struct grid_column view_columns[VIEW_COLUMNS];
void view_add(struct grid *t, const struct view *v, int64_t now);

/* `check`'s lines, without titles: name, state, time taken, reason and detail. */
#define VIEW_LINE_COLUMNS 4
extern const struct grid_column view_line_columns[VIEW_LINE_COLUMNS];

/* A span for a person, whole seconds: "38s", "4m12s", "3h5m", "4d2h". Returns out. */
#define VIEW_SPAN_SIZE 32
char *view_span(int64_t ns, char out[VIEW_SPAN_SIZE]);

/* Wall time from RFC 3339 in UTC; 0 when it is none. */
int64_t view_time(const char *text);

#endif
