/* page_probe: GET /probe/NAME, the page of one probe: its row, what it consists of, its past and
 * its last results. */
#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "config/labels.h"
#include "engine/members.h"
#include "serve/page.h"

/* What of the past is summed up in words beside the drawing. */
struct past_sum {
    uint64_t checks, failed, sum;
    uint32_t low, high;
};

static struct past_sum sum_past(const struct past *p, int64_t now)
{
    struct past_sum all = {.low = UINT32_MAX};
    for (int i = 0; i < PAST_SLOTS; i++) {
        const struct past_slot *s = past_get(p, now, i);
        if (!s)
            continue;
        all.checks += s->checks;
        all.failed += s->failed;
        all.sum += s->sum;
        all.low = s->low < all.low ? s->low : all.low;
        all.high = s->high > all.high ? s->high : all.high;
    }
    return all;
}

/* A bar from the shortest to the longest of each step, and a mark where one failed. */
static void draw_past(struct buf *b, const struct past *p, uint32_t high, int64_t now)
{
    double all = high ? high : 1;
    buf_puts(b, "<svg class=past aria-hidden=true viewBox=\"0 0 120 40\" "
                "preserveAspectRatio=none><path class=spread d=\"");
    for (int i = 0; i < PAST_SLOTS; i++) {
        const struct past_slot *s = past_get(p, now, i);
        if (s && s->checks > s->failed)
            buf_printf(b, "M%d.5 %.1fV%.1f", i, 33.0 - 32.0 * s->high / all,
                       33.5 - 32.0 * s->low / all);
    }
    buf_puts(b, "\"/><path class=missed d=\"");
    for (int i = 0; i < PAST_SLOTS; i++) {
        const struct past_slot *s = past_get(p, now, i);
        if (s && s->failed)
            buf_printf(b, "M%d.5 35V40", i);
    }
    buf_puts(b, "\"/></svg>\n<p class=axis aria-hidden=true><span>");
    page_add_age(b, p->width * PAST_SLOTS);
    buf_puts(b, " ago</span><span>now</span></p>\n");
}

static void add_past(struct buf *b, const struct check *c, int64_t now)
{
    if (!c->past)
        return;
    int64_t since = now - c->engine->started;
    struct past_sum all = sum_past(c->past, since);
    buf_puts(b, "<h2>The last ");
    page_add_age(b, c->past->width * PAST_SLOTS);
    buf_puts(b, "</h2>\n");
    draw_past(b, c->past, all.high, since);
    buf_printf(b, "<p class=totals>%" PRIu64 " checks, %" PRIu64 " of them failed", all.checks,
               all.failed);
    if (all.checks > all.failed) {
        buf_puts(b, "; from ");
        page_add_took(b, (int64_t)all.low * NS_PER_US);
        buf_puts(b, " to ");
        page_add_took(b, (int64_t)all.high * NS_PER_US);
        buf_puts(b, ", on average ");
        page_add_took(b, (int64_t)(all.sum / (all.checks - all.failed)) * NS_PER_US);
    }
    buf_puts(b, "</p>\n");
}

static void add_member(struct buf *b, const struct probe_member *m)
{
    buf_printf(b, "<tr class=%s><td>", m->up ? "healthy" : "unhealthy");
    page_escape(b, m->name);
    buf_printf(b, "<td><b>%s</b><td>", m->state);
    if (m->lag >= 0)
        page_add_took(b, m->lag);
    buf_puts(b, "<td>");
    if (m->rtt >= 0)
        page_add_took(b, m->rtt);
    page_add(b, "<td>", m->error ? m->error : "", "</tr>\n");
}

static void add_members(struct buf *b, const struct check *c)
{
    if (!c->members)
        return;
    buf_puts(b, "<h2>Members</h2>\n<table class=members><thead><tr><th>Name<th>State<th>Lag"
                "<th>Round trip<th>Error</tr></thead>\n<tbody>\n");
    for (size_t i = 0; i < c->members->n; i++)
        add_member(b, &c->members->of[i]);
    buf_puts(b, "</tbody></table>\n");
}

static void add_result(struct buf *b, const struct check_result *r, int64_t now)
{
    char stamp[CLOCK_RFC3339_SIZE];
    bool ok = r->reason == REASON_OK;
    clock_rfc3339(r->started_wall, stamp);
    buf_printf(b, "<tr class=%s><td><time>%s</time><td>", ok ? "healthy" : "unhealthy", stamp);
    page_add_age(b, now - r->started - r->duration);
    buf_printf(b, " ago<td><b>%s</b><td>", ok ? "ok" : reason_name(r->reason));
    page_add_took(b, r->duration);
    page_add(b, "<td>", r->detail, "</tr>\n");
}

static void add_results(struct buf *b, const struct check *c, int64_t now)
{
    uint64_t kept = c->n_results < CHECK_HISTORY ? c->n_results : CHECK_HISTORY;
    const struct check_result *failure = c->last_failure, *oldest = NULL;
    buf_puts(b, "<table><thead><tr><th>Started<th>Ended<th>Result<th>Took<th>What was seen"
                "</tr></thead>\n<tbody>\n");
    for (uint64_t i = c->n_results; i > c->n_results - kept; i--) {
        oldest = &c->history[(i - 1) % CHECK_HISTORY];
        add_result(b, oldest, now);
    }
    if (failure && oldest && failure->started < oldest->started)
        add_result(b, failure, now);
    buf_puts(b, "</tbody></table>\n");
    buf_printf(b, "<p class=totals>%" PRIu64 " checks, %" PRIu64 " of them failed", c->checks_total,
               c->failures_total);
    const char *between = ": ";
    for (int i = REASON_OK + 1; i < REASON_COUNT; i++) {
        if (!c->failures_by_reason[i])
            continue;
        buf_printf(b, "%s%" PRIu32 " %s", between, c->failures_by_reason[i],
                   reason_name((enum reason)i));
        between = ", ";
    }
    buf_puts(b, "</p>\n");
}

/* What the list's page has from `begins` up to `ends`. */
static void add_part(struct buf *b, const char *begins, const char *ends)
{
    const char *part = strstr(page_html, begins);
    buf_add(b, part, (size_t)(strstr(part, ends) - part));
}

/* The part of the page up to its body: style and symbols are the same. */
static void add_probe_head(struct body *d, const struct check *c, int64_t now)
{
    char host[IDENTITY_HOST];
    enum page_state state = page_state_of(c, now);
    struct buf *b = &d->buf;
    buf_puts(b, "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
                "<meta name=viewport content=\"width=device-width, initial-scale=1\">\n"
                "<meta name=color-scheme content=\"light dark\">\n"
                "<meta http-equiv=refresh content=5>\n<title>");
    page_escape(b, c->conf->name);
    buf_puts(b, " is ");
    buf_puts(b, state == PAGE_WARN ? "healthy, with a warning" : page_state_name(state));
    buf_puts(b, " - probe on ");
    page_escape(b, identity_name(&c->engine->identity, host));
    buf_printf(b, "</title>\n<style nonce=\"%s\">", d->nonce);
    add_part(b, "\n:root", "</style>");
    buf_puts(b, "</style>\n</head>\n<body>\n");
    add_part(b, "<svg class=\"symbols\"", "<header>");
}

enum made page_probe_more(struct body *d, int64_t now)
{
    const struct engine *e = d->facts->engine;
    const struct check *c = engine_find(e, d->name);
    if (!c)
        return body_of_none(d);
    page_make_nonce(d->nonce);
    add_probe_head(d, c, now);
    page_add(&d->buf, "<main>\n<h1>", c->conf->name, "</h1>\n<ol>\n");
    page_add_row(&d->buf, c, true, now);
    buf_puts(&d->buf, "</ol>\n");
    add_members(&d->buf, c);
    add_past(&d->buf, c, now);
    buf_puts(&d->buf, "<h2>Last results</h2>\n");
    add_results(&d->buf, c, now);
    buf_puts(&d->buf, "</main>\n<footer><nav aria-label=\"The agent\"><a href=\"");
    page_add_root(&d->buf, c);
    buf_puts(&d->buf, "\">all probes</a> of ");
    page_add_agent(&d->buf, &e->identity);
    buf_puts(&d->buf, "</nav></footer>\n</body>\n</html>\n");
    return MADE_ALL;
}
