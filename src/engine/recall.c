/* recall: see recall.h. */
#include "engine/recall.h"

#include "base/clock.h"

#define DISTRUST_NS (3600 * NS_PER_S)

bool recall_is_on(const struct check *c)
{
    return c->engine->keep && clock_now() >= c->distrust_end;
}

void recall_keep(struct check *c, struct probe_memory *memory)
{
    if (c->memory && c->memory != memory)
        c->memory->free(c->memory);
    c->memory = memory;
}

void recall_forget(struct check *c, bool distrust)
{
    recall_keep(c, NULL);
    if (distrust)
        c->distrust_end = time_add(clock_now(), DISTRUST_NS);
}
