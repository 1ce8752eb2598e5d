/* options_table: the commands and options that there are; see options.h. */
#include <assert.h>
#include <string.h>

#include "base/str.h"
#include "cli/options.h"
#include "config/config.h"

#define TO(name) offsetof(struct cli, name)

const struct option_spec options_table[] = {
    {"config", 'c', ARG_TEXT, TO(config), "FILE", NULL, "run check wait explain validate",
     "configuration file, - for standard input (else $PROBE_CONFIG, else /etc/probe/probe.ini if "
     "it is there)"},
    {"agent", 0, ARG_TEXT, TO(agent), "ADDR", NULL, "status explain",
     "the agent: a socket path or http://HOST:PORT (else $PROBE_AGENT, else " CONFIG_DEFAULT_SOCKET
     ")"},
    {"set", 0, ARG_SET, TO(sets), "KEY=VALUE", "run check wait explain validate", NULL,
     "sets a key of all targets that have it, or of one (NAME.KEY=VALUE); repeatable; overrides "
     "the file"},
    {"token-file", 0, ARG_TEXT, TO(token_file), "FILE", "status explain", NULL,
     "file with the token that the agent asks for on TCP (else $PROBE_TOKEN_FILE)"},
    {"timeout", 0, ARG_DURATION, TO(timeout_ns), "D", NULL, "run check wait status explain",
     "limit for each check (5s), for the whole wait (5m), or for the agent's answer"},
    {"interval", 0, ARG_DURATION, TO(interval_ns), "D", "wait", NULL,
     "the longest pause between two tries (default 1s)"},
    {"successes", 0, ARG_COUNT, TO(successes), "N", "wait", NULL,
     "successes in a row that are enough (default 1)"},
    {"any", 0, ARG_NONE, TO(any), NULL, "wait", NULL, "one target is enough"},
    {"invert", 0, ARG_NONE, TO(invert), NULL, "check wait", NULL,
     "succeed once the target is truly down: refused or gone"},
    {"strict", 0, ARG_NONE, TO(strict), NULL, "check wait status", NULL, "a warning is a failure"},
    {"lint", 0, ARG_NONE, TO(lint), NULL, "validate", NULL,
     "missing files of secrets and certificates are no error"},
    {"watch", 0, ARG_NONE, TO(watch), NULL, "status", NULL,
     "keep following: a live table on a terminal, else one line per change"},
    {"names", 0, ARG_NONE, TO(names), NULL, "explain help", NULL,
     "print only the names, one per line"},
    {"json", 0, ARG_NONE, TO(json), NULL, NULL, "check wait status explain validate version",
     "one JSON document on standard output"},
    {"quiet", 'q', ARG_NONE, TO(quiet), NULL, NULL, "run check wait status explain validate",
     "no output but errors"},
    {"verbose", 'v', ARG_NONE, TO(verbose), NULL, NULL, "check wait explain", "say more"},
    {"help", 'h', ARG_NONE, TO(help), NULL, NULL, NULL, "this help"},
    {"version", 'V', ARG_NONE, TO(version), NULL, NULL, NULL,
     "the version, and that of every library"},
    {NULL, 0, ARG_NONE, 0, NULL, NULL, NULL, NULL},
};

const struct cli_command cli_commands[] = {
    {"run", "[TARGET...]", "the agent: runs every probe on its schedule until SIGTERM",
     "probe run -c probe.ini", "0 ended in order, 64 usage, 70 internal, 78 configuration."},
    {"check", "TARGET...", "runs each probe once, now, all at the same time",
     "probe check mongodb://db:27017/ http://app:8080/health",
     "0 healthy, 1 unhealthy, 64 usage, 70 internal, 78 configuration,\n"
     "128+N ended by signal N."},
    {"wait", "TARGET... [-- COMMAND [ARG...]]", "retries until all succeed, then becomes COMMAND",
     "probe wait --timeout 2m tcp://cache:6379 -- app --port 80",
     "0 done, 64 usage, 70 internal, 78 configuration, 124 out of time,\n"
     "126/127 COMMAND cannot be run / not found, 128+N ended by signal N."},
    {"status", "[NAME...]", "asks a running agent for its verdict",
     "probe status --agent http://127.0.0.1:9797",
     "0 healthy, 1 unhealthy or starting, 64 usage, 69 no agent,\n"
     "70 internal, 75 stale."},
    {"explain", "[NAME|URL...]", "the effective configuration, and the agent's view of it",
     "probe explain http://app:8080/health",
     "0 done, 64 usage, 69 no agent, 70 internal, 78 configuration."},
    {"validate", "", "reads the configuration, prints every error and warning",
     "probe validate -c probe.ini", "0 no error, 64 usage, 70 internal, 78 configuration."},
    {"version", "", "the version, and that of every library", "probe version --json",
     "0 done, 64 usage, 70 internal."},
    {"help", "[TOPIC...]", "explains a command, a type, a key, a reason", "probe help start_period",
     "0 done, 64 usage, 70 internal."},
    {NULL, NULL, NULL, NULL, NULL},
};

static_assert(ARRAY_LEN(options_table) <= OPTIONS_MAX, "room for each name");
static_assert(ARRAY_LEN(cli_commands) <= OPTIONS_COMMANDS_MAX, "room for each name");

const struct cli_command *options_command(const char *name)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

bool options_apply(const struct option_spec *o, const char *command)
{
    return !o->commands || str_has_word(o->commands, command);
}

bool options_used(const struct option_spec *o, const char *command)
{
    return options_apply(o, command) && (!o->used_by || str_has_word(o->used_by, command));
}
