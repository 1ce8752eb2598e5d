/* cli: what the commands share. */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"

void cli_print_report(const struct cli *cli, const struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct config_problem *p = &r->problems[i];
        if (p->is_error || !cli->quiet)
            fprintf(stderr, "probe: %s%s\n", p->is_error ? "" : "warning: ", p->text);
    }
}

int cli_load(const struct cli *cli, bool keep_values, const struct config_override *overrides,
             struct config **out)
{
    struct config_report report;
    config_report_init(&report);
    struct config_source source = {
        .path = cli->config,
        .targets = cli->targets,
        .n_targets = cli->n_targets,
        .overrides = overrides,
        .keep_values = keep_values,
    };
    enum config_rc rc = config_load(&source, out, &report);
    /* A one-shot command's warnings would be noise at every check: `validate` and `run` tell them.
     */
    if (rc != CONFIG_OK || cli->verbose)
        cli_print_report(cli, &report);
    config_report_fini(&report);
    return rc == CONFIG_OK ? 0 : rc == CONFIG_BAD_TARGET ? EXIT_USAGE : EXIT_CONFIG;
}

/* Asked of the descriptor: errno may be of a write long before. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

int cli_finish(int code)
{
    int errnum = output_end(STDOUT_FILENO, OUTPUT_RESULT_MS);
    output_end(STDERR_FILENO, OUTPUT_MESSAGE_MS);
    if (!errnum && ((fflush(stdout) == 0 && !ferror(stdout)) || reader_is_gone()))
        return code;
    fprintf(stderr, "probe: cannot write the output: %s\n", strerror(errnum ? errnum : errno));
    return code == EXIT_HEALTHY ? EXIT_INTERNAL : code;
}
