/* check: every target once, now, all at the same time. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "cli/cli.h"
#include "cli/session.h"
#include "serve/document.h"

#define MAX_OUTPUT    (16 << 20)
#define DOCKER_OUTPUT 4096
#define LAST_LINE     64 /* room for "and N more" */

struct check_command {
    const struct cli *cli;
    struct session session;
    size_t left, printed, unprinted;
    bool failed, unable;
    struct buf document;
};

static void judge(struct check_command *cmd, const struct check_result *r)
{
    bool good = cmd->cli->invert ? r->reason != REASON_OK && r->gone : r->reason == REASON_OK;
    if (good)
        return;
    if (r->reason == REASON_INTERNAL)
        cmd->unable = true;
    else
        cmd->failed = true;
}

/* Docker keeps 4,096 bytes of a check's output; what is cut there is the end. */
static void print_line(struct check_command *cmd, const struct check *c)
{
    struct buf line;
    buf_init(&line, MAX_OUTPUT);
    document_line(&line, c);
    bool fits = isatty(STDOUT_FILENO) || cmd->printed + line.len <= DOCKER_OUTPUT - LAST_LINE;
    if (fits && !cmd->unprinted && line.data) {
        fputs(line.data, stdout);
        fflush(stdout);
        cmd->printed += line.len;
    } else {
        cmd->unprinted++;
    }
    buf_fini(&line);
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct check_command *cmd = ctx;
    judge(cmd, r);
    if (!cmd->cli->quiet && !cmd->cli->json)
        print_line(cmd, c);
    if (--cmd->left > 0)
        return;
    if (cmd->cli->json) {
        struct jsonw j;
        jsonw_init(&j, &cmd->document);
        document_status(&j, &cmd->session.engine, clock_now());
    }
    session_leave(&cmd->session);
}

static int64_t never_again(void *ctx, struct check *c)
{
    (void)ctx;
    (void)c;
    return -1;
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
    struct check_command cmd = {.cli = cli, .left = config->n_checks};
    buf_init(&cmd.document, MAX_OUTPUT);
    struct engine_hooks hooks = {.on_result = on_result, .next_delay = never_again, .ctx = &cmd};
    struct err e;
    if (session_open(&cmd.session, config, false, &hooks, NULL, &e) < 0) {
        fprintf(stderr, "probe: %s\n", e.text);
        config_free(config);
        return EXIT_INTERNAL;
    }
    config_free(config);
    session_run(&cmd.session);
    if (cli->json && cmd.document.data && !cmd.document.failed)
        puts(cmd.document.data);
    buf_fini(&cmd.document);
    if (cmd.unprinted)
        printf("and %zu more (--json shows all)\n", cmd.unprinted);
    return verdict(&cmd);
}
