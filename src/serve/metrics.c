/* metrics: GET /metrics, in the Prometheus text format 0.0.4 or as OpenMetrics 1.0.0. One family
 * after the other, each over all probes, as the formats ask for; made in slices. */
#include <stdlib.h>
#include <string.h>

#include "serve/body.h"
#include "serve/metrics.h"

#define PROBES_AT_ONCE 64

/* The labels of all probes, one behind the other: each stands in ten lines of every answer. They
 * are made at the first request after a load, in slices; a request that finds some of them goes on.
 */
struct metrics_labels {
    uint64_t generation; /* of the engine's checks that they are for */
    size_t n;            /* so many are made */
    size_t *ends;        /* in text; that of the last is n's */
    struct buf text;
};

void metrics_free(struct metrics_labels *labels)
{
    if (!labels)
        return;
    free(labels->ends);
    buf_fini(&labels->text);
    free(labels);
}

/* Some more of the labels. 1 when all are made, 0 when not yet, -1: out of memory. */
static int make_labels(struct facts *f)
{
    const struct engine *e = f->engine;
    struct metrics_labels *l = f->labels;
    if (!l || l->generation != e->generation || l->text.failed) {
        metrics_free(l);
        f->labels = l = calloc(1, sizeof *l);
        if (!l || !(l->ends = calloc(e->n_checks + 1, sizeof *l->ends)))
            return -1;
        l->generation = e->generation;
        buf_init(&l->text, SIZE_MAX / 2);
    }
    for (int i = 0; i < PROBES_AT_ONCE && l->n < e->n_checks; i++) {
        buf_puts(&l->text, "{name=\"");
        const struct check_conf *conf = e->checks[l->n]->conf;
        metrics_add_label_value(&l->text, conf->name);
        buf_putc(&l->text, '"');
        metrics_add_labels(&l->text, &conf->labels);
        l->ends[l->n++] = l->text.len;
    }
    return l->text.failed ? -1 : l->n == e->n_checks;
}

static void add_lines(struct body *b, const struct family *f, int64_t now)
{
    const struct engine *e = b->facts->engine;
    const struct metrics_labels *labels = b->facts->labels;
    struct line l = {.out = &b->buf, .family = f, .family_len = strlen(f->name), .now = now};
    size_t begins = b->index ? labels->ends[b->index - 1] : 0;
    for (int i = 0; i < PROBES_AT_ONCE && b->index < e->n_checks; i++) {
        size_t ends = labels->ends[b->index];
        l.label = labels->text.data + begins;
        l.label_len = ends - begins;
        l.c = e->checks[b->index++];
        begins = ends;
        f->add(&l);
    }
}

static enum made end(struct body *b)
{
    if (b->openmetrics)
        buf_puts(&b->buf, "# EOF\n");
    return MADE_ALL;
}

enum made metrics_more(struct body *b, int64_t now)
{
    const struct engine *e = b->facts->engine;
    if (body_is_outdated(b))
        return MADE_ALL;
    if (b->part == 0) {
        int made = make_labels(b->facts);
        b->failed = made < 0;
        if (made <= 0)
            return MADE_SOME;
        metrics_add_agent(&b->buf, b->openmetrics, b->facts, now);
        b->part = 1;
        return e->n_checks ? MADE_SOME : end(b);
    }
    const struct family *f = &metrics_families[b->part - 1];
    if (b->index == 0)
        metrics_add_head(&b->buf, b->openmetrics, f->name, f->type, f->help);
    add_lines(b, f, now);
    if (b->index < e->n_checks)
        return MADE_SOME;
    b->index = 0;
    b->part++;
    return (size_t)b->part > metrics_n_families ? end(b) : MADE_SOME;
}
