/* main: finds the command and hands over. What a command does stands in cli/. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/options.h"
#include "worker.h"

int main(int argc, char **argv)
{
    int child = worker_child_main(argc, argv);
    if (child >= 0)
        return child;
    cli_process_save();
    /* A reader that goes away is an error of that write, never a death by signal. */
    signal(SIGPIPE, SIG_IGN);

    struct cli cli;
    int rc = options_parse(&cli, argc, argv);
    if (rc == OPTIONS_RUN)
        rc = options_command(&cli)->main(&cli);
    options_fini(&cli);
    return cli_finish(rc);
}
