/* past: how long the checks of the last while took, in slots of equal width; for a probe that asks
 * for it (`history`). At most 4 KiB a probe. Pure. */
#ifndef PROBE_ENGINE_PAST_H
#define PROBE_ENGINE_PAST_H

#include <stdbool.h>
#include <stdint.h>

#define PAST_SLOTS 120

struct past_slot {
    uint64_t sum; /* us, of those that succeeded */
    uint32_t checks, failed;
    uint32_t low, high; /* us, of those that succeeded */
    uint32_t number;    /* of the slot, from 1; 0: empty */
};

struct past {
    int64_t width; /* ns of a slot, at least 1 */
    struct past_slot slots[PAST_SLOTS];
};

/* A check that ended `at` ns after the start of the program, >= 0. */
void past_add(struct past *p, int64_t at, int64_t duration, bool ok);

/* The slot `i` of the PAST_SLOTS up to and with `now`, oldest first; NULL: no check ended in it. */
const struct past_slot *past_get(const struct past *p, int64_t now, int i);

#endif
