/* pattern_class: see pattern_class.h. */
#include "base/pattern_class.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "base/unicode_table.h"

void class_fini(struct pattern_class *set)
{
    free(set->ranges);
    *set = (struct pattern_class){0};
}

void class_add(struct pattern_class *set, uint32_t first, uint32_t last)
{
    if (array_room(&set->ranges, set->n, &set->size, sizeof *set->ranges))
        set->ranges[set->n++] = (struct pattern_range){first, last};
    else
        set->failed = true;
}

void class_add_all(struct pattern_class *set, const struct pattern_class *other)
{
    set->failed |= other->failed;
    for (size_t i = 0; i < other->n; i++)
        class_add(set, other->ranges[i].first, other->ranges[i].last);
}

static int by_first(const void *a, const void *b)
{
    uint32_t first_a = ((const struct pattern_range *)a)->first;
    uint32_t first_b = ((const struct pattern_range *)b)->first;
    return (first_a > first_b) - (first_a < first_b);
}

void class_tidy(struct pattern_class *set)
{
    if (set->n < 2)
        return;
    qsort(set->ranges, set->n, sizeof *set->ranges, by_first);
    size_t kept = 0;
    for (size_t i = 1; i < set->n; i++) {
        const struct pattern_range *r = &set->ranges[i];
        struct pattern_range *before = &set->ranges[kept];
        if (r->first > before->last + 1)
            set->ranges[++kept] = *r;
        else if (r->last > before->last)
            before->last = r->last;
    }
    set->n = kept + 1;
}

void class_invert(struct pattern_class *set)
{
    struct pattern_class inverted = {.failed = set->failed};
    uint32_t next = 0;
    class_tidy(set);
    for (size_t i = 0; i < set->n; i++) {
        if (set->ranges[i].first > next)
            class_add(&inverted, next, set->ranges[i].first - 1);
        next = set->ranges[i].last + 1;
    }
    if (next <= CHAR_MAX_POINT)
        class_add(&inverted, next, CHAR_MAX_POINT);
    class_fini(set);
    *set = inverted;
}

/* ---- Names ---- */

struct ascii_class {
    const char *name;
    const char *ranges; /* pairs: first and last */
};

static const struct ascii_class posix_classes[] = {
    {"alnum", "09AZaz"},  {"alpha", "AZaz"},     {"ascii", NULL},     {"blank", "\t\t  "},
    {"cntrl", NULL},      {"digit", "09"},       {"graph", "!~"},     {"lower", "az"},
    {"print", " ~"},      {"punct", "!/:@[`{~"}, {"space", "\t\r  "}, {"upper", "AZ"},
    {"word", "09AZaz__"}, {"xdigit", "09AFaf"},
};

static void add_pairs(struct pattern_class *set, const char *pairs)
{
    for (; *pairs; pairs += 2)
        class_add(set, (unsigned char)pairs[0], (unsigned char)pairs[1]);
}

/* \s lacks the vertical tab, which [:space:] has. */
void class_add_perl(struct pattern_class *set, char lower)
{
    add_pairs(set, lower == 'd' ? "09" : lower == 's' ? "\t\n\f\r  " : "09AZaz__");
}

bool class_add_posix(struct pattern_class *set, const char *name, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(posix_classes); i++) {
        const struct ascii_class *c = &posix_classes[i];
        if (strlen(c->name) != len || memcmp(c->name, name, len) != 0)
            continue;
        if (c->ranges)
            add_pairs(set, c->ranges);
        else if (*name == 'a')
            class_add(set, 0, 0x7f);
        else {
            class_add(set, 0, 0x1f);
            class_add(set, 0x7f, 0x7f);
        }
        return true;
    }
    return false;
}

struct text_piece {
    const char *at;
    size_t len;
};

/* As tests/tools/unicode_table.go wrote it. */
static uint32_t number_next(const char **p)
{
    for (uint32_t n = 0;;) {
        char c = *(*p)++;
        uint32_t digit = (uint32_t)(c - '#' - (c > '?') - (c > '\\'));
        if (digit < 60)
            return n * 60 + digit;
        n = n * 30 + (digit - 60);
    }
}

static void add_runs(struct pattern_class *set, const char *runs)
{
    uint32_t next = 0;
    while (*runs != '!') {
        uint32_t gap = number_next(&runs), more = number_next(&runs);
        uint32_t first = next + gap / 2;
        if (gap % 2) {
            for (uint32_t i = 0; i <= more; i++)
                class_add(set, first + 2 * i, first + 2 * i);
            next = first + 2 * more + 1;
        } else {
            class_add(set, first, first + more);
            next = first + more + 1;
        }
    }
}

static bool next_of_name(struct text_piece *name, char *c)
{
    while (name->len && strchr(" _-", *name->at)) {
        name->at++;
        name->len--;
    }
    if (!name->len)
        return false;
    *c = (char)tolower((unsigned char)*name->at++);
    name->len--;
    return true;
}

static bool same_name(struct text_piece a, struct text_piece b)
{
    char in_a = 0, in_b = 0;
    for (;;) {
        bool more = next_of_name(&a, &in_a);
        if (more != next_of_name(&b, &in_b))
            return false;
        if (!more || in_a != in_b)
            return !more;
    }
}

static bool is_name(struct text_piece a, const char *b)
{
    return same_name(a, (struct text_piece){b, strlen(b)});
}

/* Up to the next `!`; moves on behind it. */
static struct text_piece next_piece(const char **p)
{
    struct text_piece piece = {*p, strcspn(*p, "!")};
    *p += piece.len + 1;
    return piece;
}

/* Unions of categories. */
static const struct {
    const char *brief, *full;
} groups[] = {
    {"C", "Other"},          {"L", "Letter"}, {"LC", "Cased_Letter"},
    {"M", "Combining_Mark"}, {"M", "Mark"},   {"N", "Number"},
    {"P", "Punctuation"},    {"S", "Symbol"}, {"Z", "Separator"},
};

/* NULL: `name` is no group. */
static const char *group_of(struct text_piece name)
{
    for (size_t i = 0; i < ARRAY_LEN(groups); i++)
        if (is_name(name, groups[i].brief) || is_name(name, groups[i].full))
            return groups[i].brief;
    return NULL;
}

static bool is_in_group(const char *category, const char *group)
{
    return *category == *group && (!group[1] || strchr("ult", category[1]));
}

bool class_add_unicode(struct pattern_class *set, const char *text, size_t len)
{
    const struct text_piece name = {text, len};
    bool unassigned = is_name(name, "Cn") || is_name(name, "Unassigned");
    bool assigned = unassigned || is_name(name, "Assigned");
    const char *group = group_of(name);
    bool other = group && *group == 'C'; /* with what is not assigned: all but the rest */
    bool any = is_name(name, "Any"), ascii = is_name(name, "ASCII");
    if (any || ascii)
        class_add(set, 0, any ? CHAR_MAX_POINT : 0x7f);
    for (const char *p = unicode_classes; *p && !any && !ascii;) {
        struct text_piece brief = next_piece(&p), full = next_piece(&p), runs = next_piece(&p);
        bool category = full.len > 0; /* scripts have one name only */
        bool in_group = group && is_in_group(brief.at, group) != other;
        if ((category && (assigned || in_group || same_name(name, full))) || same_name(name, brief))
            add_runs(set, runs.at);
    }
    bool found = set->n > 0;
    if (unassigned || other)
        class_invert(set);
    return found || set->failed;
}

/* ---- Case ---- */

/* Adds what the characters of `r`, of every `stride`th from r->first on, are folded to. */
static void fold_run(struct pattern_class *out, const struct pattern_class *set,
                     const struct pattern_range *r, uint32_t stride, int32_t delta)
{
    for (size_t i = 0; i < set->n && set->ranges[i].first <= r->last; i++) {
        uint32_t first = set->ranges[i].first, last = set->ranges[i].last;
        first = first < r->first ? r->first : first + (first - r->first) % stride;
        last = last > r->last ? r->last : last;
        if (first > last)
            continue;
        uint32_t shift = (uint32_t)delta; /* modulo 2^32 */
        if (stride == 1)
            class_add(out, first + shift, last + shift);
        for (uint32_t c = first; stride == 2 && c <= last; c += 2)
            class_add(out, c + shift, c + shift);
    }
}

void class_fold(struct pattern_class *set)
{
    class_tidy(set);
    /* At most four are equal: one leads to the next, three times. */
    for (int round = 0; round < 3; round++) {
        struct pattern_class more = {0};
        uint32_t next = 0;
        for (const char *p = unicode_folds; *p;) {
            uint32_t gap = number_next(&p), count = number_next(&p), delta = number_next(&p);
            uint32_t stride = gap % 2 + 1;
            struct pattern_range r = {.first = next + gap / 2};
            r.last = r.first + count * stride;
            next = r.first;
            int32_t signed_delta = delta % 2 ? -(int32_t)(delta / 2) - 1 : (int32_t)(delta / 2);
            fold_run(&more, set, &r, stride, signed_delta);
        }
        class_add_all(set, &more);
        class_fini(&more);
        class_tidy(set);
    }
}
