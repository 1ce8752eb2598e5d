/* options: see options.h. Words and options may be mixed; `--` begins wait's COMMAND. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "base/text.h"
#include "cli/help.h"
#include "config/duration.h"
#include "config/lookup.h"
#include "config/redact.h"
#include "config/sets.h"
#include "config/target.h"
#include "registry.h"

static int usage_error(const struct cli *cli, const char *what, const char *word, const char *near)
{
    struct buf shown; /* a URL in the wrong place holds its password all the same */
    char *redacted = redact_url(word);
    buf_init(&shown, SIZE_MAX / 2);
    text_escape(&shown, redacted ? redacted : "");
    fprintf(stderr, "probe: %s '%s'", what, shown.data ? shown.data : "");
    buf_fini(&shown);
    free(redacted);
    if (near)
        fprintf(stderr, ", did you mean '%s'?", near);
    fprintf(stderr, "\nprobe: see 'probe%s%s -h'\n", cli->command ? " " : "",
            cli->command ? cli->command : "");
    return EXIT_USAGE;
}

static int unknown_command(struct cli *cli, const char *word)
{
    const char *names[OPTIONS_COMMANDS_MAX];
    size_t n = 0;
    for (const struct cli_command *c = cli_commands; c->name; c++)
        names[n++] = c->name;
    size_t type;
    const struct probe_scheme *scheme;
    bool target = target_name_len(word) || target_scheme(word, &type, &scheme);
    return usage_error(cli, "unknown command", word,
                       target ? "check TARGET" : str_nearest(word, names, n));
}

/* Where the unknown option is the name of a key: how to give it by --set. Makes '-' in it '_'. */
static bool suggest_set(const struct cli *cli, char *name, char *out, size_t size)
{
    struct lookup l;
    for (const struct option_spec *o = options_table; o->name; o++)
        if (strcmp(o->name, "set") == 0 && cli->command && !options_apply(o, cli->command))
            return false;
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    lookup_init(&l);
    const struct key_word *w = strcmp(name, "type") != 0 ? lookup_word(&l, name) : NULL;
    bool found = w && (w->common != LOOKUP_NONE || w->types), secret = false;
    for (size_t t = 0; found && t < l.n_types; t++)
        if (w->type[t] != LOOKUP_NONE && !w->twin)
            secret = secret || (probe_types[t]->keys[w->type[t]].flags & KEY_SECRET);
    if (found)
        snprintf(out, size, "--set %.80s%s", name, secret ? "_file=PATH" : "=VALUE");
    lookup_fini(&l);
    return found;
}

/* Splits "--name=value"; the table entry, or NULL with the error said. */
static const struct option_spec *find_option(const struct cli *cli, const char *word,
                                             const char **value)
{
    *value = NULL;
    if (word[1] != '-') {
        for (const struct option_spec *o = options_table; o->name; o++)
            if (o->letter == word[1]) {
                *value = word[2] ? word + 2 : NULL;
                return o;
            }
        bool gate = cli->command && strcmp(cli->command, "wait") == 0 && cli->n_targets > 1;
        usage_error(cli, "unknown option", (char[]){'-', word[1], '\0'},
                    gate ? "-- COMMAND" : NULL);
        return NULL;
    }
    const char *equals = strchr(word, '=');
    size_t len = equals ? (size_t)(equals - word - 2) : strlen(word + 2);
    const char *names[OPTIONS_MAX];
    size_t n = 0;
    for (const struct option_spec *o = options_table; o->name; o++) {
        names[n++] = o->name;
        if (strlen(o->name) == len && strncmp(o->name, word + 2, len) == 0) {
            *value = equals ? equals + 1 : NULL;
            return o;
        }
    }
    char *name = str_dup_n(word + 2, len);
    const char *near = name ? str_nearest(name, names, n) : NULL;
    char meant[128], shown[80]; /* not its value: it may be a password */
    snprintf(shown, sizeof shown, "--%s", name ? name : "");
    bool found = name && suggest_set(cli, name, meant, sizeof meant);
    if (!found)
        snprintf(meant, sizeof meant, "--%s", near ? near : "");
    usage_error(cli, "unknown option", shown, near || found ? meant : NULL);
    free(name);
    return NULL;
}

static int bad_value(const struct option_spec *o, const char *value, const char *why)
{
    fprintf(stderr, "probe: --%s '%s': %s\n", o->name, value, why);
    return EXIT_USAGE;
}

static int set_duration(struct cli *cli, const struct option_spec *o, const char *value,
                        int64_t *member)
{
    struct err e;
    int64_t ns;
    if (duration_parse(value, &ns, &e) < 0) {
        struct err why = e;
        err_set(&e, "%s, expected a duration such as 500ms, 5s or 1m30s", why.text);
        return bad_value(o, value, e.text);
    }
    /* It may be 0 of `wait`, whose word may come later. */
    bool is_timeout = member == &cli->timeout_ns;
    if (ns < NS_PER_MS && !(ns == 0 && is_timeout))
        return bad_value(o, value, "must be at least 1ms");
    *member = ns;
    if (is_timeout)
        cli->timeout = value;
    return OPTIONS_RUN;
}

static int set_count(const struct option_spec *o, const char *value, uint32_t *member)
{
    char *end;
    errno = 0;
    unsigned long n = strtoul(value, &end, 10);
    if (errno || *end || !*value || *value == '-' || *value == '+' || n < 1 || n > 1000000)
        return bad_value(o, value, "must be a number from 1 to 1000000");
    *member = (uint32_t)n;
    return OPTIONS_RUN;
}

static int add_set(struct cli *cli, const char *value)
{
    struct err e;
    if (cli->n_sets >= SETS_MAX)
        err_set(&e, "too many, expected at most %d", SETS_MAX);
    else if (sets_parse(value, &cli->sets[cli->n_sets], &e) == 0) {
        cli->n_sets++;
        return OPTIONS_RUN;
    }
    fprintf(stderr, "probe: --set: %s\n", e.text);
    return EXIT_USAGE;
}

static int set_option(struct cli *cli, const struct option_spec *o, const char *value)
{
    void *member = (char *)cli + o->member;
    switch (o->arg) {
    case ARG_NONE:
        *(bool *)member = true;
        break;
    case ARG_TEXT:
        *(const char **)member = value;
        break;
    case ARG_DURATION:
        return set_duration(cli, o, value, member);
    case ARG_COUNT:
        return set_count(o, value, member);
    case ARG_SET:
        return add_set(cli, value);
    }
    return OPTIONS_RUN;
}

/* One option word at argv[*i], and its value, which may be the next word. */
static int take_option(struct cli *cli, int argc, char **argv, int *i)
{
    const char *word = argv[*i], *value;
    const struct option_spec *o = find_option(cli, word, &value);
    if (!o)
        return EXIT_USAGE;
    if (o->arg == ARG_NONE && value) {
        if (word[1] == '-')
            return usage_error(cli, "no value belongs to", word, NULL);
        return usage_error(cli, "write one option a word, not", word, NULL);
    }
    if (o->arg != ARG_NONE && !value) {
        if (*i + 1 >= argc)
            return usage_error(cli, "a value is missing after", word, NULL);
        value = argv[++*i];
    }
    if (cli->command && !options_apply(o, cli->command)) {
        fprintf(stderr, "probe: --%s does not go with '%s' (only with: %s)\n", o->name,
                cli->command, o->commands);
        return EXIT_USAGE;
    }
    return set_option(cli, o, value);
}

static int take_words(struct cli *cli, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        char *word = argv[i];
        int rc = OPTIONS_RUN;
        if (strcmp(word, "--") == 0) {
            if (i + 1 >= argc)
                return usage_error(cli, "no command follows", word, NULL);
            cli->run = argv + i + 1;
            break;
        }
        if (word[0] == '-' && word[1])
            rc = take_option(cli, argc, argv, &i);
        else if (!cli->command) {
            if (!options_command(word))
                return unknown_command(cli, word);
            cli->command = word;
        } else
            cli->targets[cli->n_targets++] = word;
        if (rc != OPTIONS_RUN)
            return rc;
    }
    return OPTIONS_RUN;
}

static int check_words(const struct cli *cli)
{
    const char *command = cli->command;
    bool gate = strcmp(command, "wait") == 0;
    if (cli->timeout && !cli->timeout_ns && !gate) {
        fprintf(stderr, "probe: --timeout '%s': must be at least 1ms\n", cli->timeout);
        return EXIT_USAGE;
    }
    if (cli->run && !gate)
        return usage_error(cli, "only 'wait' takes a command after", "--", NULL);
    if ((gate || strcmp(command, "check") == 0) && !cli->n_targets) {
        fprintf(stderr, "probe: '%s' needs a TARGET\n", command);
        cli_tell_probes(cli);
        fprintf(stderr, "probe: see 'probe %s -h'\n", command);
        return EXIT_USAGE;
    }
    if (cli->watch && cli->quiet)
        return usage_error(cli, "nothing would be shown with -q and", "--watch", NULL);
    bool none = strcmp(command, "validate") == 0 || strcmp(command, "version") == 0;
    if (none && cli->n_targets) {
        bool file = strcmp(command, "validate") == 0 && access(cli->targets[0], R_OK) == 0;
        char meant[512];
        snprintf(meant, sizeof meant, "-c %.500s", cli->targets[0]);
        str_printable(meant, sizeof meant);
        return usage_error(cli, "unexpected word", cli->targets[0], file ? meant : NULL);
    }
    return OPTIONS_RUN;
}

static const char *given(const char *variable)
{
    return variable && *variable ? variable : NULL;
}

int options_parse(struct cli *cli, int argc, char **argv)
{
    *cli = (struct cli){.interval_ns = NS_PER_S, .successes = 1};
    cli->targets = calloc((size_t)argc + 1, sizeof *cli->targets);
    cli->sets = calloc((size_t)argc + 1, sizeof *cli->sets);
    if (!cli->targets || !cli->sets) {
        fprintf(stderr, "probe: out of memory\n");
        return EXIT_INTERNAL;
    }
    cli->agent = given(getenv("PROBE_AGENT"));
    cli->token_file = given(getenv("PROBE_TOKEN_FILE"));
    int rc = take_words(cli, argc, argv);
    if (rc != OPTIONS_RUN)
        return rc;
    cli->agent_given = cli->agent;
    if (!cli->agent)
        cli->agent = CONFIG_DEFAULT_SOCKET;
    if (cli->help) {
        help_print(stdout, cli->command ? options_command(cli->command) : NULL);
        return EXIT_HEALTHY;
    }
    if (cli->version)
        cli->command = "version";
    if (!cli->command) {
        if (argc > 1)
            fprintf(stderr, "probe: no command given\n\n");
        help_print(stderr, NULL);
        return EXIT_USAGE;
    }
    return cli->version ? OPTIONS_RUN : check_words(cli);
}

void options_fini(struct cli *cli)
{
    for (size_t i = 0; i < cli->n_sets; i++)
        sets_fini_one(&cli->sets[i]);
    free(cli->sets);
    cli->sets = NULL;
    free(cli->targets);
    cli->targets = NULL;
}
