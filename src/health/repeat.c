/* repeat: see repeat.h. */
#include "health/repeat.h"

#include <stddef.h>

#include "base/clock.h"
#include "base/str.h"

#define MINUTE (60 * NS_PER_S)

/* How many moments of repetition have come when something has lasted for `age`. */
static int64_t moments(int64_t age)
{
    static const int64_t first[] = {1 * MINUTE, 5 * MINUTE, 15 * MINUTE};
    int64_t n = age / (60 * MINUTE);
    for (size_t i = 0; i < ARRAY_LEN(first); i++)
        n += age >= first[i];
    return n;
}

bool repeat_is_due(int64_t since, int64_t before, int64_t now)
{
    return moments(now - since) > moments(before > since ? before - since : 0);
}
