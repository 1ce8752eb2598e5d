/* pattern_program: between the files of pattern: what a pattern compiles to. A program matches from
 * its first instruction to MATCH; jumps are relative, so that a piece of it can be copied. */
#ifndef PROBE_BASE_PATTERN_PROGRAM_H
#define PROBE_BASE_PATTERN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define PROGRAM_MAX 4000 /* instructions */

enum pattern_op {
    OP_SET,   /* one byte of a set, then the next instruction */
    OP_SPLIT, /* both at + x and at + y */
    OP_JUMP,  /* at + x */
    OP_BEGIN, /* only before the first byte */
    OP_END,   /* only after the last one */
    OP_MATCH,
};

struct pattern_inst {
    uint8_t op;
    uint16_t set;
    int16_t x, y;
};

struct pattern_set {
    uint64_t bits[4]; /* one for each byte */
};

struct pattern_program {
    struct pattern_inst *insts;
    size_t n_insts, insts_size;
    struct pattern_set *sets;
    size_t n_sets, sets_size;
};

/* 0, or -1 with the words and the program empty. */
int pattern_compile(struct pattern_program *prog, const char *text, struct err *e);
void pattern_program_fini(struct pattern_program *prog);

static inline bool pattern_set_has(const struct pattern_set *set, unsigned char c)
{
    return set->bits[c / 64] >> (c % 64) & 1;
}

#endif
