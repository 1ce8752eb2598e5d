/* page_row: one probe on the status page; page.js fetches it again and again, and draws nothing. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/members.h"
#include "serve/page.h"
#include "view/document.h"

/* The drawing: a slot of 4 for each result, newest at the right; the line above, the strip below.
 */
#define SLOT     4
#define WIDTH    (SLOT * CHECK_TREND)
#define LINE_LOW 22 /* y of nothing; the longest is LINE_ALL above */
#define LINE_ALL 20

static const char *const phase_names[PHASE_COUNT] = {
    [PHASE_DNS] = "dns",
    [PHASE_CONNECT] = "connect",
    [PHASE_TLS] = "tls",
    [PHASE_REQUEST] = "request",
};

static const char *const state_names[PAGE_STATES] = {
    [PAGE_UNHEALTHY] = "unhealthy", [PAGE_STALE] = "stale", [PAGE_STARTING] = "starting",
    [PAGE_BLOCKED] = "blocked",     [PAGE_WARN] = "warn",   [PAGE_HEALTHY] = "healthy",
};

const char *page_state_name(enum page_state state)
{
    return state_names[state];
}

enum page_state page_state_of(const struct check *c, int64_t now)
{
    static const enum page_state states[] = {
        [HEALTH_STARTING] = PAGE_STARTING,
        [HEALTH_HEALTHY] = PAGE_HEALTHY,
        [HEALTH_UNHEALTHY] = PAGE_UNHEALTHY,
        [HEALTH_BLOCKED] = PAGE_BLOCKED,
    };
    enum page_state state = states[c->health.status];
    if (check_is_stale(c, now))
        return PAGE_STALE;
    return state == PAGE_HEALTHY && check_warning(c) ? PAGE_WARN : state;
}

bool page_counts(const struct check *c)
{
    return c->conf->required && (c->conf->levels & LEVEL_READY);
}

void page_escape(struct buf *b, const char *s)
{
    while (*s) {
        size_t n = str_utf8_len(s);
        if (n == 0) {
            buf_puts(b, "\xef\xbf\xbd");
            s++;
            continue;
        }
        if (*s == '&')
            buf_puts(b, "&amp;");
        else if (*s == '<')
            buf_puts(b, "&lt;");
        else if (*s == '>')
            buf_puts(b, "&gt;");
        else if (*s == '"')
            buf_puts(b, "&quot;");
        else if (*s == '\'')
            buf_puts(b, "&#39;");
        else if ((unsigned char)*s < 0x20)
            buf_printf(b, "&#%d;", *s);
        else
            buf_add(b, s, n);
        s += n;
    }
}

void page_add(struct buf *b, const char *before, const char *text, const char *after)
{
    buf_puts(b, before);
    page_escape(b, text);
    buf_puts(b, after);
}

/* Percent-encodes what a path or a fragment cannot hold. */
static void add_encoded(struct buf *b, const char *name)
{
    for (; *name; name++)
        buf_printf(b,
                   (unsigned char)*name > ' ' && *name < 0x7f && !strchr("%\"'<>&#?`", *name)
                       ? "%c"
                       : "%%%02X",
                   (unsigned char)*name);
}

void page_add_root(struct buf *b, const struct check *own)
{
    if (!own)
        return;
    buf_puts(b, "../");
    for (const char *at = own->conf->name; (at = strchr(at, '/')); at++)
        buf_puts(b, "../");
}

void page_add_link(struct buf *b, const struct check *own, const char *name)
{
    buf_puts(b, "<a href=\"");
    page_add_root(b, own);
    buf_puts(b, "#probe-");
    add_encoded(b, name);
    page_add(b, "\">", name, "</a>");
}

void page_add_age(struct buf *b, int64_t ns)
{
    int64_t s = ns > 0 ? ns / NS_PER_S : 0;
    if (s < 60)
        buf_printf(b, "%" PRId64 "s", s);
    else if (s < 3600)
        buf_printf(b, "%" PRId64 "m", s / 60);
    else if (s < 86400)
        buf_printf(b, s % 3600 < 60 ? "%" PRId64 "h" : "%" PRId64 "h %" PRId64 "m", s / 3600,
                   s % 3600 / 60);
    else
        buf_printf(b, "%" PRId64 "d %" PRId64 "h", s / 86400, s % 86400 / 3600);
}

void page_add_took(struct buf *b, int64_t ns)
{
    char text[CLOCK_SHORT_SIZE];
    buf_puts(b, clock_short(ns, text));
}

void page_add_labels(struct buf *b, const struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        buf_printf(b, "%s<em class=label>%s=", i ? " " : "", l->of[i].name);
        page_escape(b, l->of[i].value);
        buf_puts(b, "</em>");
    }
}

static void add_who(struct buf *b, const struct check *c, const struct check *own)
{
    const struct check_conf *conf = c->conf;
    buf_puts(b, "<div class=who><h3><a href=\"");
    page_add_root(b, own);
    buf_puts(b, "probe/");
    add_encoded(b, conf->name);
    page_add(b, "\">", conf->name, "</a>");
    if (!conf->required)
        buf_puts(b, " <em>optional</em>");
    if (conf->levels == LEVEL_ALIVE)
        buf_puts(b, " <em>alive</em>");
    buf_puts(b, "</h3><p>");
    if (!str_starts(conf->target, conf->type->name)) /* "http http://..." says it twice */
        buf_printf(b, "%s ", conf->type->name);
    page_escape(b, conf->target);
    buf_puts(b, "</p>");
    if (conf->labels.n) {
        buf_puts(b, "<p class=labels>");
        page_add_labels(b, &conf->labels);
        buf_puts(b, "</p>");
    }
    for (size_t i = 0; i < c->n_after; i++) {
        buf_puts(b, i ? ", " : "<p class=after>after ");
        page_add_link(b, own, c->after[i]->conf->name);
    }
    buf_puts(b, c->n_after ? "</p></div>\n" : "</div>\n");
}

static void add_blocked(struct buf *b, const struct check *c)
{
    struct buf why;
    buf_init(&why, SIZE_MAX / 2);
    document_blocked(&why, c);
    page_escape(b, why.data ? why.data : "");
    buf_fini(&why);
}

static void add_last(struct buf *b, const struct check *c, int64_t now)
{
    const struct check_result *last = check_last(c), *failure = c->last_failure;
    buf_puts(b, "<div class=last><p class=why><b>");
    if (c->health.status == HEALTH_BLOCKED) {
        buf_puts(b, "</b> <span>");
        add_blocked(b, c);
    } else {
        if (last && last->reason != REASON_OK)
            buf_printf(b, "%s:", reason_name(last->reason));
        const char *warning = check_warning(c);
        buf_puts(b, warning ? "warning:</b> <span>" : "</b> <span>");
        page_escape(b, warning ? warning : "");
        buf_puts(b, warning ? "; " : "");
        page_escape(b, last ? last->detail : "no check has ended yet");
    }
    buf_puts(b, "</span></p><p class=fail>");
    if (failure) {
        bool is_last = last && last->reason != REASON_OK;
        buf_puts(b, is_last ? "failed " : "last failure ");
        page_add_age(b, now - failure->started - failure->duration);
        buf_puts(b, " ago");
        if (!is_last) {
            buf_printf(b, ": %s: ", reason_name(failure->reason));
            page_escape(b, failure->detail);
        } else if (c->health.failing_streak > 1) {
            buf_printf(b, ", %" PRIu32 " in a row", c->health.failing_streak);
        }
    }
    buf_puts(b, "</p></div>\n");
}

/* The last results in brief, oldest first. */
struct trend {
    int n, failed;
    int64_t oldest, newest; /* when the first and the last of them ended */
    int64_t low, high;      /* of the successes; of all where there is none */
    int64_t duration[CHECK_TREND];
    bool ok[CHECK_TREND];
};

static void read_trend(struct trend *t, const struct check *c)
{
    bool any_good = false;
    *t = (struct trend){.n = c->n_results < CHECK_TREND ? (int)c->n_results : CHECK_TREND};
    for (int i = 0; i < t->n; i++) {
        uint64_t at = c->n_results - (uint64_t)(t->n - i);
        t->ok[i] = check_trend(c, at, &t->duration[i]) == REASON_OK;
        t->failed += !t->ok[i];
        any_good |= t->ok[i];
    }
    if (t->n) {
        t->oldest = check_trend_end(c, c->n_results - (uint64_t)t->n);
        t->newest = check_trend_end(c, c->n_results - 1);
    }
    t->low = INT64_MAX;
    t->high = 1;
    for (int i = 0; i < t->n; i++) {
        if (any_good && !t->ok[i])
            continue;
        if (t->duration[i] < t->low)
            t->low = t->duration[i];
        if (t->duration[i] > t->high)
            t->high = t->duration[i];
    }
}

static void add_trend(struct buf *b, const struct trend *t, int64_t now)
{
    int start = WIDTH - t->n * SLOT, before = 0;
    buf_puts(b,
             "<div class=history><svg class=trend role=img viewBox=\"0 0 128 40\" aria-label=\"");
    if (t->n) {
        buf_printf(b, "last %d checks: %d failed, ", t->n, t->failed);
        page_add_took(b, t->low);
        buf_puts(b, " to ");
        page_add_took(b, t->high);
        buf_puts(b, ", since ");
        page_add_age(b, now - t->oldest);
        buf_puts(b, " ago");
    } else {
        buf_puts(b, "no check yet");
    }
    buf_puts(b, "\"><path class=line d=\"");
    for (int i = 0; i < t->n; i++) {
        int64_t part = t->duration[i] < t->high ? t->duration[i] : t->high;
        int y = LINE_LOW - (int)((LINE_ALL * part + t->high / 2) / t->high);
        if (i == 0)
            buf_printf(b, "M%d.5 %d", start + 1, y);
        else if (y == before)
            buf_puts(b, "h4");
        else
            buf_printf(b, y < before ? "l4%d" : "l4 %d", y - before);
        before = y;
    }
    buf_puts(b, "\"/><path class=good d=\"");
    if (t->n)
        buf_printf(b, "M%d 37H128", start);
    buf_puts(b, "\"/><path class=fell d=\"");
    for (int i = 0; i < t->n; i++)
        if (!t->ok[i] && i > 0 && !t->ok[i - 1])
            buf_puts(b, "h4");
        else if (!t->ok[i])
            buf_printf(b, "M%d 34h4", start + i * SLOT);
    buf_puts(b, "\"/></svg><p class=axis aria-hidden=true><span>");
    if (t->n) {
        page_add_age(b, now - t->oldest);
        buf_puts(b, " ago</span><span>");
        page_add_age(b, now - t->newest);
        buf_puts(b, " ago");
    }
    buf_puts(b, "</span></p></div>\n");
}

static void add_phases(struct buf *b, const struct check_result *last)
{
    int64_t sum = 0, at = 0;
    for (int i = 0; i < PHASE_COUNT; i++)
        sum += last->phases[i] > 0 ? last->phases[i] : 0;
    buf_puts(b, "<svg aria-hidden=true>");
    for (int i = 0; i < PHASE_COUNT; i++) {
        if (last->phases[i] <= 0)
            continue;
        buf_printf(b, "<rect class=%s x=%.1f%% width=%.1f%% />", phase_names[i],
                   100.0 * (double)at / (double)sum, 100.0 * (double)last->phases[i] / (double)sum);
        at += last->phases[i];
    }
    buf_puts(b, "</svg><p class=phases>");
    for (int i = 0; i < PHASE_COUNT; i++) {
        if (last->phases[i] < 0)
            continue;
        buf_printf(b, "<span class=\"%s\">%s ", phase_names[i], phase_names[i]);
        page_add_took(b, last->phases[i]);
        buf_puts(b, "</span> ");
    }
    buf_puts(b, "</p>");
}

/* When the next check starts, as document_probe has it. */
static void add_next(struct buf *b, const struct check *c, int64_t now)
{
    buf_puts(b, "<p class=next>");
    if (c->next.pos && c->next.due > now) {
        buf_puts(b, "in ");
        page_add_age(b, c->next.due - now + NS_PER_S - 1);
    } else {
        buf_puts(b, c->next.pos || c->run ? "now" : "\xe2\x80\x93");
    }
    buf_puts(b, "</p>");
}

static void add_latency(struct buf *b, const struct check *c)
{
    static const struct check_result none = {.phases = {-1, -1, -1, -1}};
    const struct check_result *last = check_last(c);
    buf_puts(b, "<div class=took><b>");
    if (last)
        page_add_took(b, last->duration);
    else
        buf_puts(b, "\xe2\x80\x93");
    buf_puts(b, "</b>");
    add_phases(b, last ? last : &none);
    buf_puts(b, "</div>\n");
}

void page_add_row(struct buf *b, const struct check *c, bool on_own, int64_t now)
{
    const char *state = page_state_name(page_state_of(c, now));
    struct trend t;
    read_trend(&t, c);
    buf_printf(b, "<li class=\"%s%s\" data-slot=%zu id=\"probe-", state,
               page_counts(c) ? " counts" : "", c->slot);
    page_escape(b, c->conf->name);
    page_add(b, "\" data-name=\"", c->conf->name, "\">\n");
    add_who(b, c, on_own ? c : NULL);
    buf_printf(b,
               "<p class=state><svg aria-hidden=true><use href=#%s /></svg><b>%s</b> "
               "<small>for ",
               state, state);
    page_add_age(b, now - c->health.since);
    buf_puts(b, "</small></p>\n");
    add_last(b, c, now);
    add_trend(b, &t, now);
    add_latency(b, c);
    add_next(b, c, now);
    buf_puts(b, "</li>\n");
}
