/* warning: see warning.h. */
#include "engine/warning.h"

bool warning_apply(struct warning *w, const struct health_policy *p, bool warned)
{
    w->warned = warned ? w->warned + (w->warned < UINT32_MAX) : 0;
    w->calm = warned ? 0 : w->calm + (w->calm < UINT32_MAX);
    bool on = w->on ? w->calm < p->success_threshold : w->warned >= p->retries;
    bool changed = on != w->on;
    w->on = on;
    return changed;
}
