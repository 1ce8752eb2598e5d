/* status: GET /status, the JSON document of all checks or of one. */
#include <microhttpd.h>

#include "serve/body.h"
#include "view/document.h"
#include "view/verdict.h"

/* The status of the answer is made with the document: the verdict may have turned since the request
 * was looked at. */
static void set_status(struct body *b, bool ok)
{
    if (!b->status)
        b->status = ok ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static void add_probe(struct body *b, const struct check *c, int64_t now)
{
    (b->brief ? document_probe_brief : document_probe)(&b->json, NULL, c, now);
}

enum made status_more(struct body *b, int64_t now)
{
    const struct engine *e = b->facts->engine;
    if (body_is_outdated(b))
        return MADE_ALL;
    if (b->part == 0) {
        const struct readiness *r = facts_verdict(b->facts, now);
        set_status(b, verdict_is_ready(r));
        document_head(&b->json, e, r, now);
        b->part = 1;
    }
    for (int i = 0; i < 2 && b->index < e->n_checks; i++)
        add_probe(b, e->checks[b->index++], now);
    if (b->index < e->n_checks)
        return MADE_SOME;
    document_tail(&b->json);
    buf_putc(&b->buf, '\n');
    return MADE_ALL;
}

enum made status_probe_more(struct body *b, int64_t now)
{
    const struct check *c = engine_find(b->facts->engine, b->name);
    if (!c)
        return body_of_none(b);
    set_status(b, document_status_of(c, now) == HEALTH_HEALTHY);
    add_probe(b, c, now);
    buf_putc(&b->buf, '\n');
    return MADE_ALL;
}
