/* pattern: see pattern.h. The program is run as a DFA that is built as far as the text asks for it:
 * a state is the set of instructions that are waiting for a byte, and each byte moves from one
 * state to the next, so that no byte is looked at twice. The states are of one search; when there
 * are too many they are forgotten and begun anew, and all this work is counted and has a limit. */
#include "base/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "base/pattern_program.h"

#define STATES_MAX 256
#define WORK_MAX   20000000 /* instructions looked at while states are made: some 30 ms */

struct pattern {
    struct pattern_program prog;
    char *text;
};

struct state {
    uint16_t next[256]; /* 1 + the state's number; 0: not made yet */
    bool matched;
    uint64_t hash;
    uint64_t waiting[]; /* a bit an instruction: SET, END, MATCH */
};

struct search {
    const struct pattern_program *prog;
    size_t n_words;
    struct state *states[STATES_MAX];
    size_t n_states;
    uint64_t *restart; /* what waits when a match begins later than at the first byte */
    uint64_t *seen, *set;
    uint16_t *stack;
    unsigned forgotten; /* how often */
    long work;
};

static void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool bit_has(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

/* Adds to `set` all that waits for a byte, or matches, from instruction `from` on without one. */
static void follow(struct search *s, uint64_t *set, size_t from, bool at_begin, bool at_end)
{
    size_t n = 0;
    s->stack[n++] = (uint16_t)from;
    while (n) {
        size_t at = s->stack[--n];
        if (bit_has(s->seen, at))
            continue;
        bit_set(s->seen, at);
        s->work++;
        const struct pattern_inst *inst = &s->prog->insts[at];
        switch (inst->op) {
        case OP_SPLIT:
            s->stack[n++] = (uint16_t)(at + (size_t)inst->x);
            s->stack[n++] = (uint16_t)(at + (size_t)inst->y);
            break;
        case OP_JUMP:
            s->stack[n++] = (uint16_t)(at + (size_t)inst->x);
            break;
        case OP_BEGIN:
            if (at_begin)
                s->stack[n++] = (uint16_t)(at + 1);
            break;
        case OP_END:
            bit_set(set, at);
            if (at_end)
                s->stack[n++] = (uint16_t)(at + 1);
            break;
        default:
            bit_set(set, at);
        }
    }
}

static void clear(const struct search *s, uint64_t *bits)
{
    memset(bits, 0, s->n_words * sizeof *bits);
}

static bool matched(const struct search *s, const uint64_t *set)
{
    return bit_has(set, s->prog->n_insts - 1);
}

static void forget_states(struct search *s)
{
    for (size_t i = 0; i < s->n_states; i++)
        free(s->states[i]);
    s->n_states = 0;
    s->forgotten++;
}

static uint64_t hash_of(const struct search *s)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < s->n_words; i++) {
        hash = (hash ^ s->set[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return hash;
}

/* The number of the state that waits for s->set; -1 without memory. */
static int state_of(struct search *s)
{
    size_t bytes = s->n_words * sizeof *s->set;
    uint64_t hash = hash_of(s);
    for (size_t i = 0; i < s->n_states; i++)
        if (s->states[i]->hash == hash && memcmp(s->states[i]->waiting, s->set, bytes) == 0)
            return (int)i;
    if (s->n_states == STATES_MAX)
        forget_states(s);
    struct state *made = calloc(1, sizeof *made + bytes);
    if (!made)
        return -1;
    memcpy(made->waiting, s->set, bytes);
    made->hash = hash;
    made->matched = matched(s, s->set);
    s->states[s->n_states] = made;
    return (int)s->n_states++;
}

/* From a state by one byte. -1: no memory, or too much work. */
static int step(struct search *s, size_t from, unsigned char c)
{
    struct state *state = s->states[from];
    memcpy(s->set, s->restart, s->n_words * sizeof *s->set);
    clear(s, s->seen);
    for (size_t word = 0; word < s->n_words; word++)
        for (uint64_t bits = state->waiting[word]; bits; bits &= bits - 1) {
            size_t at = word * 64 + (size_t)__builtin_ctzll(bits);
            const struct pattern_inst *inst = &s->prog->insts[at];
            s->work++;
            if (inst->op == OP_SET && pattern_set_has(&s->prog->sets[inst->set], c))
                follow(s, s->set, at + 1, false, false);
        }
    s->work += (long)(s->n_words + s->n_states); /* to clear and to compare */
    if (s->work > WORK_MAX)
        return -1;
    unsigned forgotten = s->forgotten;
    int next = state_of(s);
    if (next >= 0 && s->forgotten == forgotten) /* else `state` is gone */
        state->next[c] = (uint16_t)(next + 1);
    return next;
}

static int search_end(struct search *s, size_t from, bool at_begin)
{
    const struct state *state = s->states[from];
    clear(s, s->set);
    clear(s, s->seen);
    for (size_t at = 0; at < s->prog->n_insts; at++)
        if (s->prog->insts[at].op == OP_END && bit_has(state->waiting, at))
            follow(s, s->set, at, at_begin, true);
    return matched(s, s->set);
}

static int search_text(struct search *s, const unsigned char *data, size_t len)
{
    clear(s, s->seen);
    follow(s, s->restart, 0, false, false);
    clear(s, s->seen);
    clear(s, s->set);
    follow(s, s->set, 0, true, false);
    int at = state_of(s);
    for (size_t i = 0; at >= 0 && i < len; i++) {
        if (s->states[at]->matched)
            return 1;
        unsigned char c = data[i] ? data[i] : ' ';
        int next = s->states[at]->next[c];
        at = next ? next - 1 : step(s, (size_t)at, c);
    }
    if (at < 0)
        return -1;
    return s->states[at]->matched || search_end(s, (size_t)at, len == 0);
}

int pattern_find(const struct pattern *p, const char *data, size_t len)
{
    struct search s = {.prog = &p->prog, .n_words = (p->prog.n_insts + 63) / 64};
    size_t stack_bytes = (2 * p->prog.n_insts + 1) * sizeof *s.stack;
    uint64_t *block = calloc(1, 3 * s.n_words * sizeof *block + stack_bytes);
    if (!block)
        return -1;
    s.restart = block;
    s.seen = block + s.n_words;
    s.set = block + 2 * s.n_words;
    s.stack = (uint16_t *)(block + 3 * s.n_words);
    int found = search_text(&s, (const unsigned char *)data, len);
    forget_states(&s);
    free(block);
    return found;
}

struct pattern *pattern_new(const char *text, struct err *e)
{
    struct pattern *p = calloc(1, sizeof *p);
    if (!p || !(p->text = strdup(text))) {
        err_set(e, "out of memory");
        free(p);
        return NULL;
    }
    if (pattern_compile(&p->prog, text, e) == 0)
        return p;
    pattern_free(p);
    return NULL;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pattern_program_fini(&p->prog);
    free(p->text);
    free(p);
}

const char *pattern_text(const struct pattern *p)
{
    return p->text;
}
