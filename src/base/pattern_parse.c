/* pattern_parse: the syntax of RE2, as far as it matters to whether there is a match, to
 * instructions, in one pass without recursion. What has another meaning elsewhere is refused in
 * words that say what to write. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/pattern_escape.h"
#include "base/pattern_program.h"
#include "base/str.h"

#define DEPTH_MAX  1000
#define REPEAT_MAX 1000 /* RE2's, also for repetitions of repetitions together */

struct group {
    size_t first, start; /* of its alternatives, and of the last one of them */
    unsigned flags;      /* of what is around it */
    int times;           /* the greatest product of counts in it */
};

struct parser {
    const char *at;
    struct pattern_program *prog;
    struct group *groups; /* those that are open; the first is the whole */
    size_t depth, groups_size;
    unsigned flags;
    size_t piece; /* the one that a repetition would repeat */
    bool has_piece;
    int times; /* as often, at most, as its counts together have it */
    struct err *e;
};

static int emit(struct parser *p, struct pattern_inst inst)
{
    return program_emit(p->prog, inst, p->e);
}

static void begin_piece(struct parser *p)
{
    p->piece = p->prog->n_insts;
    p->has_piece = true;
    p->times = 1;
}

static int emit_set(struct parser *p, struct pattern_class *set)
{
    begin_piece(p);
    int number = program_add_set(p->prog, set, p->e);
    if (number < 0)
        return -1;
    return emit(p, (struct pattern_inst){.op = OP_SET, .set = (uint16_t)number});
}

static int emit_look(struct parser *p, enum pattern_look look)
{
    begin_piece(p);
    p->prog->looks |= look;
    return emit(p, (struct pattern_inst){.op = OP_LOOK, .look = (uint8_t)look});
}

static int emit_char(struct parser *p, uint32_t c)
{
    struct pattern_class set = {0};
    class_add(&set, c, c);
    if (p->flags & FLAG_FOLD)
        class_fold(&set);
    return emit_set(p, &set);
}

/* ---- Repetitions ---- */

/* Digits, without a leading 0, as a number up to REPEAT_MAX + 1. */
static bool read_number(const char **at, int *n)
{
    const char *p = *at;
    if (!isdigit((unsigned char)*p) || (*p == '0' && isdigit((unsigned char)p[1])))
        return false;
    for (*n = 0; isdigit((unsigned char)*p); p++)
        *n = *n > REPEAT_MAX ? *n : *n * 10 + (*p - '0');
    *at = p;
    return true;
}

/* {n}, {n,} or {n,m}; what else begins with a { is that character. */
static bool read_bounds(const char **at, int *least, int *most)
{
    const char *p = *at + 1;
    if (!read_number(&p, least))
        return false;
    *most = *least;
    if (*p == ',') {
        p++;
        *most = -1;
        if (*p != '}' && !read_number(&p, most))
            return false;
    }
    if (*p != '}')
        return false;
    *at = p + 1;
    return true;
}

/* The length of the repetition at `at`: 0 when there is none. */
static size_t repetition(const char *at, int *least, int *most)
{
    const char *end = at;
    if (*at == '{')
        return read_bounds(&end, least, most) ? (size_t)(end - at) : 0;
    if (!*at || !strchr("*+?", *at))
        return 0;
    *least = *at == '+';
    *most = *at == '?' ? 1 : -1;
    return 1;
}

static int check_bounds(struct parser *p, int least, int most)
{
    int more = most > least ? most : least;
    if (more > REPEAT_MAX)
        return err_set(p->e, "a repetition is at most %d times", REPEAT_MAX);
    if (most >= 0 && most < least)
        return err_set(p->e, "the repetition {%d,%d} is the wrong way round", least, most);
    if (more >= 2 && p->times * more > REPEAT_MAX)
        return err_set(p->e, "repetitions of repetitions are at most %d times together",
                       REPEAT_MAX);
    return 0;
}

/* The repetition of `len` bytes at p->at, which may be lazy: where a match is, is not asked. */
static int parse_repetition(struct parser *p, size_t len, int least, int most)
{
    const char *from = p->at;
    if (!p->has_piece)
        return err_set(p->e, "there is nothing in front of %.*s to repeat", (int)len, from);
    if (*from == '{' && check_bounds(p, least, most) < 0)
        return -1;
    p->at += len;
    bool lazy = *p->at == '?';
    p->at += lazy;
    int a, b;
    size_t next = repetition(p->at, &a, &b);
    if (next && *p->at == '+' && !lazy)
        return err_set(p->e, "%.*s+ is possessive, which RE2's syntax lacks: write %.*s", (int)len,
                       from, (int)len, from);
    if (next)
        return err_set(p->e, "%.*s is a repetition of a repetition: put ( ) around the first",
                       (int)(p->at + next - from), from);
    if (program_repeat(p->prog, p->piece, least, most, p->e) < 0)
        return -1;
    if (*from == '{') {
        int more = most > least ? most : least;
        p->times = more ? p->times * more : 1;
    }
    struct group *group = &p->groups[p->depth];
    if (p->times > group->times)
        group->times = p->times;
    return 0;
}

/* ---- Groups ---- */

static int open_group(struct parser *p, unsigned flags)
{
    if (p->depth + 1 == DEPTH_MAX)
        return err_set(p->e, "parentheses more than %d deep", DEPTH_MAX);
    if (!array_room(&p->groups, p->depth + 1, &p->groups_size, sizeof *p->groups))
        return err_set(p->e, "out of memory");
    size_t at = p->prog->n_insts;
    p->groups[++p->depth] = (struct group){.first = at, .start = at, .flags = p->flags, .times = 1};
    p->flags = flags;
    p->has_piece = false;
    return 0;
}

/* a|b|c: split to a or what follows; a, jump to the end; ... */
static int next_choice(struct parser *p)
{
    struct group *group = &p->groups[p->depth];
    size_t len = p->prog->n_insts - group->start;
    struct pattern_inst split = {.op = OP_SPLIT, .x = 1, .y = (int16_t)(len + 2)};
    if (program_insert(p->prog, group->start, split, p->e) < 0 ||
        emit(p, (struct pattern_inst){.op = OP_JUMP}) < 0)
        return -1;
    group->start = p->prog->n_insts;
    p->has_piece = false;
    p->at++;
    return 0;
}

/* The jumps to the end are found along the splits. */
static void end_choices(struct parser *p)
{
    const struct group *group = &p->groups[p->depth];
    for (size_t at = group->first; at < group->start;) {
        size_t next = at + (size_t)p->prog->insts[at].y;
        p->prog->insts[next - 1].x = (int16_t)(p->prog->n_insts - (next - 1));
        at = next;
    }
}

static int close_group(struct parser *p)
{
    if (p->depth == 0)
        return err_set(p->e, ") without (: write \\) for the character");
    end_choices(p);
    const struct group *group = &p->groups[p->depth--];
    p->flags = group->flags;
    p->piece = group->first;
    p->has_piece = true;
    p->times = group->times;
    if (p->times > p->groups[p->depth].times)
        p->groups[p->depth].times = p->times;
    p->at++;
    return 0;
}

/* (?P<name> and (?<name> */
static int parse_name(struct parser *p, const char *name)
{
    size_t len = 0;
    while (isalnum((unsigned char)name[len]) || name[len] == '_')
        len++;
    if (!len || name[len] != '>')
        return err_set(p->e, "the name of a group is of letters, digits and _: (?P<name>...)");
    p->at = name + len + 1;
    return open_group(p, p->flags);
}

/* What comes after "(?" elsewhere, and what to write here. */
static int refuse_group(struct parser *p)
{
    static const struct {
        const char *begin, *words;
    } rows[] = {
        {"=", "(?= looks ahead, which RE2's syntax lacks: make what follows part of the pattern"},
        {"!", "(?! looks ahead, which RE2's syntax lacks: name what may follow, such as [^x]"},
        {"<=", "(?<= looks behind, which RE2's syntax lacks: make what is before part of it"},
        {"<!", "(?<! looks behind, which RE2's syntax lacks: name what may be before, as [^x]"},
        {">", "(?> is an atomic group, which RE2's syntax lacks: write (?:"},
        {"|", "(?| resets groups, which RE2's syntax lacks: write (?:"},
        {"#", "(?# is a comment, which RE2's syntax lacks: leave it out"},
        {"P=", "(?P= is a back-reference, which RE2's syntax lacks: write out what may come again"},
        {"P>", "(?P> is a recursion, which RE2's syntax lacks: write out what may come again"},
        {"'", "(?' is not RE2's: write (?P<name>...)"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (str_starts(p->at + 2, rows[i].begin))
            return err_set(p->e, "%s", rows[i].words);
    return err_set(p->e,
                   "(?%.1s is not known: after (? come flags of i, m, s and U, as in (?i) or "
                   "(?i-s:...), or P<name>",
                   str_is_plain(p->at[2]) ? p->at + 2 : "");
}

/* (?flags) for the rest of the group around, (?flags:...) for this one. */
static int parse_flags(struct parser *p)
{
    static const struct {
        char letter;
        unsigned flag;
    } known[] = {{'i', FLAG_FOLD}, {'m', FLAG_LINES}, {'s', FLAG_DOT_ALL}, {'U', 0}};
    unsigned flags = p->flags;
    bool off = false, any = true;
    const char *at = p->at + 2;
    for (; *at && *at != ':' && *at != ')'; at++) {
        size_t i = 0;
        if (*at == '-' && !off) {
            off = true;
            any = false;
            continue;
        }
        while (i < ARRAY_LEN(known) && known[i].letter != *at)
            i++;
        if (i == ARRAY_LEN(known))
            return refuse_group(p);
        flags = off ? flags & ~known[i].flag : flags | known[i].flag;
        any = true;
    }
    if (!*at)
        return err_set(p->e, "(? without )");
    if (!any)
        return err_set(p->e, "(?- switches no flag off");
    p->at = at + 1;
    if (*at == ':')
        return open_group(p, flags);
    p->flags = flags;
    return 0;
}

static int parse_group(struct parser *p)
{
    if (p->at[1] != '?') {
        p->at++;
        return open_group(p, p->flags);
    }
    const char *after = p->at + 2;
    bool python = str_starts(after, "P<");
    if (python || (*after == '<' && after[1] != '=' && after[1] != '!'))
        return parse_name(p, after + (python ? 2 : 1));
    return parse_flags(p);
}

/* ---- The rest ---- */

/* \Q...\E: all of it is what it is. */
static int parse_quoted(struct parser *p)
{
    p->at += 2;
    while (*p->at && !str_starts(p->at, "\\E")) {
        uint32_t c;
        if (pattern_char(&p->at, &c, p->e) < 0 || emit_char(p, c) < 0)
            return -1;
    }
    if (*p->at)
        p->at += 2;
    return 0;
}

static int parse_backslash(struct parser *p)
{
    static const struct {
        char letter;
        enum pattern_look look;
    } looks[] = {
        {'A', LOOK_BEGIN_TEXT}, {'z', LOOK_END_TEXT}, {'b', LOOK_WORD}, {'B', LOOK_NO_WORD}};
    if (p->at[1] == 'Q')
        return parse_quoted(p);
    for (size_t i = 0; i < ARRAY_LEN(looks); i++)
        if (p->at[1] == looks[i].letter) {
            p->at += 2;
            return emit_look(p, looks[i].look);
        }
    struct pattern_class set = {0};
    int rc = pattern_escape_class(&p->at, p->flags, &set, p->e);
    if (rc > 0)
        return emit_set(p, &set);
    class_fini(&set);
    uint32_t c;
    return rc < 0 || pattern_escape(&p->at, &c, p->e) < 0 ? -1 : emit_char(p, c);
}

static int parse_one(struct parser *p)
{
    struct pattern_class set = {0};
    uint32_t c;
    int least, most;
    size_t len = repetition(p->at, &least, &most);
    if (len)
        return parse_repetition(p, len, least, most);
    bool lines = p->flags & FLAG_LINES;
    switch (*p->at) {
    case '(':
        return parse_group(p);
    case ')':
        return close_group(p);
    case '|':
        return next_choice(p);
    case '^':
        p->at++;
        return emit_look(p, lines ? LOOK_BEGIN_LINE : LOOK_BEGIN_TEXT);
    case '$':
        p->at++;
        return emit_look(p, lines ? LOOK_END_LINE : LOOK_END_TEXT);
    case '[':
        if (pattern_brackets(&p->at, p->flags, &set, p->e) == 0)
            return emit_set(p, &set);
        class_fini(&set);
        return -1;
    case '.':
        p->at++;
        if (!(p->flags & FLAG_DOT_ALL))
            class_add(&set, '\n', '\n');
        class_invert(&set);
        return emit_set(p, &set);
    case '\\':
        return parse_backslash(p);
    default:
        return pattern_char(&p->at, &c, p->e) < 0 ? -1 : emit_char(p, c);
    }
}

/* The instructions and sets of `text`. */
static int parse(struct pattern_program *prog, const char *text, struct err *e)
{
    struct parser p = {.at = text, .prog = prog, .e = e};
    struct pattern_class newline = {0}, word = {0};
    if (!*text)
        return err_set(e, "it is empty");
    bool room = array_room(&p.groups, 0, &p.groups_size, sizeof *p.groups);
    class_add(&newline, '\n', '\n');
    class_add_perl(&word, 'w');
    int rc = program_add_set(prog, &newline, e);
    if (program_add_set(prog, &word, e) < 0 || rc < 0 || !room) {
        free(p.groups);
        return err_set(e, "out of memory");
    }
    p.groups[0] = (struct group){.times = 1};
    rc = 0;
    while (rc == 0 && *p.at)
        rc = parse_one(&p);
    if (rc == 0 && p.depth)
        rc = err_set(e, "( without ): write \\( for the character");
    if (rc == 0) {
        end_choices(&p);
        rc = emit(&p, (struct pattern_inst){.op = OP_MATCH});
    }
    free(p.groups);
    return rc;
}

int pattern_compile(struct pattern_program *prog, const char *text, struct err *e)
{
    *prog = (struct pattern_program){0};
    if (parse(prog, text, e) == 0 && program_finish(prog, e) == 0)
        return 0;
    pattern_program_fini(prog);
    return -1;
}
