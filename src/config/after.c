/* after: see after.h. A depth-first walk with its own stack, so that a chain of any length is fine;
 * each probe is entered once. */
#include "config/after.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

enum colour { UNSEEN, ON_PATH, DONE };

struct walk {
    const struct loaded *probes;
    const struct names *names;
    const char *file;
    struct config_report *report;
    uint8_t *colour;
    struct step {
        size_t probe, next;
    } * path;
    size_t depth;
};

static void problem(const struct walk *w, const struct loaded *p, const char *text)
{
    char where[128];
    snprintf(where, sizeof where, "probe %s.after", p->name);
    config_report_add(w->report, true, w->file, p->after_line ? p->after_line : p->line, where,
                      "%s", text);
}

/* "a, after b, after a" from the place on the path where `first` stands. */
static void report_circle(const struct walk *w, size_t first)
{
    char text[512];
    size_t from = w->depth;
    while (from > 0 && w->path[from - 1].probe != first)
        from--;
    size_t at = (size_t)snprintf(text, sizeof text, "probes wait for each other: ");
    for (size_t i = from - 1; i < w->depth && at < sizeof text - 100; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s after ",
                               w->probes[w->path[i].probe].name);
    snprintf(text + at, sizeof text - at, "%s", w->probes[first].name);
    problem(w, &w->probes[w->path[w->depth - 1].probe], text);
}

static void walk_from(struct walk *w, size_t start)
{
    w->path[0] = (struct step){.probe = start};
    w->depth = 1;
    w->colour[start] = ON_PATH;
    while (w->depth > 0) {
        struct step *top = &w->path[w->depth - 1];
        const struct check_conf *c = w->probes[top->probe].conf;
        if (!c || top->next >= c->n_after) {
            w->colour[top->probe] = DONE;
            w->depth--;
            continue;
        }
        uint32_t to = names_get(w->names, c->after[top->next++]);
        if (to == NAMES_NONE || w->colour[to] == DONE)
            continue;
        if (w->colour[to] == ON_PATH) {
            report_circle(w, to);
            continue;
        }
        w->colour[to] = ON_PATH;
        w->path[w->depth++] = (struct step){.probe = to};
    }
}

static const char *nearest(const struct walk *w, size_t n, const char *name)
{
    const char **known = config_report_suggests(w->report) ? calloc(n, sizeof *known) : NULL;
    for (size_t i = 0; known && i < n; i++)
        known[i] = w->probes[i].name;
    const char *near = known ? str_nearest(name, known, n) : NULL;
    free(known);
    return near;
}

void after_check_names(const struct loaded *probes, size_t n, size_t which,
                       const struct names *names, const char *file, struct config_report *report)
{
    struct walk w = {.probes = probes, .names = names, .file = file, .report = report};
    const struct check_conf *c = probes[which].conf;
    for (size_t i = 0; c && i < c->n_after; i++) {
        if (names_get(names, c->after[i]) != NAMES_NONE)
            continue;
        const char *near = nearest(&w, n, c->after[i]);
        char text[256];
        snprintf(text, sizeof text, "no probe is named \"%.64s\"%s%.64s%s", c->after[i],
                 near ? ", did you mean " : "", near ? near : "", near ? "?" : "");
        problem(&w, &probes[which], text);
    }
}

void after_check_circles(const struct loaded *probes, size_t n, const struct names *names,
                         const char *file, struct config_report *report)
{
    struct walk w = {.probes = probes, .names = names, .file = file, .report = report};
    w.colour = calloc(n + 1, sizeof *w.colour);
    w.path = calloc(n + 1, sizeof *w.path);
    if (w.colour && w.path) {
        for (size_t i = 0; i < n; i++)
            if (w.colour[i] == UNSEEN)
                walk_from(&w, i);
    } else {
        config_report_add(report, true, file, 0, NULL, "out of memory");
    }
    free(w.colour);
    free(w.path);
}
