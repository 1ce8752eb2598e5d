/* exit_codes: what each command can end with, for -h. The codes themselves are in cli.h. */
#ifndef PROBE_CLI_EXIT_CODES_H
#define PROBE_CLI_EXIT_CODES_H

/* A sentence in lines of at most 80 columns behind "Exit codes: ", static. NULL, or no command:
 * those of all. */
const char *exit_codes_of(const char *command);

#endif
