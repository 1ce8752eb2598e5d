/* options: argv to struct cli, by one table that help and the manual come from as well. */
#ifndef PROBE_CLI_OPTIONS_H
#define PROBE_CLI_OPTIONS_H

#include "cli/cli.h"

#define OPTIONS_RUN (-1)

/* At least as many as there are, with the end. */
#define OPTIONS_MAX          32
#define OPTIONS_COMMANDS_MAX 16

/* Reads argv. OPTIONS_RUN: run the command; else the exit code of what was already done (help) or
 * already said (a usage error). The strings stay argv's; options_fini frees the rest. */
int options_parse(struct cli *cli, int argc, char **argv);
void options_fini(struct cli *cli);

enum option_arg { ARG_NONE, ARG_TEXT, ARG_DURATION, ARG_COUNT, ARG_SET };

struct option_spec {
    const char *name; /* long, without dashes */
    char letter;      /* 0: none */
    enum option_arg arg;
    size_t member;        /* of struct cli, where it goes */
    const char *arg_name; /* NULL for ARG_NONE */
    const char *commands; /* names, blank-separated; NULL: all */
    const char *used_by;  /* those that do something with it, and list it; NULL: all of these */
    const char *doc;
};

/* Does the option go with the command? */
bool options_apply(const struct option_spec *o, const char *command);

/* Does the command do anything with it? */
bool options_used(const struct option_spec *o, const char *command);

extern const struct option_spec options_table[]; /* ends with a NULL name */

const struct cli_command *options_command(const char *name); /* NULL: there is none */

#endif
