/* body: see body.h. */
#include "serve/body.h"

#include <microhttpd.h>

#include "base/clock.h"

const struct readiness *facts_verdict(struct facts *f, int64_t now)
{
    if (f->verdict_dirty || now - f->verdict_at > VERDICT_AGE) {
        f->verdict = engine_readiness(f->engine, now);
        f->verdict_at = now;
        f->verdict_dirty = false;
    }
    return &f->verdict;
}

void facts_changed(struct facts *f, bool by_result)
{
    if (!by_result || f->verdict.stale)
        f->verdict_dirty = true;
}

bool body_is_outdated(struct body *b)
{
    uint64_t generation = b->facts->engine->generation;
    if (b->generation == generation)
        return false;
    b->generation = generation;
    b->failed = b->part != 0 || b->index != 0;
    return b->failed;
}

enum made body_of_none(struct body *b)
{
    b->status = MHD_HTTP_CONFLICT;
    b->content_type = TYPE_TEXT;
    buf_puts(&b->buf, "the probe was removed meanwhile\n");
    return MADE_ALL;
}
