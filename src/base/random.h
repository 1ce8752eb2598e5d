/* random: numbers that spread starts and guard nothing. */
#ifndef PROBE_BASE_RANDOM_H
#define PROBE_BASE_RANDOM_H

#include <stdint.h>

/* The next number (xorshift64*); `state` is never 0. */
uint32_t random_next(uint64_t *state);

#endif
