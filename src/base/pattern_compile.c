/* pattern_compile: POSIX extended syntax to a program, in one pass. Of what POSIX leaves open it
 * takes what can mean one thing only, and refuses the rest in words. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern_program.h"

#define TEXT_MAX   4096
#define DEPTH_MAX  64
#define REPEAT_MAX 255 /* RE_DUP_MAX of POSIX */

struct parser {
    const char *at;
    struct pattern_program *prog;
    size_t depth;
    struct err *e;
};

static int parse_choice(struct parser *p);

/* ---- The program grows ---- */

static int out_of_memory(struct parser *p)
{
    return err_set(p->e, "out of memory");
}

static int reserve(struct parser *p, size_t more)
{
    struct pattern_program *g = p->prog;
    if (g->n_insts + more > PROGRAM_MAX)
        return err_set(p->e, "its parts and repetitions multiply to more than %d", PROGRAM_MAX);
    if (g->n_insts + more <= g->insts_size)
        return 0;
    size_t size = (g->n_insts + more) * 2;
    struct pattern_inst *grown = realloc(g->insts, size * sizeof *grown);
    if (!grown)
        return out_of_memory(p);
    g->insts = grown;
    g->insts_size = size;
    return 0;
}

static int emit(struct parser *p, struct pattern_inst inst)
{
    if (reserve(p, 1) < 0)
        return -1;
    p->prog->insts[p->prog->n_insts++] = inst;
    return 0;
}

/* In front of the piece that begins at `start`. */
static int insert(struct parser *p, size_t start, struct pattern_inst inst)
{
    if (reserve(p, 1) < 0)
        return -1;
    struct pattern_inst *at = p->prog->insts + start;
    memmove(at + 1, at, (p->prog->n_insts - start) * sizeof *at);
    *at = inst;
    p->prog->n_insts++;
    return 0;
}

static int emit_set(struct parser *p, const struct pattern_set *set)
{
    struct pattern_program *g = p->prog;
    if (g->n_sets == g->sets_size) {
        size_t size = g->sets_size ? g->sets_size * 2 : 16;
        struct pattern_set *grown = realloc(g->sets, size * sizeof *grown);
        if (!grown)
            return out_of_memory(p);
        g->sets = grown;
        g->sets_size = size;
    }
    g->sets[g->n_sets] = *set;
    return emit(p, (struct pattern_inst){.op = OP_SET, .set = (uint16_t)g->n_sets++});
}

/* ---- Sets of bytes ---- */

static void set_add(struct pattern_set *set, unsigned char c)
{
    set->bits[c / 64] |= UINT64_C(1) << (c % 64);
}

static void set_invert(struct pattern_set *set)
{
    for (size_t i = 0; i < 4; i++)
        set->bits[i] = ~set->bits[i];
}

/* The C locale's classes, whatever the locale. */
static bool in_class(const char *name, size_t len, unsigned c)
{
    static const struct {
        const char *name;
        int (*is)(int c);
    } classes[] = {
        {"alpha", isalpha}, {"digit", isdigit}, {"alnum", isalnum}, {"upper", isupper},
        {"lower", islower}, {"space", isspace}, {"blank", isblank}, {"punct", ispunct},
        {"print", isprint}, {"graph", isgraph}, {"cntrl", iscntrl}, {"xdigit", isxdigit},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == len && memcmp(classes[i].name, name, len) == 0)
            return c < 0x80 && classes[i].is((int)c);
    return false;
}

static bool set_add_class(struct pattern_set *set, const char *name, size_t len)
{
    bool any = false;
    for (unsigned c = 0; c < 256; c++)
        if (in_class(name, len, c)) {
            set_add(set, (unsigned char)c);
            any = true;
        }
    return any;
}

/* [:name:], [.c.] or [=c=] at p->at; what is not a class comes back in *c. */
static int parse_named(struct parser *p, struct pattern_set *set, int *c)
{
    char kind = p->at[1];
    const char *name = p->at + 2, *end = name;
    while (*end && !(end[0] == kind && end[1] == ']'))
        end++;
    if (!*end)
        return err_set(p->e, "[%c without %c]", kind, kind);
    size_t len = (size_t)(end - name);
    p->at = end + 2;
    *c = -1;
    if (kind != ':' && len == 1)
        *c = (unsigned char)*name;
    else if (kind != ':' || !set_add_class(set, name, len))
        return err_set(p->e, "[%c%.*s%c] is not known", kind, (int)(len > 32 ? 32 : len), name,
                       kind);
    return 0;
}

/* One byte, or a class, inside [ ]; a class leaves -1 in *c. */
static int parse_member(struct parser *p, struct pattern_set *set, int *c)
{
    const char *at = p->at;
    if (!*at)
        return err_set(p->e, "[ without ]");
    if (*at == '[' && (at[1] == ':' || at[1] == '.' || at[1] == '='))
        return parse_named(p, set, c);
    if (*at == '\\' && isalnum((unsigned char)at[1]))
        return err_set(p->e,
                       "inside [ ] a backslash is an ordinary character, so \\%c there is not "
                       "what it looks like; write [:digit:], [:alnum:] or [:space:]",
                       at[1]);
    *c = (unsigned char)*at;
    p->at++;
    return 0;
}

static int parse_bracket(struct parser *p)
{
    struct pattern_set set = {{0}};
    bool inverted = *++p->at == '^';
    if (inverted)
        p->at++;
    for (bool first = true; first || *p->at != ']'; first = false) {
        int low, high;
        if (parse_member(p, &set, &low) < 0)
            return -1;
        high = low;
        if (low >= 0 && p->at[0] == '-' && p->at[1] != ']') {
            p->at++;
            if (parse_member(p, &set, &high) < 0)
                return -1;
            if (high < low)
                return err_set(p->e, "a range inside [ ] is the wrong way round");
        }
        for (int c = low; c >= 0 && c <= high; c++)
            set_add(&set, (unsigned char)c);
    }
    p->at++;
    if (inverted)
        set_invert(&set);
    return emit_set(p, &set);
}

static int parse_escape(struct parser *p)
{
    struct pattern_set set = {{0}};
    unsigned char c = (unsigned char)p->at[1];
    if (!c)
        return err_set(p->e, "it ends with a backslash");
    if (c >= '1' && c <= '9')
        return err_set(p->e, "back-references (\\%c) are not supported", c);
    switch (tolower(c)) {
    case 'd':
        set_add_class(&set, "digit", 5);
        break;
    case 's':
        set_add_class(&set, "space", 5);
        break;
    case 'w':
        set_add_class(&set, "alnum", 5);
        set_add(&set, '_');
        break;
    default:
        if (isalnum(c) && !strchr("nrt", c))
            return err_set(p->e, "\\%c is not known; only \\d \\D \\w \\W \\s \\S \\n \\r \\t are",
                           c);
        set_add(&set, c == 'n' ? '\n' : c == 'r' ? '\r' : c == 't' ? '\t' : c);
    }
    if (strchr("DSW", c))
        set_invert(&set);
    p->at += 2;
    return emit_set(p, &set);
}

/* ---- Repetitions ---- */

/* The piece from `start` on, copied `least` times, and then as often as up to `most` (-1: any) may
 * follow. */
static int repeat(struct parser *p, size_t start, int least, int most)
{
    struct pattern_program *g = p->prog;
    size_t len = g->n_insts - start;
    int16_t n = (int16_t)len;
    if (most < 0 && least == 0) {
        if (insert(p, start, (struct pattern_inst){.op = OP_SPLIT, .x = 1, .y = (int16_t)(n + 2)}))
            return -1;
        return emit(p, (struct pattern_inst){.op = OP_JUMP, .x = (int16_t)(-n - 1)});
    }
    size_t optional = most < 0 ? 0 : (size_t)(most - least);
    size_t all = (size_t)least * len + optional * (len + 1) + 1;
    if (reserve(p, all > len ? all - len : 0) < 0)
        return -1;
    struct pattern_inst *piece = malloc((len + 1) * sizeof *piece);
    if (!piece)
        return out_of_memory(p);
    memcpy(piece, g->insts + start, len * sizeof *piece);
    g->n_insts = start;
    for (size_t i = 0; i < (size_t)least + optional; i++) {
        if (i >= (size_t)least) { /* every further one may be the end of it */
            size_t rest = ((size_t)least + optional - i) * (len + 1);
            g->insts[g->n_insts++] =
                (struct pattern_inst){.op = OP_SPLIT, .x = 1, .y = (int16_t)rest};
        }
        memcpy(g->insts + g->n_insts, piece, len * sizeof *piece);
        g->n_insts += len;
    }
    free(piece);
    return most < 0 ? emit(p, (struct pattern_inst){.op = OP_SPLIT, .x = (int16_t)-n, .y = 1}) : 0;
}

static int parse_number(struct parser *p)
{
    int n = 0;
    while (isdigit((unsigned char)*p->at) && n <= REPEAT_MAX)
        n = n * 10 + (*p->at++ - '0');
    return n <= REPEAT_MAX ? n : err_set(p->e, "a repetition is at most %d times", REPEAT_MAX);
}

/* {n}, {n,} or {n,m} */
static int parse_bounds(struct parser *p, int *least, int *most)
{
    p->at++;
    *least = *most = parse_number(p);
    if (*least < 0)
        return -1;
    if (*p->at == ',') {
        p->at++;
        *most = -1;
        if (isdigit((unsigned char)*p->at) && (*most = parse_number(p)) < 0)
            return -1;
    }
    if (*p->at != '}')
        return err_set(p->e, "{ without }");
    p->at++;
    if (*most >= 0 && *most < *least)
        return err_set(p->e, "the repetition {%d,%d} is the wrong way round", *least, *most);
    return 0;
}

static bool repeats(const char *at)
{
    return (*at && strchr("*+?", *at)) || (*at == '{' && isdigit((unsigned char)at[1]));
}

static int parse_repetition(struct parser *p, size_t start)
{
    const char *from = p->at;
    int least = *p->at == '+', most = *p->at == '?' ? 1 : -1;
    if (*p->at == '{') {
        if (parse_bounds(p, &least, &most) < 0)
            return -1;
    } else {
        p->at++;
    }
    if (repeats(p->at))
        return err_set(p->e, "%c%c: a repetition of a repetition", *from, *p->at);
    return repeat(p, start, least, most);
}

/* ---- The grammar ---- */

static int parse_group(struct parser *p)
{
    if (p->depth == DEPTH_MAX)
        return err_set(p->e, "parentheses more than %d deep", DEPTH_MAX);
    if (p->at[1] == '?')
        return err_set(p->e, "(? is Perl's; this is a POSIX extended regular expression");
    p->at++;
    p->depth++;
    if (parse_choice(p) < 0)
        return -1;
    p->depth--;
    if (*p->at != ')')
        return err_set(p->e, "( without )");
    p->at++;
    return 0;
}

static int parse_atom(struct parser *p)
{
    struct pattern_set set = {{0}};
    switch (*p->at) {
    case '(':
        return parse_group(p);
    case '[':
        return parse_bracket(p);
    case '\\':
        return parse_escape(p);
    case '^':
        p->at++;
        return emit(p, (struct pattern_inst){.op = OP_BEGIN});
    case '$':
        p->at++;
        return emit(p, (struct pattern_inst){.op = OP_END});
    case '.':
        set_invert(&set);
        break;
    default:
        if (p->at[0] == '{' && p->at[1] == ',')
            return err_set(p->e, "a repetition begins with a number: {0,3}");
        set_add(&set, (unsigned char)*p->at);
    }
    p->at++;
    return emit_set(p, &set);
}

static int parse_sequence(struct parser *p)
{
    while (*p->at && *p->at != '|' && *p->at != ')') {
        size_t start = p->prog->n_insts;
        bool anchor = *p->at == '^' || *p->at == '$';
        if (repeats(p->at))
            return err_set(p->e, "there is nothing in front of %c to repeat", *p->at);
        if (parse_atom(p) < 0)
            return -1;
        if (repeats(p->at) && !anchor && parse_repetition(p, start) < 0)
            return -1;
    }
    return 0;
}

/* a|b|c: split to a or what follows; a, jump to the end; ... */
static int parse_choice(struct parser *p)
{
    size_t first = p->prog->n_insts, start = first;
    for (;;) {
        if (parse_sequence(p) < 0)
            return -1;
        size_t len = p->prog->n_insts - start;
        if (*p->at != '|')
            break;
        p->at++;
        struct pattern_inst split = {.op = OP_SPLIT, .x = 1, .y = (int16_t)(len + 2)};
        if (insert(p, start, split) < 0 || emit(p, (struct pattern_inst){.op = OP_JUMP}) < 0)
            return -1;
        start = p->prog->n_insts;
    }
    /* The jumps to the end are found along the splits. */
    for (size_t at = first; at < start;) {
        size_t next = at + (size_t)p->prog->insts[at].y;
        p->prog->insts[next - 1].x = (int16_t)(p->prog->n_insts - (next - 1));
        at = next;
    }
    return 0;
}

int pattern_compile(struct pattern_program *prog, const char *text, struct err *e)
{
    *prog = (struct pattern_program){0};
    if (!*text || strlen(text) > TEXT_MAX)
        return err_set(e, *text ? "it is longer than %d bytes" : "it is empty", TEXT_MAX);
    struct parser p = {.at = text, .prog = prog, .e = e};
    int rc = parse_choice(&p);
    if (rc == 0 && *p.at) /* only a ) stops it before the end */
        rc = err_set(e, ") without (");
    if (rc == 0)
        rc = emit(&p, (struct pattern_inst){.op = OP_MATCH});
    if (rc < 0)
        pattern_program_fini(prog);
    return rc;
}

void pattern_program_fini(struct pattern_program *prog)
{
    free(prog->insts);
    free(prog->sets);
    *prog = (struct pattern_program){0};
}
