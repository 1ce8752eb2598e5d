/* main: finds the command and hands over. What a command does stands in cli/. */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
        rc = options_command(&cli)->main(&cli);
    rc = cli_finish(rc);
    if (work_any_running())
        _exit(rc); /* it may read what the command line gave */
    options_fini(&cli);
    return rc;
}
