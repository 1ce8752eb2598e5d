/* page: GET /, the status page for people. The template is page.html, embedded by the build; its
 * {{words}} are filled in here. All values are escaped, and what may run is named by a nonce. */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "serve/document.h"
#include "serve/internal.h"

extern const char page_html[]; /* generated from page.html */

static void add_escaped(struct buf *b, const char *s)
{
    for (; *s; s++) {
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
        else
            buf_putc(b, *s);
    }
}

static void add_row(struct buf *b, const struct check *c, int64_t now)
{
    const char *state = health_status_name(document_status_of(c, now));
    char since[CLOCK_RFC3339_SIZE];
    struct buf why;
    clock_rfc3339(c->since_wall, since);
    buf_init(&why, 1024);
    document_why(&why, c);
    buf_puts(b, "<tr data-name=\"");
    add_escaped(b, c->conf->name);
    buf_puts(b, "\"><th scope=\"row\">");
    add_escaped(b, c->conf->name);
    buf_puts(b, "<br><small>");
    add_escaped(b, c->conf->target);
    buf_printf(b, "</small><td class=\"%s\">%s<td>%s<td>", state, state, since);
    add_escaped(b, why.data ? why.data : "");
    buf_puts(b, "</tr>\n");
    buf_fini(&why);
}

static void make_nonce(char nonce[STREAM_NONCE_SIZE])
{
    unsigned char bytes[(STREAM_NONCE_SIZE - 1) / 2];
    if (getrandom(bytes, sizeof bytes, GRND_NONBLOCK) != sizeof bytes)
        return; /* without one nothing may run: the page is readable all the same */
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(nonce + 2 * i, 3, "%02x", bytes[i]);
}

static bool word_is(const char *at, size_t len, const char *word)
{
    return strlen(word) == len && memcmp(at, word, len) == 0;
}

/* Appends the template from `at`, words filled in, up to {{rows}} or its end. Returns what follows
 * that, or NULL at the end. */
static const char *add_template(struct stream *st, const char *at, bool ready)
{
    const char *open;
    while ((open = strstr(at, "{{"))) {
        buf_add(&st->buf, at, (size_t)(open - at));
        const char *word = open + 2, *close = strstr(word, "}}");
        size_t len = (size_t)(close - word);
        at = close + 2;
        if (word_is(word, len, "rows"))
            return at;
        if (word_is(word, len, "verdict"))
            buf_puts(&st->buf, ready ? "ready" : "not ready");
        else if (word_is(word, len, "verdict-class"))
            buf_puts(&st->buf, ready ? "ready" : "not-ready");
        else if (word_is(word, len, "nonce"))
            buf_puts(&st->buf, st->nonce);
        else if (word_is(word, len, "version"))
            buf_puts(&st->buf, PROBE_VERSION);
    }
    buf_puts(&st->buf, at);
    return NULL;
}

enum stream_state page_more(struct stream *st, int64_t now)
{
    struct serve *s = request_serve(st->request);
    const struct engine *e = s->engine;
    if (stream_outdated(st))
        return STREAM_DONE;
    const struct readiness *r = serve_verdict(s, now);
    bool ready = r->ready && !r->stale;
    if (st->part == 0) {
        make_nonce(st->nonce);
        add_template(st, page_html, ready);
        st->part = 1;
    }
    for (int i = 0; i < 16 && st->index < e->n_checks; i++)
        add_row(&st->buf, e->checks[st->index++], now);
    if (st->index < e->n_checks)
        return STREAM_MORE;
    add_template(st, strstr(page_html, "{{rows}}") + strlen("{{rows}}"), ready);
    return STREAM_DONE;
}
