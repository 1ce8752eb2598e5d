/* wait: the gate. Retries its targets until they succeed, then becomes COMMAND: the same process,
 * with nothing of ours left in it. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/gate.h"
#include "config/target.h"
#include "engine/session.h"
#include "loop/reaper.h"
#include "loop/signals.h"
#include "view/document.h"

#define MAX_OUTPUT     (16 << 20)
#define DEFAULT_BUDGET (300 * NS_PER_S)

#define FIRST_DRAWING (200 * NS_PER_MS) /* what is there at once is not worth a picture */
#define LEAST_DRAWING (100 * NS_PER_MS)

#define FIRST_PAUSE   (10 * NS_PER_MS)
#define PAUSE_PART    50 /* the pause is this part of the time waited so far: 2 % late at most */
#define NAME_PAUSE    (50 * NS_PER_MS) /* doubled for each try: a name server is not flooded */
#define FIRST_TIMEOUT NS_PER_S

/* One awaited target. */
struct awaited {
    bool done;
    uint32_t good_in_a_row;
    int64_t timeout;   /* of the next try: grows, so that a peer that swallows the first tries
                          (a proxy before its backend) does not cost a whole long timeout */
    unsigned nameless; /* tries in a row that found no such name */
    enum reason told;  /* the reason last printed; REASON_OK: none */
    bool told_warning; /* the last line was of a success that warns */
};

struct wait_command {
    const struct cli *cli;
    struct session session;
    struct awaited *awaited;
    size_t n, n_done;
    int64_t began;
    struct sched_entry budget;
    struct reaper reaper;
    struct gate gate;
    struct sched_entry drawing;
    int64_t budget_ns;
    bool succeeded;
    size_t lost; /* lines that nobody read */
    struct buf document;
};

static struct awaited *awaited_of(struct wait_command *cmd, const struct check *c)
{
    return &cmd->awaited[c->slot];
}

static void draw_soon(struct wait_command *cmd)
{
    int64_t soonest = cmd->gate.drawn + LEAST_DRAWING;
    if (cmd->gate.drawn && cmd->drawing.due > soonest)
        sched_set(&cmd->session.engine.sched, &cmd->drawing, soonest);
}

static void on_drawing(struct sched_entry *entry, int64_t now)
{
    struct wait_command *cmd = container_of(entry, struct wait_command, drawing);
    if (!cmd->session.engine.stopping)
        sched_set(&cmd->session.engine.sched, entry, gate_draw(&cmd->gate, now));
}

/* What the picture says of a target: why it is missing, or what was seen. */
static void picture(struct wait_command *cmd, const struct check *c)
{
    struct buf why;
    const struct awaited *a = awaited_of(cmd, c);
    if (!cmd->gate.draws)
        return;
    buf_init(&why, MAX_OUTPUT);
    document_why(&why, c);
    if (!a->done && a->good_in_a_row)
        buf_printf(&why, " (%" PRIu32 " of %" PRIu32 " in a row)", a->good_in_a_row,
                   cmd->cli->successes);
    gate_tell(&cmd->gate, c->slot, a->done, buf_take(&why), clock_now());
    draw_soon(cmd);
}

/* A success that does not satisfy --strict. */
static bool is_warning(const struct check_result *r)
{
    return r->reason == REASON_OK && r->warning;
}

static const char *word_of(const struct check_result *r)
{
    return is_warning(r) ? "warning" : reason_name(r->reason);
}

static const char *words_of(const struct check *c, const struct check_result *r)
{
    return is_warning(r) ? r->warning : document_detail(r->detail, c->conf->name);
}

static void tell(struct wait_command *cmd, const struct check *c, const struct check_result *r)
{
    struct awaited *a = awaited_of(cmd, c);
    bool warns = is_warning(r);
    bool known = a->told == r->reason && a->told_warning == warns;
    if (cmd->cli->quiet || cmd->gate.draws || (known && !cmd->cli->verbose))
        return;
    a->told = r->reason;
    a->told_warning = warns;
    if (!output_flush(STDERR_FILENO, 0)) {
        cmd->lost++;
        return;
    }
    if (cmd->lost)
        output_print(STDERR_FILENO, "probe: %zu lines before this are lost: nobody read them\n",
                     cmd->lost);
    cmd->lost = 0;
    output_print(STDERR_FILENO, "probe: waiting for %s: %s: %s\n", c->conf->name, word_of(r),
                 words_of(c, r));
}

/* "all 3 ready after 8.3 s, starting python3" */
static void tell_success(const struct wait_command *cmd)
{
    char took[CLOCK_SHORT_SIZE];
    struct buf line;
    const struct cli *cli = cmd->cli;
    if (cli->quiet)
        return;
    buf_init(&line, MAX_OUTPUT);
    if (cmd->n > 1 && cmd->n_done == cmd->n)
        buf_printf(&line, "all %zu", cmd->n);
    for (size_t i = 0; i < cmd->n && !line.len; i++)
        if (cmd->awaited[i].done)
            buf_puts(&line, cmd->session.engine.checks[i]->conf->name);
    buf_printf(&line, " %s after %s", cli->invert ? "down" : "ready",
               clock_short(clock_now() - cmd->began, took));
    if (cli->run)
        buf_printf(&line, ", starting %s", cli->run[0]);
    if (!line.failed) {
        str_printable(line.data, line.len);
        output_print(STDERR_FILENO, "probe: %s\n", line.data);
    }
    buf_fini(&line);
}

static void stop(struct wait_command *cmd)
{
    reaper_close(&cmd->reaper);
    session_stop(&cmd->session);
}

static void end(struct wait_command *cmd)
{
    gate_close(&cmd->gate, true, clock_now());
    if (cmd->succeeded)
        tell_success(cmd);
    if (cmd->cli->json)
        cli_make_document(&cmd->document, &cmd->session.engine);
    stop(cmd);
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct wait_command *cmd = ctx;
    struct awaited *a = awaited_of(cmd, c);
    if (a->done || cmd->session.engine.stopping)
        return;
    bool good = cli_is_good(cmd->cli, r);
    if (r->reason == REASON_TIMEOUT)
        a->timeout =
            a->timeout < c->conf->policy.timeout / 2 ? 2 * a->timeout : c->conf->policy.timeout;
    a->nameless = r->reason == REASON_DNS ? a->nameless + 1 : 0;
    a->good_in_a_row = good ? a->good_in_a_row + 1 : 0;
    a->done = a->good_in_a_row >= cmd->cli->successes;
    picture(cmd, c);
    if (!a->done) {
        if (!good)
            tell(cmd, c, r);
        return;
    }
    cmd->n_done++;
    cmd->succeeded = cmd->cli->any || cmd->n_done == cmd->n;
    if (cmd->succeeded)
        end(cmd);
}

static int64_t next_delay(void *ctx, struct check *c)
{
    struct wait_command *cmd = ctx;
    if (awaited_of(cmd, c)->done)
        return -1;
    int64_t pause = (clock_now() - cmd->began) / PAUSE_PART;
    if (pause < FIRST_PAUSE)
        pause = FIRST_PAUSE;
    unsigned nameless = awaited_of(cmd, c)->nameless;
    if (nameless && pause < NAME_PAUSE << (nameless < 5 ? nameless : 5))
        pause = NAME_PAUSE << (nameless < 5 ? nameless : 5);
    if (pause > cmd->cli->interval_ns)
        pause = cmd->cli->interval_ns;
    return pause - pause / 10 * (random() % 100) / 100; /* many waiters must not march in step */
}

static int64_t run_timeout(void *ctx, struct check *c)
{
    struct wait_command *cmd = ctx;
    struct awaited *a = awaited_of(cmd, c);
    if (c->conf->timeout_given)
        return c->conf->policy.timeout;
    if (!a->timeout)
        a->timeout = FIRST_TIMEOUT;
    return a->timeout < c->conf->policy.timeout ? a->timeout : c->conf->policy.timeout;
}

static void on_budget(struct sched_entry *entry, int64_t now)
{
    struct wait_command *cmd = container_of(entry, struct wait_command, budget);
    char waited[CLOCK_SHORT_SIZE];
    clock_short(now - cmd->began, waited);
    gate_close(&cmd->gate, false, now);
    for (size_t i = 0; i < cmd->n; i++) {
        const struct check *c = cmd->session.engine.checks[i];
        const struct check_result *r = check_last(c);
        if (cmd->awaited[i].done)
            continue;
        output_print(STDERR_FILENO, "probe: gave up on %s after %s: %s%s%s\n", c->conf->name,
                     waited, r ? word_of(r) : "timeout", r ? ": " : ", no answer yet from ",
                     r ? words_of(c, r) : c->conf->target);
    }
    end(cmd);
}

static void on_signal(struct session *s, int signum)
{
    struct wait_command *cmd = container_of(s, struct wait_command, session);
    bool resized = signum == SIGWINCH && !(signals_is_pid_1() && signals_stop_images(signum));
    if (resized || signum == SIGTSTP) {
        if (signum == SIGTSTP) {
            screen_rest(&cmd->gate.screen);
            raise(SIGSTOP);
        }
        screen_resized(&cmd->gate.screen);
        draw_soon(cmd);
        return;
    }
    gate_close(&cmd->gate, true, clock_now());
    s->caught = signum;
    stop(cmd);
}

/* Only returns when COMMAND could not be run. */
static int become(char **command)
{
    output_end(STDOUT_FILENO, OUTPUT_RESULT_MS);
    output_end(STDERR_FILENO, OUTPUT_MESSAGE_MS);
    signals_restore();
    execvp(command[0], command);
    int errnum = errno;
    fprintf(stderr, "probe: cannot run %s: %s\n", command[0], strerror(errnum));
    return errnum == ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_RUN;
}

static int finish(struct wait_command *cmd)
{
    const struct cli *cli = cmd->cli;
    int rc = cli_print_document(&cmd->document, EXIT_HEALTHY);
    gate_close(&cmd->gate, false, clock_now());
    free(cmd->awaited);
    if (cmd->session.caught)
        return EXIT_SIGNAL + cmd->session.caught;
    if (!cmd->succeeded)
        return EXIT_TIMED_OUT;
    return cli->run ? become(cli->run) : rc;
}

static int open_gate(struct wait_command *cmd)
{
    int64_t deadline = time_add(cmd->began, cmd->budget_ns);
    int rc = gate_open(&cmd->gate, cmd->n, cmd->cli->any ? 1 : cmd->n, cmd->began, deadline);
    /* SIGINT ignored: a script's `probe wait ... &`, beside which the script goes on writing. */
    if (cmd->cli->quiet || cmd->cli->verbose || signals_found_ignored(SIGINT))
        cmd->gate.draws = false;
    return rc;
}

static void begin_drawing(struct wait_command *cmd)
{
    struct engine *e = &cmd->session.engine;
    if (!cmd->gate.draws)
        return;
    for (size_t i = 0; i < cmd->n; i++)
        cmd->gate.targets[i].name = e->checks[i]->conf->name;
    session_watch_terminal(&cmd->session);
    sched_set(&e->sched, &cmd->drawing, time_add(cmd->began, FIRST_DRAWING));
}

/* Of "wait URL app args": the words behind the URL were meant as a command. */
static void tell_of_dashes(const struct cli *cli)
{
    size_t type;
    const struct probe_scheme *scheme;
    bool urls = cli->n_targets > 1 && !cli->run;
    for (size_t i = 0; urls && i < cli->n_targets; i++)
        if (!target_name_len(cli->targets[i]) && !target_scheme(cli->targets[i], &type, &scheme)) {
            if (i > 0)
                fprintf(stderr, "probe: if '%s' is a command to start, write '--' before it\n",
                        target_is_name(cli->targets[i]) ? cli->targets[i] : "it");
            return;
        }
}

int cmd_wait(const struct cli *cli)
{
    const struct config_override overrides[] = {
        {"jitter", "0%"}, {"initial_delay", "0s"}, {NULL, NULL}};
    struct config *config;
    int rc = cli_load(cli, false, overrides, &config);
    if (rc == EXIT_USAGE)
        tell_of_dashes(cli);
    if (rc != 0)
        return rc;
    struct wait_command cmd = {
        .cli = cli,
        .n = config->n_checks,
        .began = clock_now(),
        .budget = {.fire = on_budget},
        .drawing = {.fire = on_drawing},
        .budget_ns = cli->timeout_ns ? cli->timeout_ns
                     : cli->timeout  ? TIME_NEVER /* 0: no limit, as with other gates */
                                     : DEFAULT_BUDGET,
        .awaited = calloc(config->n_checks, sizeof *cmd.awaited),
    };
    struct engine_hooks hooks = {
        .on_result = on_result, .next_delay = next_delay, .run_timeout = run_timeout, .ctx = &cmd};
    struct err e = {"out of memory"};
    if (!cmd.awaited || open_gate(&cmd) < 0 ||
        session_open(&cmd.session, config, false, &hooks, on_signal, &e) < 0) {
        gate_close(&cmd.gate, false, clock_now());
        fprintf(stderr, "probe: %s\n", e.text);
        free(cmd.awaited);
        config_free(config);
        return EXIT_INTERNAL;
    }
    config_free(config);
    if (cmd.budget_ns != TIME_NEVER)
        sched_set(&cmd.session.engine.sched, &cmd.budget, time_add(cmd.began, cmd.budget_ns));
    if (reaper_open(&cmd.reaper, &cmd.session.loop) < 0)
        fprintf(stderr, "probe: orphaned processes are not reaped\n");
    begin_drawing(&cmd);
    session_run(&cmd.session);
    return finish(&cmd);
}
