/* help: what -h and `probe help` print. */
#ifndef PROBE_CLI_HELP_H
#define PROBE_CLI_HELP_H

#include <stdio.h>

#include "cli/cli.h"

/* What -h prints: of one command, or (NULL) of all. */
void help_print(FILE *out, const struct cli_command *only);

#endif
