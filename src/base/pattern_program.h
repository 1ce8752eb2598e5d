/* pattern_program: between the files of pattern: what a pattern compiles to. A program matches from
 * its first instruction to MATCH; jumps are relative, so that a piece of it can be copied. */
#ifndef PROBE_BASE_PATTERN_PROGRAM_H
#define PROBE_BASE_PATTERN_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/pattern_class.h"

#define PROGRAM_MAX 10000 /* instructions */
#define PAGES       256   /* of 256 characters: all with at most four digits */

enum pattern_op {
    OP_SET,   /* one character of a set, then the next instruction */
    OP_SPLIT, /* both at + x and at + y */
    OP_JUMP,  /* at + x */
    OP_LOOK,  /* only where `look` holds */
    OP_MATCH,
};

/* What can be asked of the place between two characters. */
enum pattern_look {
    LOOK_BEGIN_TEXT = 1 << 0,
    LOOK_END_TEXT = 1 << 1,
    LOOK_BEGIN_LINE = 1 << 2,
    LOOK_END_LINE = 1 << 3,
    LOOK_WORD = 1 << 4, /* a word begins or ends */
    LOOK_NO_WORD = 1 << 5,
};

struct pattern_inst {
    uint8_t op, look;
    uint16_t set;
    int16_t x, y;
};

/* Characters that no set of the program tells apart are of one kind; what is searched is kinds. */
struct pattern_program {
    struct pattern_inst *insts;
    size_t n_insts, insts_size;
    struct pattern_class *sets; /* only while it is compiled; the first two are SET_... */
    size_t n_sets, sets_size;
    unsigned looks; /* all that are asked for */

    uint16_t ascii[128]; /* kinds of characters */
    uint32_t *starts;    /* of the runs of one kind, ascending from 0 on */
    uint16_t *run_kinds;
    size_t n_runs, n_kinds;
    uint16_t pages[PAGES + 1]; /* for each 256 characters: the run that the first of them is in */
    bool paged;
    uint64_t *members; /* for each set in turn, a bit for each kind */
    size_t member_words;
};

enum { SET_NEWLINE, SET_WORD };

/* 0, or -1 with the words and the program empty. */
int pattern_compile(struct pattern_program *prog, const char *text, struct err *e);
void pattern_program_fini(struct pattern_program *prog);

/* Of a character that is not ASCII. */
uint16_t pattern_kind(const struct pattern_program *prog, uint32_t c);

/* ---- While it is made; -1 with the words. ---- */

int program_emit(struct pattern_program *prog, struct pattern_inst inst, struct err *e);

/* In front of the piece that begins at `start`. */
int program_insert(struct pattern_program *prog, size_t start, struct pattern_inst inst,
                   struct err *e);

/* The piece from `start` on, copied `least` times, and then as often as up to `most` (-1: any) may
 * follow. */
int program_repeat(struct pattern_program *prog, size_t start, int least, int most, struct err *e);

/* Takes the set over, and returns its number. */
int program_add_set(struct pattern_program *prog, struct pattern_class *set, struct err *e);

/* Once all are there: the kinds of characters; the sets go. */
int program_finish(struct pattern_program *prog, struct err *e);

static inline bool pattern_set_has(const struct pattern_program *prog, size_t set, size_t kind)
{
    return prog->members[set * prog->member_words + kind / 64] >> (kind % 64) & 1;
}

#endif
