/* metrics: what metrics.c, metrics_probe.c and metrics_agent.c share. A line is written into the
 * buffer directly, since there may be 200,000 of them in an answer. */
#ifndef PROBE_SERVE_METRICS_H
#define PROBE_SERVE_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "serve/body.h"

/* One line of a family: of the probe `c`, whose labels `{name="web",team="shop"` are made already.
 */
struct line {
    struct buf *out;
    const struct family *family;
    size_t family_len; /* of its name */
    const char *label;
    size_t label_len;
    const struct check *c;
    int64_t now;
};

struct family {
    const char *name, *type, *help;
    /* Appends the family's lines of one probe. */
    void (*add)(const struct line *l);
};

extern const struct family metrics_families[];
extern const size_t metrics_n_families;

/* The value of a label, escaped. */
void metrics_add_label_value(struct buf *b, const char *s);

/* `,NAME="VALUE"` for each. */
void metrics_add_labels(struct buf *b, const struct labels *l);

/* HELP and TYPE. OpenMetrics names a counter's family without its "_total". */
void metrics_add_head(struct buf *b, bool open, const char *name, const char *type,
                      const char *help);

/* Seconds with as many digits of a fraction, at most 9, and a newline; returns the end. */
char *metrics_write_seconds(char *at, int64_t ns, int digits);

/* What the agent says of itself beside its probes. */
void metrics_add_agent(struct buf *b, bool open, struct facts *f, int64_t now);

#endif
