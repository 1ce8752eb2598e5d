/* gate: see gate.h. */
#include "cli/gate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/view.h"
#include "term/frame.h"

#define TEXT_MAX (1 << 20)

static const struct grid_column columns[] = {{"", 0}, {"", 0}, {"", 1}, {"", 0}};

int gate_open(struct gate *g, size_t n, size_t wanted, int64_t began, int64_t deadline)
{
    *g = (struct gate){.n = n, .wanted = wanted, .began = began, .deadline = deadline};
    g->targets = calloc(n + 1, sizeof *g->targets);
    for (size_t i = 0; g->targets && i < n; i++)
        g->targets[i].since = began;
    screen_open(&g->screen, STDERR_FILENO);
    g->draws = g->screen.term.moves && !term_in_background(STDERR_FILENO);
    return g->targets ? 0 : -1;
}

static bool same_reason(const char *a, const char *b)
{
    size_t n = strcspn(a, ":");
    return strncmp(a, b, n) == 0 && (b[n] == ':' || b[n] == '\0');
}

void gate_tell(struct gate *g, size_t i, bool done, char *why, int64_t now)
{
    struct gate_target *t = g->targets ? &g->targets[i] : NULL;
    if (!t) { /* closed already */
        free(why);
        return;
    }
    if (done)
        t->since = now - g->began;
    else if (t->why && why && !same_reason(t->why, why))
        t->since = now;
    t->done = done;
    free(t->why);
    t->why = why;
}

static void add_target(struct grid *grid, const struct gate_target *t, int64_t now)
{
    char span[VIEW_SPAN_SIZE], took[CLOCK_SHORT_SIZE], how_long[VIEW_SPAN_SIZE + 8];
    if (t->done)
        snprintf(how_long, sizeof how_long, "after %s", clock_short(t->since, took));
    else
        snprintf(how_long, sizeof how_long, "for %s", view_span(now - t->since, span));
    const char *why = t->why ? t->why : "no answer yet";
    const char *cells[ARRAY_LEN(columns)] = {t->name, t->done ? "ok" : "missing", how_long, why};
    grid_add(grid, t->done ? TONE_GOOD : TONE_WAIT, cells);
}

/* The line below: how many are missing, and what is left of the budget. */
static void add_budget(const struct gate *g, int64_t now, struct buf *foot)
{
    char so_far[VIEW_SPAN_SIZE], left[VIEW_SPAN_SIZE];
    size_t done = 0;
    for (size_t i = 0; i < g->n; i++)
        done += g->targets[i].done;
    struct buf line;
    buf_init(&line, TEXT_MAX);
    buf_printf(&line, "waiting for %zu of %zu%s, %s so far", g->n - done, g->n,
               g->wanted < g->n ? " (any is enough)" : "", view_span(now - g->began, so_far));
    if (g->deadline != TIME_NEVER)
        buf_printf(&line, ", %s left", view_span(g->deadline - now, left));
    if (!line.failed)
        text_wrap(foot, line.data, g->screen.term.columns, 0);
    buf_fini(&line);
}

void gate_text(const struct gate *g, bool settled, int64_t now, struct buf *out)
{
    struct grid grid;
    struct buf foot;
    int *badness = calloc(g->n + 1, sizeof *badness);
    buf_init(&foot, TEXT_MAX);
    grid_init(&grid, columns, ARRAY_LEN(columns));
    for (size_t i = 0; i < g->n; i++)
        add_target(&grid, &g->targets[i], now);
    for (size_t i = 0; badness && i < grid.n_rows; i++)
        badness[i] = !g->targets[i].done;
    if (!settled)
        add_budget(g, now, &foot);
    if (badness)
        frame(out, &grid, badness, false, &foot, &g->screen.term);
    grid_fini(&grid);
    buf_fini(&foot);
    free(badness);
}

static void draw(struct gate *g, bool settled, int64_t now)
{
    struct buf out;
    if (!g->draws || term_in_background(STDERR_FILENO))
        return;
    buf_init(&out, TEXT_MAX);
    gate_text(g, settled, now, &out);
    if (!out.failed && out.len)
        screen_draw(&g->screen, &out);
    buf_fini(&out);
    g->drawn = now;
}

/* The spans are in whole seconds, so it draws when a second ends. */
int64_t gate_draw(struct gate *g, int64_t now)
{
    draw(g, false, now);
    return time_add(now, NS_PER_S - (now - g->began) % NS_PER_S);
}

void gate_close(struct gate *g, bool settled, int64_t now)
{
    if (!g->targets)
        return;
    if (g->drawn && settled)
        draw(g, true, now);
    else if (g->drawn)
        screen_clear(&g->screen);
    screen_close(&g->screen);
    for (size_t i = 0; g->targets && i < g->n; i++)
        free(g->targets[i].why);
    free(g->targets);
    g->targets = NULL;
}
