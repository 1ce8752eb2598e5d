/* main: finds the command and hands over. What a command does stands in cli/. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "child/worker.h"
#include "cli/cli.h"
#include "cli/options.h"
#include "loop/signals.h"
#include "loop/work.h"
#include "reports/webhook.h"

/* A standard stream that is closed would become the first socket. What fills its place refuses to
 * be written to, and goes at exec, so that the command of `wait` finds it closed as it was. */
static void fill_closed_streams(void)
{
    struct pollfd streams[] = {{.fd = STDIN_FILENO}, {.fd = STDOUT_FILENO}, {.fd = STDERR_FILENO}};
    if (poll(streams, 3, 0) <= 0)
        return;
    for (int i = 0; i < 3; i++)
        if (streams[i].revents & POLLNVAL)
            (void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* The exit code. */
static int run_command(const struct cli *cli)
{
    static const struct {
        const char *name;
        int (*main)(const struct cli *cli);
    } commands[] = {
        {"run", cmd_run},         {"check", cmd_check},     {"wait", cmd_wait},
        {"status", cmd_status},   {"explain", cmd_explain}, {"validate", cmd_validate},
        {"version", cmd_version}, {"help", cmd_help},
    };
    if (cli->watch)
        return cmd_watch(cli);
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(commands[i].name, cli->command) == 0)
            return commands[i].main(cli);
    abort(); /* options_parse knows the same commands */
}

int main(int argc, char **argv)
{
    fill_closed_streams();
    int child = worker_child_main(argc, argv);
    if (child < 0 && argc == 2 && strcmp(argv[1], WEBHOOK_ENTRY) == 0)
        child = webhook_main();
    if (child >= 0)
        return child;
    signals_save();
    /* A reader that goes away is an error of that write, never a death by signal. */
    signal(SIGPIPE, SIG_IGN);

    struct cli cli;
    int rc = options_parse(&cli, argc, argv);
    if (rc == OPTIONS_RUN)
        rc = run_command(&cli);
    rc = cli_finish(rc);
    if (work_any_running())
        _exit(rc); /* it may read what the command line gave */
    options_fini(&cli);
    return rc;
}
