/* cli: the command line, shared by the commands. One file a command. */
#ifndef PROBE_CLI_CLI_H
#define PROBE_CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/clock.h"
#include "config/config.h"
#include "engine/engine.h"

/* Exit codes (sysexits.h where it has one; 124, 126, 127 as timeout(1)). 2 is Docker's: never used.
 */
enum {
    EXIT_HEALTHY = 0,
    EXIT_UNHEALTHY = 1,
    EXIT_USAGE = 64,
    EXIT_NO_AGENT = 69,
    EXIT_INTERNAL = 70,
    EXIT_STALE = 75,
    EXIT_CONFIG = 78,
    EXIT_TIMED_OUT = 124,
    EXIT_CANNOT_RUN = 126,
    EXIT_NOT_FOUND = 127,
    EXIT_SIGNAL = 128, /* + the signal's number */
};

struct cli {
    const char *command; /* name of the command */
    const char *config;  /* -c */
    const char *agent;   /* --agent, else $PROBE_AGENT, else the default socket */
    bool agent_given;
    const char *token_file;  /* --token-file, else $PROBE_TOKEN_FILE; NULL: none */
    const char *timeout;     /* --timeout as written; NULL: not given */
    int64_t timeout_ns;      /* parsed; 0: not given, or 0 (wait) */
    int64_t interval_ns;     /* wait */
    uint32_t successes;      /* wait */
    struct config_set *sets; /* --set */
    size_t n_sets;
    bool any, invert, strict, lint, watch, names, json, quiet, verbose, help, version;
    char **targets; /* the words that are no options */
    size_t n_targets;
    char **run; /* after `--`; NULL: none */
};

struct cli_command {
    const char *name;
    const char *synopsis, *summary, *example;
    const char *exit_codes; /* a sentence, in lines of at most 80 columns behind "Exit codes: " */
};

extern const struct cli_command cli_commands[]; /* ends with a NULL name */

/* Loads the configuration for the command; prints every problem to stderr. 0, or the exit code. */
int cli_load(const struct cli *cli, bool keep_values, const struct config_override *overrides,
             struct config **out);

/* Is the result what the command line asks for: a success, with --strict one without a warning, or
 * with --invert a target that is truly down? */
bool cli_is_good(const struct cli *cli, const struct check_result *r);

/* Names a few probes of the configuration to stderr, where one is read and is good. */
void cli_tell_probes(const struct cli *cli);

/* What the command line says of the configuration. `-c -` is read from standard input, at the first
 * call. 0, or the exit code with the words said. */
int cli_source(const struct cli *cli, struct config_source *out);

/* Prints the report's problems to stderr: errors always, warnings unless quiet. */
void cli_print_report(const struct cli *cli, const struct config_report *r);

/* Prints the buffer as a line and frees it. EXIT_HEALTHY, or EXIT_INTERNAL where it failed or is
 * empty: nothing is printed then. */
int cli_print(struct buf *out);

/* The document of --json of a command that checks: made while the engine has the results, printed
 * and freed at the end. What is returned is `code`, or EXIT_INTERNAL where that is 0 and the
 * document is not whole; one that was never made is nothing to print. */
void cli_make_document(struct buf *document, const struct engine *e);
int cli_print_document(struct buf *document, int code);

/* The end of main. Flushes stdout: an output that could not be written is not a success. Returns
 * `code`, or EXIT_INTERNAL when writing failed and code was 0. A reader that has gone away
 * (`| head -1`) wants no more, which is no failure: the code may be a verdict that somebody acts
 * on. */
int cli_finish(int code);

int cmd_run(const struct cli *cli);
int cmd_check(const struct cli *cli);
int cmd_wait(const struct cli *cli);
int cmd_status(const struct cli *cli);
int cmd_watch(const struct cli *cli); /* status --watch: until a signal or the reader's end */
int cmd_explain(const struct cli *cli);
int cmd_validate(const struct cli *cli);
int cmd_version(const struct cli *cli);
int cmd_help(const struct cli *cli);

#endif
