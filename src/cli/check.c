/* check: every target once, now, all at the same time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/cli.h"
#include "cli/view.h"
#include "engine/session.h"
#include "term/digest.h"
#include "term/term.h"
#include "view/document.h"

#define MAX_OUTPUT      (16 << 20)
#define DEFAULT_TIMEOUT (5 * NS_PER_S)
#define REST_MAX        64 /* of a line, without name and detail */

struct check_command {
    const struct cli *cli;
    struct session session;
    struct term term;
    size_t left;
    size_t printed;              /* off a terminal: the targets before this one are printed */
    bool all_fit;                /* all lines fit into what Docker keeps; they are cut for it */
    size_t spare;                /* bytes that each of them may have beyond what is usual */
    size_t widths[GRID_COLUMNS]; /* at least, of each column */
    int64_t began;
    bool failed, unable;
    struct buf document;
};

/* ---- Lines: as they finish on a terminal, else in the order of the arguments ---- */

static const char *state_of(const struct check *c)
{
    return check_warning(c) ? "warn" : health_status_name(c->health.status);
}

static void add_row(struct grid *g, const struct check *c)
{
    const struct check_result *last = check_last(c);
    const char *state = state_of(c);
    char took[CLOCK_SHORT_SIZE] = "-";
    struct buf why;
    buf_init(&why, MAX_OUTPUT);
    document_why(&why, c);
    if (last)
        clock_short(last->duration, took);
    const char *cells[VIEW_LINE_COLUMNS] = {c->conf->name, state, took, why.data};
    grid_add(g, view_tone(state), cells);
    buf_fini(&why);
}

/* Bytes of a line; escapes and a warning can make it longer. */
static size_t usual_line(const struct check_conf *c)
{
    return 4 * strlen(c->name) + PROBE_DETAIL_MAX + REST_MAX; /* each byte of a name an escape */
}

static void begin_lines(struct check_command *cmd, const struct config *config)
{
    size_t most = 0;
    term_look(&cmd->term, STDOUT_FILENO);
    for (size_t i = 0; i < config->n_checks; i++) {
        const char *name = config->checks[i]->name;
        size_t n = text_columns(name);
        if (n > cmd->widths[0])
            cmd->widths[0] = n;
        most += usual_line(config->checks[i]);
    }
    cmd->all_fit = most <= DIGEST_DOCKER;
    if (cmd->all_fit && config->n_checks)
        cmd->spare = (DIGEST_DOCKER - most) / config->n_checks;
    if (config->n_checks > 1) {
        cmd->widths[1] = strlen(health_status_name(HEALTH_UNHEALTHY));
        cmd->widths[2] = strlen("1.2 ms");
    }
}

static void cut(struct buf *line, size_t most)
{
    if (line->len <= most)
        return;
    line->len = most - strlen("...\n");
    while ((line->data[line->len] & 0xc0) == 0x80)
        line->len--;
    buf_puts(line, "...\n");
}

static void print_line(const struct check_command *cmd, const struct check *c)
{
    struct grid g;
    struct buf line;
    buf_init(&line, MAX_OUTPUT);
    grid_init(&g, view_line_columns, VIEW_LINE_COLUMNS);
    memcpy(g.least, cmd->widths, sizeof g.least);
    add_row(&g, c);
    grid_layout(&g, cmd->term.columns);
    grid_put(&g, 0, GRID_WRAP, cmd->term.colour, &line);
    if (!cmd->term.tty)
        cut(&line, usual_line(c->conf) + cmd->spare);
    output_put(STDOUT_FILENO, line.data, line.len);
    grid_fini(&g);
    buf_fini(&line);
}

static void show(struct check_command *cmd, const struct check *c)
{
    const struct engine *e = &cmd->session.engine;
    if (cmd->term.tty)
        print_line(cmd, c);
    else if (cmd->all_fit)
        while (cmd->printed < e->n_checks && e->checks[cmd->printed]->n_results)
            print_line(cmd, e->checks[cmd->printed++]);
}

/* Where not all lines may fit, the targets that fail are shown first. */
static void show_digest(struct check_command *cmd)
{
    const struct engine *e = &cmd->session.engine;
    struct grid g;
    struct buf out;
    buf_init(&out, MAX_OUTPUT);
    grid_init(&g, view_line_columns, VIEW_LINE_COLUMNS);
    int *bad = calloc(e->n_checks + 1, sizeof *bad);
    for (size_t i = 0; bad && i < e->n_checks; i++) {
        add_row(&g, e->checks[i]);
        bad[i] = !cli_is_good(cmd->cli, check_last(e->checks[i]));
    }
    grid_layout(&g, 0);
    if (bad && !g.failed)
        digest(&g, bad, DIGEST_DOCKER, &out);
    output_put(STDOUT_FILENO, out.data, out.len);
    free(bad);
    grid_fini(&g);
    buf_fini(&out);
}

static void show_total(const struct check_command *cmd)
{
    const struct engine *e = &cmd->session.engine;
    size_t counts[HEALTH_BLOCKED + 1] = {0}, warned = 0;
    char took[CLOCK_SHORT_SIZE];
    struct buf line, lines;
    buf_init(&line, MAX_OUTPUT);
    buf_init(&lines, MAX_OUTPUT);
    for (size_t i = 0; i < e->n_checks; i++)
        if (check_warning(e->checks[i]))
            warned++;
        else
            counts[e->checks[i]->health.status]++;
    buf_printf(&line, "%zu targets", e->n_checks);
    for (size_t s = 0; s < ARRAY_LEN(counts); s++)
        if (counts[s])
            buf_printf(&line, ", %zu %s", counts[s], health_status_name((enum health_status)s));
    if (warned)
        buf_printf(&line, ", %zu warn", warned);
    buf_printf(&line, ", in %s", clock_short(clock_now() - cmd->began, took));
    if (!line.failed)
        text_wrap(&lines, line.data, cmd->term.columns, 0);
    enum tone tone = cmd->failed || cmd->unable ? TONE_BAD : TONE_GOOD;
    output_print(STDOUT_FILENO, "%s%s%s", grid_tone(tone, cmd->term.colour),
                 lines.data ? lines.data : "", grid_tone_end(tone, cmd->term.colour));
    buf_fini(&line);
    buf_fini(&lines);
}

static void judge(struct check_command *cmd, const struct check_result *r)
{
    if (cli_is_good(cmd->cli, r))
        return;
    if (r->reason == REASON_INTERNAL)
        cmd->unable = true;
    else
        cmd->failed = true;
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct check_command *cmd = ctx;
    bool shows = !cmd->cli->quiet && !cmd->cli->json;
    judge(cmd, r);
    if (shows)
        show(cmd, c);
    if (--cmd->left > 0)
        return;
    if (cmd->cli->json)
        cli_make_document(&cmd->document, &cmd->session.engine);
    else if (shows && !cmd->term.tty && !cmd->all_fit)
        show_digest(cmd);
    else if (shows && cmd->term.tty && cmd->session.engine.n_checks > 1)
        show_total(cmd);
    session_stop(&cmd->session);
}

static int64_t never_again(void *ctx, struct check *c)
{
    (void)ctx;
    (void)c;
    return -1;
}

/* A command that is killed cannot say why the check failed, and it does not know the timeout of who
 * started it (Docker's is 30 s, people write 3 to 10). */
static int64_t run_timeout(void *ctx, struct check *c)
{
    (void)ctx;
    int64_t timeout = c->conf->policy.timeout;
    return c->conf->timeout_given || timeout < DEFAULT_TIMEOUT ? timeout : DEFAULT_TIMEOUT;
}

static int verdict(const struct check_command *cmd)
{
    if (cmd->failed)
        return EXIT_UNHEALTHY;
    return cmd->unable ? EXIT_INTERNAL : EXIT_HEALTHY;
}

int cmd_check(const struct cli *cli)
{
    /* One result is the verdict. */
    const struct config_override overrides[] = {
        {"retries", "1"},       {"success_threshold", "1"},
        {"jitter", "0%"},       {"initial_delay", "0s"},
        {"start_period", "0s"}, {cli->timeout ? "timeout" : NULL, cli->timeout},
        {NULL, NULL},
    };
    struct config *config;
    int rc = cli_load(cli, false, overrides, &config);
    if (rc != 0)
        return rc;
    struct check_command cmd = {.cli = cli, .left = config->n_checks, .began = clock_now()};
    begin_lines(&cmd, config);
    struct engine_hooks hooks = {
        .on_result = on_result, .next_delay = never_again, .run_timeout = run_timeout, .ctx = &cmd};
    struct err e;
    rc = session_open(&cmd.session, config, false, &hooks, NULL, &e);
    config_free(config);
    if (rc < 0) {
        fprintf(stderr, "probe: %s\n", e.text);
        return EXIT_INTERNAL;
    }
    session_run(&cmd.session);
    return cli_print_document(&cmd.document, verdict(&cmd));
}
