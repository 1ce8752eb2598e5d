/* past: see past.h. */
#include "engine/past.h"

#include <stddef.h>

#include "base/clock.h"

_Static_assert(sizeof(struct past) <= 4096, "the manual's figure");

static uint32_t in_us(int64_t ns)
{
    int64_t us = ns / NS_PER_US;
    return us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void past_add(struct past *p, int64_t at, int64_t duration, bool ok)
{
    uint32_t n = (uint32_t)(at / p->width), took = in_us(duration);
    struct past_slot *s = &p->slots[n % PAST_SLOTS];
    if (s->number != n + 1)
        *s = (struct past_slot){.number = n + 1, .low = UINT32_MAX};
    s->checks++;
    if (!ok) {
        s->failed++;
        return;
    }
    s->sum += took;
    s->low = took < s->low ? took : s->low;
    s->high = took > s->high ? took : s->high;
}

const struct past_slot *past_get(const struct past *p, int64_t now, int i)
{
    int64_t n = now / p->width - (PAST_SLOTS - 1) + i;
    if (n < 0)
        return NULL;
    const struct past_slot *s = &p->slots[(uint32_t)n % PAST_SLOTS];
    return s->number == (uint32_t)n + 1 ? s : NULL;
}
