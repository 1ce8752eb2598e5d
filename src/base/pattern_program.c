/* pattern_program: see pattern_program.h. */
#include "base/pattern_program.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"

#define RUNS_MAX    65535
#define KINDS_MAX   4096
#define MEMBERS_MAX 65536 /* words, half a megabyte */

/* ---- The program grows ---- */

static int reserve(struct pattern_program *g, size_t more, struct err *e)
{
    if (g->n_insts + more > PROGRAM_MAX)
        return err_set(e, "its parts and repetitions multiply to more than %d", PROGRAM_MAX);
    if (g->n_insts + more <= g->insts_size)
        return 0;
    size_t size = (g->n_insts + more) * 2;
    struct pattern_inst *grown = realloc(g->insts, size * sizeof *grown);
    if (!grown)
        return err_set(e, "out of memory");
    g->insts = grown;
    g->insts_size = size;
    return 0;
}

int program_emit(struct pattern_program *g, struct pattern_inst inst, struct err *e)
{
    if (reserve(g, 1, e) < 0)
        return -1;
    g->insts[g->n_insts++] = inst;
    return 0;
}

int program_insert(struct pattern_program *g, size_t start, struct pattern_inst inst, struct err *e)
{
    if (reserve(g, 1, e) < 0)
        return -1;
    struct pattern_inst *at = g->insts + start;
    memmove(at + 1, at, (g->n_insts - start) * sizeof *at);
    *at = inst;
    g->n_insts++;
    return 0;
}

static bool same_set(const struct pattern_class *a, const struct pattern_class *b)
{
    return a->n == b->n && (!a->n || memcmp(a->ranges, b->ranges, a->n * sizeof *a->ranges) == 0);
}

int program_add_set(struct pattern_program *g, struct pattern_class *set, struct err *e)
{
    class_tidy(set);
    for (size_t i = 0; i < g->n_sets; i++)
        if (!set->failed && same_set(&g->sets[i], set)) {
            class_fini(set);
            return (int)i;
        }
    if (set->failed || !array_room(&g->sets, g->n_sets, &g->sets_size, sizeof *g->sets)) {
        class_fini(set);
        return err_set(e, "out of memory");
    }
    g->sets[g->n_sets] = *set;
    return (int)g->n_sets++;
}

int program_repeat(struct pattern_program *g, size_t start, int least, int most, struct err *e)
{
    size_t len = g->n_insts - start;
    int16_t n = (int16_t)len;
    if (most < 0 && least == 0) {
        if (program_insert(g, start,
                           (struct pattern_inst){.op = OP_SPLIT, .x = 1, .y = (int16_t)(n + 2)}, e))
            return -1;
        return program_emit(g, (struct pattern_inst){.op = OP_JUMP, .x = (int16_t)(-n - 1)}, e);
    }
    size_t optional = most < 0 ? 0 : (size_t)(most - least);
    size_t all = (size_t)least * len + optional * (len + 1) + 1;
    if (reserve(g, all > len ? all - len : 0, e) < 0)
        return -1;
    struct pattern_inst *piece = malloc((len + 1) * sizeof *piece);
    if (!piece)
        return err_set(e, "out of memory");
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
    return most < 0
               ? program_emit(g, (struct pattern_inst){.op = OP_SPLIT, .x = (int16_t)-n, .y = 1}, e)
               : 0;
}

/* ---- From sets of characters to kinds ---- */

static int ascending(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Where a set begins or ends, a run begins. */
static int make_runs(struct pattern_program *g)
{
    size_t n = 1;
    for (size_t i = 0; i < g->n_sets; i++)
        n += 2 * g->sets[i].n;
    g->starts = malloc(n * sizeof *g->starts);
    g->run_kinds = calloc(n, sizeof *g->run_kinds);
    if (!g->starts || !g->run_kinds)
        return -1;
    n = 0;
    g->starts[n++] = 0;
    for (size_t i = 0; i < g->n_sets; i++)
        for (size_t r = 0; r < g->sets[i].n; r++) {
            g->starts[n++] = g->sets[i].ranges[r].first;
            g->starts[n++] = g->sets[i].ranges[r].last + 1;
        }
    qsort(g->starts, n, sizeof *g->starts, ascending);
    g->n_runs = 1;
    for (size_t i = 1; i < n; i++)
        if (g->starts[i] != g->starts[g->n_runs - 1])
            g->starts[g->n_runs++] = g->starts[i];
    return 0;
}

static size_t run_of(const struct pattern_program *g, uint32_t c)
{
    size_t page = c >> 8, low = 0, high = g->n_runs;
    if (g->paged) {
        low = g->pages[page < PAGES ? page : PAGES];
        high = page < PAGES ? (size_t)g->pages[page + 1] + 1 : g->n_runs;
    }
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (g->starts[middle] <= c)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static void make_pages(struct pattern_program *g)
{
    for (uint32_t page = 0; page <= PAGES; page++)
        g->pages[page] = (uint16_t)run_of(g, page << 8);
    g->paged = true;
}

uint16_t pattern_kind(const struct pattern_program *g, uint32_t c)
{
    return g->run_kinds[run_of(g, c)];
}

struct counts {
    uint32_t runs, inside; /* of the kind, and those of them that are in the set at hand */
    uint32_t split;        /* the number that those inside get; 0: all of the kind are */
};

/* Where only some runs of a kind are in the set, those are a kind of their own. */
static void split_kinds(struct pattern_program *g, struct counts *counts,
                        const struct pattern_class *set)
{
    for (size_t i = 0; i < g->n_kinds; i++)
        counts[i].inside = counts[i].split = 0;
    for (size_t i = 0; i < set->n; i++)
        for (size_t r = run_of(g, set->ranges[i].first);
             r < g->n_runs && g->starts[r] <= set->ranges[i].last; r++)
            counts[g->run_kinds[r]].inside++;
    for (size_t i = 0; i < set->n; i++)
        for (size_t r = run_of(g, set->ranges[i].first);
             r < g->n_runs && g->starts[r] <= set->ranges[i].last; r++) {
            struct counts *kind = &counts[g->run_kinds[r]];
            if (kind->inside < kind->runs && !kind->split) {
                kind->split = (uint32_t)g->n_kinds++;
                counts[kind->split] = (struct counts){.runs = kind->inside};
                kind->runs -= kind->inside;
            }
            if (kind->split)
                g->run_kinds[r] = (uint16_t)kind->split;
        }
}

static void fill_members(struct pattern_program *g)
{
    for (size_t i = 0; i < g->n_sets; i++)
        for (size_t j = 0; j < g->sets[i].n; j++)
            for (size_t r = run_of(g, g->sets[i].ranges[j].first);
                 r < g->n_runs && g->starts[r] <= g->sets[i].ranges[j].last; r++)
                g->members[i * g->member_words + g->run_kinds[r] / 64] |= UINT64_C(1)
                                                                          << (g->run_kinds[r] % 64);
}

/* 1: there are too many. */
static int make_kinds(struct pattern_program *g)
{
    if (g->n_runs > RUNS_MAX)
        return 1;
    make_pages(g);
    struct counts *counts = calloc(g->n_runs, sizeof *counts);
    if (!counts)
        return -1;
    g->n_kinds = 1;
    counts[0].runs = (uint32_t)g->n_runs;
    for (size_t i = 0; i < g->n_sets && g->n_kinds <= KINDS_MAX; i++)
        split_kinds(g, counts, &g->sets[i]);
    free(counts);
    g->member_words = (g->n_kinds + 63) / 64;
    if (g->n_kinds > KINDS_MAX || g->n_sets * g->member_words > MEMBERS_MAX)
        return 1;
    g->members = calloc(g->n_sets * g->member_words, sizeof *g->members);
    return g->members ? 0 : -1;
}

static void free_sets(struct pattern_program *g)
{
    for (size_t i = 0; i < g->n_sets; i++)
        class_fini(&g->sets[i]);
    free(g->sets);
    g->sets = NULL;
    g->n_sets = g->sets_size = 0;
}

int program_finish(struct pattern_program *g, struct err *e)
{
    int rc = make_runs(g) < 0 ? -1 : make_kinds(g);
    if (rc)
        return err_set(e, rc < 0 ? "out of memory" : "it names too many different characters");
    fill_members(g);
    for (uint32_t c = 0; c < 128; c++)
        g->ascii[c] = g->run_kinds[run_of(g, c)];
    free_sets(g);
    return 0;
}

void pattern_program_fini(struct pattern_program *g)
{
    free_sets(g);
    free(g->insts);
    free(g->starts);
    free(g->run_kinds);
    free(g->members);
    *g = (struct pattern_program){0};
}
