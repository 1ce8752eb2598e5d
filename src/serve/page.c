/* page: GET /, the status page for people: page.html with page.css and page.js, embedded by the
 * build. Its {{words}} are filled in here, so that it can be read without a script. All values are
 * escaped, and what may run is named by a nonce. Rows are page_row.c's. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/labels.h"
#include "serve/body.h"
#include "serve/page.h"
#include "view/document.h"
#include "view/verdict.h"

struct verdict {
    const char *word, *class, *symbol;
    const struct readiness *readiness;
    const struct check *culprit;   /* NULL: ready */
    size_t states[PAGE_STATES];    /* how many are in each */
    size_t counted, others_failed; /* required for `ready`; not, and not healthy */
};

/* Every check is looked at once: microseconds for a thousand. */
static struct verdict judge(struct facts *f, int64_t now)
{
    const struct engine *e = f->engine;
    const struct readiness *r = facts_verdict(f, now);
    struct verdict v = {.readiness = r};
    enum page_state worst = PAGE_HEALTHY;
    for (size_t i = 0; i < e->n_checks; i++) {
        const struct check *c = e->checks[i];
        enum page_state state = page_state_of(c, now);
        v.states[state]++;
        if (!page_counts(c)) {
            v.others_failed += state < PAGE_WARN;
            continue;
        }
        v.counted++;
        if (state < PAGE_WARN && state < worst) {
            worst = state;
            v.culprit = c;
        }
    }
    bool ready = verdict_is_ready(r);
    bool waits = worst == PAGE_STARTING || worst == PAGE_BLOCKED;
    if (ready)
        v.culprit = NULL;
    else if (!v.culprit)
        v.culprit = r->culprit;
    v.word = ready ? "Ready" : "Not ready";
    v.class = ready ? "ready" : waits ? "wait" : "bad";
    v.symbol = ready ? "healthy" : waits ? "starting" : "unhealthy";
    return v;
}

static void add_why(struct buf *b, const struct engine *e, const struct verdict *v, int64_t now)
{
    if (v->culprit) {
        enum page_state state = page_state_of(v->culprit, now);
        page_add_link(b, NULL, v->culprit->conf->name);
        buf_printf(b, " is %s", page_state_name(state));
        if (state != PAGE_BLOCKED) {
            struct buf why;
            buf_init(&why, 1024);
            document_why(&why, v->culprit);
            buf_puts(b, ": ");
            page_escape(b, why.data ? why.data : "");
            buf_fini(&why);
        }
        size_t more = v->counted - v->readiness->healthy;
        if (more > 1)
            buf_printf(b, " (and %zu more)", more - 1);
        return;
    }
    if (e->n_checks == 0) {
        verdict_why(b, e, v->readiness, now);
        return;
    }
    if (v->counted == 0)
        buf_puts(b, "No probe is required");
    else if (v->counted == 1)
        buf_puts(b, "The required probe is healthy");
    else
        buf_printf(b, "All %zu required probes are healthy", v->counted);
    if (v->others_failed)
        buf_printf(b, v->others_failed == 1 ? ", %zu other is not" : ", %zu others are not",
                   v->others_failed);
    if (v->states[PAGE_WARN])
        buf_printf(b, v->states[PAGE_WARN] == 1 ? ", %zu warns" : ", %zu warn",
                   v->states[PAGE_WARN]);
    buf_putc(b, '.');
}

static void add_counts(struct buf *b, const struct verdict *v)
{
    const char *between = "";
    for (enum page_state i = 0; i < PAGE_STATES; i++) {
        if (!v->states[i])
            continue;
        buf_printf(b, "%s%zu %s", between, v->states[i], page_state_name(i));
        between = ", ";
    }
    if (!*between)
        buf_puts(b, "No probes");
}

/* The verdict's shape and colour, small. */
static void add_icon(struct buf *b, const char *class)
{
    static const char *const shapes[][3] = {
        {"ready", "1a7f4b", "%3Ccircle cx='8' cy='8' r='7'/%3E%3Cpath d='M4.5 8.3 7 10.8l4.5-5'"},
        {"bad", "c3271b",
         "%3Crect x='1.5' y='1.5' width='13' height='13' rx='2'/%3E%3Cpath d='m5 5 6 6m0-6-6 6'"},
        {"wait", "8a6100", "%3Cpath d='M8 .5 15.5 8 8 15.5.5 8z'/%3E%3Cpath d='M8 4.5V8l2.2 1.6'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
        if (strcmp(class, shapes[i][0]) == 0)
            buf_printf(b,
                       "data:image/svg+xml,%%3Csvg xmlns='http://www.w3.org/2000/svg' "
                       "viewBox='0 0 16 16' fill='%%23%s'%%3E%s fill='none' stroke='%%23fff' "
                       "stroke-width='2'/%%3E%%3C/svg%%3E",
                       shapes[i][1], shapes[i][2]);
}

void page_make_nonce(char nonce[NONCE_SIZE])
{
    unsigned char bytes[(NONCE_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes)
        return; /* without one nothing may run: the page is readable all the same */
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
}

void page_add_agent(struct buf *b, const struct identity *id)
{
    static const struct identity unnamed = {0};
    char host[IDENTITY_HOST];
    bool contained = access("/.dockerenv", F_OK) == 0 || access("/run/.containerenv", F_OK) == 0;
    page_add(b, "<b>", identity_name(id, host), "</b>");
    if (id->name) {
        buf_puts(b, contained ? ", in the container " : ", on ");
        page_escape(b, identity_name(&unnamed, host));
    } else if (contained) {
        buf_puts(b, " (a container)");
    }
    buf_puts(b, id->labels.n ? " " : "");
    page_add_labels(b, &id->labels);
}

static void add_word(struct body *d, const char *word, size_t len, const struct verdict *v,
                     int64_t now)
{
    const struct engine *e = d->facts->engine;
    struct buf *b = &d->buf;
    char stamp[CLOCK_RFC3339_SIZE], host[IDENTITY_HOST];
#define WORD_IS(text) (len == sizeof(text) - 1 && memcmp(word, text, len) == 0)
    if (WORD_IS("verdict"))
        buf_puts(b, v->word);
    else if (WORD_IS("class"))
        buf_puts(b, v->class);
    else if (WORD_IS("symbol"))
        buf_puts(b, v->symbol);
    else if (WORD_IS("icon"))
        add_icon(b, v->class);
    else if (WORD_IS("why"))
        add_why(b, e, v, now);
    else if (WORD_IS("counts"))
        add_counts(b, v);
    else if (WORD_IS("nonce"))
        buf_puts(b, d->nonce);
    else if (WORD_IS("agent"))
        page_add_agent(b, &e->identity);
    else if (WORD_IS("name"))
        page_escape(b, identity_name(&e->identity, host));
    else if (WORD_IS("version"))
        buf_puts(b, PROBE_VERSION);
    else if (WORD_IS("uptime")) {
        page_add_age(b, now - e->started);
        if (!v->readiness->live)
            buf_puts(b, ", liveness fails");
    } else if (WORD_IS("now")) {
        clock_rfc3339(clock_wall(), stamp);
        buf_puts(b, stamp);
    }
#undef WORD_IS
}

/* Appends the template from `at`, words filled in, up to {{rows}} or its end. */
static void add_template(struct body *d, const char *at, const struct verdict *v, int64_t now)
{
    const char *open;
    while ((open = strstr(at, "{{"))) {
        buf_add(&d->buf, at, (size_t)(open - at));
        const char *word = open + 2, *close = strstr(word, "}}");
        at = close + 2;
        if (strncmp(word, "rows", 4) == 0)
            return;
        add_word(d, word, (size_t)(close - word), v, now);
    }
    buf_puts(&d->buf, at);
}

enum made page_more(struct body *d, int64_t now)
{
    const struct engine *e = d->facts->engine;
    if (body_is_outdated(d))
        return MADE_ALL;
    if (d->part == 0) {
        struct verdict v = judge(d->facts, now);
        page_make_nonce(d->nonce);
        add_template(d, page_html, &v, now);
        d->part = 1;
    }
    for (int i = 0; i < 8 && d->index < e->n_checks; i++)
        page_add_row(&d->buf, e->checks[d->index++], false, now);
    if (d->index < e->n_checks)
        return MADE_SOME;
    add_template(d, strstr(page_html, "{{rows}}") + strlen("{{rows}}"), NULL, now);
    return MADE_ALL;
}
