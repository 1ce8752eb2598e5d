/* pattern: see pattern.h. The program is run as a DFA that is built as far as the text asks for it:
 * a state is the set of instructions that are waiting for a character and what was in front of it,
 * and each character moves from one state to the next, so that none is looked at twice. When there
 * are too many states they are forgotten and begun anew. All this is counted and has a limit. */
#include "base/pattern.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern_program.h"
#include "base/str.h"

#define STATES_MAX 1024         /* of them, and of their memory: */
#define BYTES_MAX  (256 * 1024) /* with room for a few, however big they are */

/* What work costs, in steps; a byte of ASCII whose next state is known is one. */
enum { COST_INST = 4, COST_WORD = 3, COST_STATE = 150, COST_WIDE = 4 };

#define SLICE 4096 /* bytes between two looks at the budget */

/* What a state may lead to, beside another, which is its place in `next`. */
enum { NEXT_NOT_MADE, NEXT_MATCH, NEXT_FIRST };

struct pattern {
    struct pattern_program prog;
    char *text;
};

/* What was in front of a state: LOOK_BEGIN_TEXT, LOOK_BEGIN_LINE, LOOK_WORD (a word's character).
 */
struct state {
    unsigned before;
    uint64_t waiting[]; /* a bit an instruction: SET, LOOK, MATCH */
};

struct pattern_states {
    const struct pattern_program *prog;
    size_t n_words, state_bytes;
    uint32_t row; /* entries of a state in `next`: one a kind, and one for the end of the text */
    uint32_t *next;
    char *states; /* the first row and state are of no use: 0 and 1 say something else */
    size_t n, size, max;
    uint16_t *index; /* by hash: 0 or a state */
    size_t index_size;
    uint32_t start;     /* the state before the first character; 0: not made */
    unsigned forgotten; /* how often */
    uint64_t *restart;  /* what waits when a match begins later than at the first byte */
    uint64_t *seen;     /* scratch, as the rest */
    struct state *made;
    uint64_t *now;
    uint16_t *stack;
    int64_t work;
};

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

/* ---- Instructions ---- */

static void bit_set(uint64_t *bits, size_t i)
{
    bits[i / 64] |= UINT64_C(1) << (i % 64);
}

static bool bit_has(const uint64_t *bits, size_t i)
{
    return bits[i / 64] >> (i % 64) & 1;
}

static void clear(const struct pattern_states *s, uint64_t *bits)
{
    memset(bits, 0, s->n_words * sizeof *bits);
}

/* Adds to `set` all that waits for a character, or matches, from instruction `from` on without one.
 * What looks around waits as well, but where the answers, `looks`, are known. */
static void follow(struct pattern_states *s, uint64_t *set, size_t from, const unsigned *looks)
{
    size_t n = 0;
    s->stack[n++] = (uint16_t)from;
    while (n) {
        size_t at = s->stack[--n];
        if (bit_has(s->seen, at))
            continue;
        bit_set(s->seen, at);
        s->work += COST_INST;
        const struct pattern_inst *inst = &s->prog->insts[at];
        if (inst->op == OP_SPLIT || inst->op == OP_JUMP)
            s->stack[n++] = (uint16_t)(at + (size_t)inst->x);
        if (inst->op == OP_SPLIT)
            s->stack[n++] = (uint16_t)(at + (size_t)inst->y);
        else if (inst->op == OP_LOOK && looks && (inst->look & *looks))
            s->stack[n++] = (uint16_t)(at + 1);
        else if (inst->op != OP_JUMP && !(inst->op == OP_LOOK && looks))
            bit_set(set, at);
    }
}

/* ---- States ---- */

static void states_free(struct pattern_states *s)
{
    if (!s)
        return;
    free(s->next);
    free(s->states);
    free(s->index);
    free(s->restart);
    free(s);
}

static struct pattern_states *states_new(const struct pattern_program *prog)
{
    struct pattern_states *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->prog = prog;
    s->n_words = (prog->n_insts + 63) / 64;
    s->state_bytes = sizeof(struct state) + s->n_words * sizeof(uint64_t);
    s->row = (uint32_t)prog->n_kinds + 1;
    size_t each = s->state_bytes + s->row * sizeof *s->next;
    s->max = BYTES_MAX / each < 8            ? 8
             : BYTES_MAX / each > STATES_MAX ? STATES_MAX
                                             : BYTES_MAX / each;
    for (s->index_size = 16; s->index_size < 2 * s->max;)
        s->index_size *= 2;
    s->index = calloc(s->index_size, sizeof *s->index);
    size_t stack_bytes = (2 * prog->n_insts + 1) * sizeof *s->stack;
    s->restart = calloc(1, 3 * s->n_words * sizeof(uint64_t) + s->state_bytes + stack_bytes);
    if (!s->index || !s->restart) {
        states_free(s);
        return NULL;
    }
    s->seen = s->restart + s->n_words;
    s->now = s->seen + s->n_words;
    s->made = (struct state *)(s->now + s->n_words);
    s->stack = (uint16_t *)((char *)s->made + s->state_bytes);
    s->n = 1;
    follow(s, s->restart, 0, NULL);
    return s;
}

static struct state *state_at(const struct pattern_states *s, size_t i)
{
    return (struct state *)(s->states + i * s->state_bytes);
}

static bool make_room(struct pattern_states *s)
{
    if (s->n == s->max) {
        memset(s->index, 0, s->index_size * sizeof *s->index);
        s->n = 1;
        s->start = 0;
        s->forgotten++;
        s->work += (int64_t)s->index_size / 8;
    }
    if (s->n < s->size)
        return true;
    size_t size = s->size ? s->size * 2 : 8;
    size = size > s->max ? s->max : size;
    uint32_t *next = realloc(s->next, size * s->row * sizeof *next);
    if (next)
        s->next = next;
    char *states = next ? realloc(s->states, size * s->state_bytes) : NULL;
    if (!states)
        return false;
    s->states = states;
    s->size = size;
    return true;
}

static size_t hash_of(const struct pattern_states *s, const struct state *state)
{
    uint64_t hash = state->before;
    for (size_t i = 0; i < s->n_words; i++) {
        hash = (hash ^ state->waiting[i]) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (size_t)hash;
}

static bool same_state(const struct pattern_states *s, const struct state *a, const struct state *b)
{
    return a->before == b->before &&
           memcmp(a->waiting, b->waiting, s->n_words * sizeof *a->waiting) == 0;
}

/* The place in `next` of the state that is like s->made; 0 without memory. */
static uint32_t keep_made(struct pattern_states *s)
{
    size_t slot = hash_of(s, s->made);
    for (slot %= s->index_size; s->index[slot]; slot = (slot + 1) % s->index_size)
        if (same_state(s, state_at(s, s->index[slot]), s->made))
            return s->index[slot] * s->row;
    unsigned forgotten = s->forgotten;
    if (!make_room(s))
        return 0;
    if (s->forgotten != forgotten)
        slot = hash_of(s, s->made) % s->index_size;
    size_t i = s->n++;
    s->index[slot] = (uint16_t)i;
    memcpy(state_at(s, i), s->made, s->state_bytes);
    memset(s->next + i * s->row, 0, s->row * sizeof *s->next);
    s->work += COST_STATE + (int64_t)s->row / 8;
    return (uint32_t)(i * s->row);
}

/* ---- Moving on ---- */

/* What holds between what was `before` and a character of `kind`; the end of the text is none. */
static unsigned looks_at(const struct pattern_states *s, unsigned before, size_t kind)
{
    const struct pattern_program *g = s->prog;
    bool end = kind == g->n_kinds;
    unsigned looks = before & (LOOK_BEGIN_TEXT | LOOK_BEGIN_LINE);
    if (end)
        looks |= LOOK_END_TEXT | LOOK_END_LINE;
    else if (pattern_set_has(g, SET_NEWLINE, kind))
        looks |= LOOK_END_LINE;
    bool word = !end && pattern_set_has(g, SET_WORD, kind);
    return looks | (word == ((before & LOOK_WORD) != 0) ? LOOK_NO_WORD : LOOK_WORD);
}

/* As far as this program will ask. */
static unsigned before_after(const struct pattern_program *g, size_t kind)
{
    unsigned before = 0;
    if ((g->looks & LOOK_BEGIN_LINE) && pattern_set_has(g, SET_NEWLINE, kind))
        before |= LOOK_BEGIN_LINE;
    if ((g->looks & (LOOK_WORD | LOOK_NO_WORD)) && pattern_set_has(g, SET_WORD, kind))
        before |= LOOK_WORD;
    return before;
}

/* s->now: what waits for a character, once all looks have their answer. */
static void answer_looks(struct pattern_states *s, const struct state *state, size_t kind)
{
    memcpy(s->now, state->waiting, s->n_words * sizeof *s->now);
    if (!s->prog->looks)
        return;
    unsigned looks = looks_at(s, state->before, kind);
    clear(s, s->seen);
    for (size_t word = 0; word < s->n_words; word++)
        for (uint64_t bits = state->waiting[word]; bits; bits &= bits - 1) {
            size_t at = word * 64 + (size_t)__builtin_ctzll(bits);
            if (s->prog->insts[at].op == OP_LOOK)
                follow(s, s->now, at, &looks);
        }
}

/* From a state by one character of `kind`, or by the end of the text (which leads nowhere: to the
 * state itself). 0 without memory. */
static uint32_t move(struct pattern_states *s, uint32_t from, size_t kind)
{
    const struct state *state = state_at(s, from / s->row);
    answer_looks(s, state, kind);
    s->work += COST_STATE / 3 + COST_WORD * (int64_t)s->n_words;
    if (bit_has(s->now, s->prog->n_insts - 1))
        return s->next[from + kind] = NEXT_MATCH;
    if (kind == s->prog->n_kinds)
        return s->next[from + kind] = from;
    memcpy(s->made->waiting, s->restart, s->n_words * sizeof *s->restart);
    s->made->before = before_after(s->prog, kind);
    clear(s, s->seen);
    for (size_t word = 0; word < s->n_words; word++)
        for (uint64_t bits = s->now[word]; bits; bits &= bits - 1) {
            size_t at = word * 64 + (size_t)__builtin_ctzll(bits);
            const struct pattern_inst *inst = &s->prog->insts[at];
            s->work += COST_INST;
            if (inst->op == OP_SET && pattern_set_has(s->prog, inst->set, kind))
                follow(s, s->made->waiting, at + 1, NULL);
        }
    unsigned forgotten = s->forgotten;
    uint32_t next = keep_made(s);
    if (next && s->forgotten == forgotten) /* else `from` is gone */
        s->next[from + kind] = next;
    return next;
}

static bool begin(struct pattern_search *s)
{
    struct pattern_states *states = s->states;
    s->done = 0;
    if (!states->start) {
        memcpy(states->made->waiting, states->restart, states->n_words * sizeof *states->restart);
        states->made->before = LOOK_BEGIN_TEXT | LOOK_BEGIN_LINE;
        states->start = keep_made(states);
    }
    s->at = states->start;
    return s->at;
}

/* The kind of the character at data[i] that is not ASCII; moves on behind it. */
static uint16_t wide_kind(const struct pattern_program *g, const char *data, size_t *i, size_t len)
{
    uint32_t c;
    size_t n = str_utf8_char(data + *i, len - *i, &c);
    *i += n ? n : 1;
    return pattern_kind(g, n ? c : 0xfffd);
}

/* As long as every state is there already, up to `end`, from where a character may go on to `len`.
 * What has no next state yet is left, and its kind returned; at the end none. */
static size_t run_known(struct pattern_search *s, const char *data, size_t end, size_t len)
{
    const struct pattern_program *g = s->states->prog;
    const uint32_t *next = s->states->next;
    uint32_t at = s->at;
    size_t i = s->done, wide = 0, kind = SIZE_MAX;
    while (i < end) {
        unsigned char c = (unsigned char)data[i];
        size_t behind = i + 1;
        if (c < 0x80) {
            kind = g->ascii[c];
        } else {
            behind = i;
            kind = wide_kind(g, data, &behind, len);
            wide += behind == i + 1 ? 3 : 1; /* bytes that are none are told apart slowly */
        }
        uint32_t to = next[at + kind];
        if (to < NEXT_FIRST)
            break;
        at = to;
        i = behind;
        kind = SIZE_MAX;
    }
    s->budget->steps -= (int64_t)(i - s->done + COST_WIDE * wide);
    s->at = at;
    s->done = i;
    return kind;
}

static struct pattern_result result(enum pattern_found is)
{
    return (struct pattern_result){is};
}

/* By one kind. PATTERN_NO_MATCH: not yet. */
static struct pattern_result step(struct pattern_search *s, size_t kind, struct err *e)
{
    struct pattern_states *states = s->states;
    uint32_t to = states->next[s->at + kind];
    if (to == NEXT_NOT_MADE) {
        to = move(states, s->at, kind);
        s->budget->steps -= states->work;
        states->work = 0;
        if (to == 0) {
            err_set(e, "out of memory");
            return result(PATTERN_UNKNOWN);
        }
    }
    if (to == NEXT_MATCH)
        return result(PATTERN_MATCH);
    s->at = to;
    return result(PATTERN_NO_MATCH);
}

/* From s->done to `end`; the last character may go on up to `len`. */
static struct pattern_result run(struct pattern_search *s, const char *data, size_t end, size_t len,
                                 struct err *e)
{
    struct pattern_result found = result(PATTERN_NO_MATCH);
    while (s->done < end && found.is == PATTERN_NO_MATCH) {
        if (s->budget->steps <= 0) {
            err_set(e, "all patterns of a check together may take 5 ms, and this takes more");
            return result(PATTERN_UNKNOWN);
        }
        size_t most = end - s->done > SLICE ? SLICE : end - s->done;
        size_t kind = run_known(s, data, s->done + most, len);
        if (kind == SIZE_MAX)
            continue;
        found = step(s, kind, e);
        if ((unsigned char)data[s->done] < 0x80)
            s->done++;
        else
            wide_kind(s->states->prog, data, &s->done, len);
    }
    return found;
}

/* The bytes at the end that may be the beginning of one character. */
static size_t half_character(const char *data, size_t len)
{
    for (size_t n = 1; n <= 3 && n <= len; n++) {
        unsigned char c = (unsigned char)data[len - n];
        if ((c & 0xc0) != 0x80)
            return c >= 0xf0 ? n : c >= 0xe0 && n < 3 ? n : c >= 0xc0 && n < 2 ? n : 0;
    }
    return 0;
}

void pattern_search_init(struct pattern_search *s, const struct pattern *p,
                         struct pattern_budget *budget)
{
    *s = (struct pattern_search){.pattern = p, .budget = budget};
}

void pattern_search_fini(struct pattern_search *s)
{
    states_free(s->states);
    s->states = NULL;
}

/* From where it was, up to the last character that is whole. */
static struct pattern_result go_on(struct pattern_search *s, const char *data, size_t len,
                                   struct err *e)
{
    if (!s->states)
        s->states = states_new(&s->pattern->prog);
    if (!s->states || (s->at == 0 && !begin(s))) {
        err_set(e, "out of memory");
        return result(PATTERN_UNKNOWN);
    }
    assert(s->done <= len);
    return run(s, data, len - half_character(data, len), len, e);
}

struct pattern_result pattern_find_so_far(struct pattern_search *s, const char *data, size_t len,
                                          struct err *e)
{
    struct pattern_result found = go_on(s, data, len, e);
    if (found.is != PATTERN_NO_MATCH)
        return found;
    /* The rest is looked at as if no more came. */
    size_t done = s->done;
    uint32_t at = s->at;
    unsigned forgotten = s->states->forgotten;
    found = run(s, data, len, len, e);
    if (found.is == PATTERN_NO_MATCH)
        found = step(s, s->states->prog->n_kinds, e);
    s->done = done;
    s->at = s->states->forgotten == forgotten ? at : 0; /* else `at` is gone: begin anew */
    return found;
}

/* In the beginning of a text that goes on: a match that needs the end of the text is none. */
static struct pattern_result find_beginning(struct pattern_search *s, const char *data, size_t len,
                                            struct err *e)
{
    s->at = 0;
    struct pattern_result found = go_on(s, data, len, e);
    if (found.is == PATTERN_NO_MATCH &&
        bit_has(state_at(s->states, s->at / s->states->row)->waiting, s->pattern->prog.n_insts - 1))
        found = result(PATTERN_MATCH); /* whatever follows its last character */
    s->at = 0;
    return found;
}

struct pattern_result pattern_find(struct pattern_search *s, const char *data, size_t len,
                                   struct err *e)
{
    s->at = 0;
    return pattern_find_so_far(s, data, len, e);
}

struct pattern_result pattern_find_once(const struct pattern *p, const char *data, size_t len,
                                        bool whole, struct pattern_budget *budget, struct err *e)
{
    struct pattern_search s;
    pattern_search_init(&s, p, budget);
    struct pattern_result found =
        whole ? pattern_find(&s, data, len, e) : find_beginning(&s, data, len, e);
    pattern_search_fini(&s);
    return found;
}
