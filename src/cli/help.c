/* help: the manual in short form, from the program itself. What the tables of options and keys know
 * is taken from there; the rest are the texts of help_text.h. */
#include "cli/help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/help_text.h"
#include "cli/options.h"
#include "cli/recipes.h"
#include "config/config.h"
#include "config/lookup.h"
#include "registry.h"

#define WIDTH         80
#define KEY_COLUMN    19
#define DOC_COLUMN    31
#define OPTION_COLUMN 25
#define MENTIONED_MAX 12
#define SHORT_HEAD    6
#define TOPICS_MAX    512

/* The lists that are topics of their own, what they are called there, and what each of their
 * entries is; NULL: an entry is no topic, its name is everybody's word. */
static const struct list {
    const char *topic, *list, *what, *owner;
} lists[] = {
    {"options", "options", "options of the command line", "Option of the command line."},
    {"exit-codes", "exit codes", "what the commands exit with", "Exit code."},
    {"states", "states", "what a probe can be", "State of a probe."},
    {"reasons", "reasons", "why a check failed", "Reason of a failed check."},
    {"environment", "environment", "variables that are read", "Variable of the environment."},
    {"api", "routes", "the agent's HTTP interface", ""},
    {"status-json", "members", "the JSON of status, check and wait", NULL},
    {"events", "events", "the stream of changes", NULL},
    {"metrics", "metrics", "what Prometheus gets", "Metric of the agent."},
};

/* Those that are prose alone. */
static const struct {
    const char *topic, *what;
} proses[] = {
    {"recipes", "what to write for a task, from images to alerts"},
    {"targets", "what can be checked, and how it is written"},
    {"config", "how a configuration file is written"},
    {"durations", "durations, sizes and other values"},
    {"patterns", "regular expressions"},
};

/* ---- Pieces ---- */

/* Prints the words from `column` on; further lines begin there, too. */
static void print_filled(FILE *out, const char *text, int column)
{
    int at = column;
    for (const char *word = text; *word;) {
        int n = (int)strcspn(word, " ");
        if (at > column && at + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", column, "");
            at = column;
        }
        at += fprintf(out, "%s%.*s", at > column ? " " : "", n, word);
        word += n;
        word += strspn(word, " ");
    }
    fputc('\n', out);
}

static void print_indented(const char *text, int indent)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        if (n)
            printf("%*s%.*s", indent, "", (int)n, line);
        putchar('\n');
        line += n + (line[n] != '\0');
    }
}

static bool print_prose(const char *topic)
{
    for (const struct help_topic *t = help_topics; t->name; t++)
        if (strcmp(t->name, topic) == 0) {
            print_indented(t->text, 0);
            return true;
        }
    return false;
}

static const struct list *find_list(const char *list)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (strcmp(lists[i].list, list) == 0)
            return &lists[i];
    return NULL;
}

static bool has_own_name(const struct help_entry *e)
{
    const struct list *l = find_list(e->list);
    return l ? l->owner != NULL : str_starts(e->list, "keys ");
}

/* What it is: a name may be several things. */
static void print_owner(const struct help_entry *e)
{
    if (strcmp(e->list, "keys agent") == 0)
        printf("    Key of [agent].\n");
    else if (strcmp(e->list, "keys defaults") == 0)
        printf("    Key of every probe, in [defaults] or [probe NAME].\n");
    else if (str_starts(e->list, "keys "))
        printf("    Key of probes of type %s.\n", e->list + strlen("keys "));
    else if (*find_list(e->list)->owner)
        printf("    %s\n", find_list(e->list)->owner);
}

/* A short head and its text begin on one line. */
static void print_entry(const struct help_entry *e)
{
    if (strlen(e->head) >= SHORT_HEAD) {
        printf("%s\n", e->head);
        print_indented(e->text, 4);
        return;
    }
    int n = (int)strcspn(e->text, "\n");
    printf("%-*s%.*s\n", SHORT_HEAD, e->head, n, e->text);
    print_indented(e->text + n + (e->text[n] != '\0'), SHORT_HEAD);
}

static void print_list(const char *list)
{
    for (const struct help_entry *e = help_entries; e->list; e++)
        if (strcmp(e->list, list) == 0)
            print_entry(e);
}

static void print_keys(const struct probe_key *keys, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        const char *def = keys[k].def ? keys[k].def : keys[k].flags & KEY_REQUIRED ? "!" : "-";
        int at =
            printf("  %-*s %-*s ", KEY_COLUMN - 3, keys[k].name, DOC_COLUMN - KEY_COLUMN - 1, def);
        if (at > DOC_COLUMN)
            printf("\n%*s", DOC_COLUMN, "");
        print_filled(stdout, keys[k].doc, DOC_COLUMN);
    }
    printf("\n  The second column is the default; - is none, ! must be given.\n"
           "  'probe help KEY' says more.\n");
}

/* ---- -h ---- */

static void print_option(FILE *out, const struct option_spec *o, bool says_commands)
{
    char left[64], doc[256];
    snprintf(left, sizeof left, "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
             o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->arg_name ? " " : "",
             o->arg_name ? o->arg_name : "");
    fprintf(out, "  %-*s ", OPTION_COLUMN - 3, left);
    snprintf(doc, sizeof doc, "%s%s%s%s", says_commands && o->commands ? "(" : "",
             says_commands && o->commands ? o->commands : "",
             says_commands && o->commands ? ") " : "", o->doc);
    print_filled(out, doc, OPTION_COLUMN);
}

static void print_command(FILE *out, const struct cli_command *c)
{
    fprintf(out, "  probe %s%s%s\n        %s\n", c->name, *c->synopsis ? " " : "", c->synopsis,
            c->summary);
}

static const char all_exit_codes[] =
    "0 healthy, 1 unhealthy or starting, 64 usage, 69 no agent,\n"
    "70 internal, 75 stale, 78 configuration, 124 out of time,\n"
    "126/127 COMMAND cannot be run / not found, 128+N ended by signal N.";

void help_print(FILE *out, const struct cli_command *only)
{
    if (only)
        fprintf(out, "probe %s%s%s\n  %s\n", only->name, *only->synopsis ? " " : "", only->synopsis,
                only->summary);
    else
        fprintf(out, "probe: knows whether a service can be used\n\nCommands:\n");
    for (const struct cli_command *c = cli_commands; !only && c->name; c++)
        print_command(out, c);
    fprintf(out, "\nOptions:\n");
    for (const struct option_spec *o = options_table; o->name; o++)
        if (!only || options_used(o, only->name))
            print_option(out, o, !only);
    if (!only || strstr(only->synopsis, "TARGET") || strstr(only->synopsis, "URL"))
        fprintf(out, "\nTARGET is a probe of the configuration, NAME=URL, or a URL:\n"
                     "  mongodb://host[:port]  mongodb+srv://...  tcp://host:port  unix:///path\n"
                     "  http://...  https://...  http+unix:///path.sock:/request/path\n"
                     "  redis://host[:port]  rediss://...  redis+unix:///path.sock\n"
                     "  pid:123  pidfile:/run/app.pid  process:NAME\n"
                     "  dns://server/name?type=A  dns+tcp://server/name\n"
                     "  grpc://host:port/SERVICE  grpcs://host/SERVICE\n"
                     "  grpc+unix:///path.sock:/SERVICE\n"
                     "  postgres://host[:port][/database]  postgresql://...\n"
                     "  mysql://host[:port]\n");
    if (only)
        fprintf(out, "\nExample:\n  %s\n", only->example);
    fprintf(out,
            "\nExit codes: %s\n\n"
            "'probe help' explains more: commands, keys, reasons, metrics.\n",
            only ? only->exit_codes : all_exit_codes);
}

/* ---- Topics ---- */

static bool help_command(const char *topic)
{
    for (const struct cli_command *c = cli_commands; c->name; c++)
        if (strcmp(c->name, topic) == 0) {
            help_print(stdout, c);
            putchar('\n');
            print_prose(topic);
            return true;
        }
    return false;
}

static bool help_type(const char *topic)
{
    for (size_t t = 0; probe_types[t]; t++) {
        const struct probe_type *type = probe_types[t];
        if (strcmp(type->name, topic) != 0)
            continue;
        printf("%s: ", type->name);
        print_filled(stdout, type->summary, (int)strlen(type->name) + 2);
        putchar('\n');
        print_prose(topic);
        printf("\nTargets:");
        for (const struct probe_scheme *s = type->schemes; s && s->prefix; s++)
            printf(" %s...", s->prefix);
        printf("\n\nKeys, beside those of every probe ('probe help defaults'):\n\n");
        print_keys(type->keys, type->n_keys);
        return true;
    }
    return false;
}

static bool help_keys(const char *topic)
{
    bool agent = strcmp(topic, "agent") == 0;
    if (!agent && strcmp(topic, "defaults") != 0)
        return false;
    printf("%s\n\n", agent ? "Keys of the section [agent]:"
                           : "Keys of every probe, in [defaults] for all or in [probe NAME]:");
    print_keys(agent ? config_agent_keys : config_common_keys,
               agent ? config_n_agent_keys : config_n_common_keys);
    return true;
}

static bool help_overview(const char *topic)
{
    if (strcmp(topic, "commands") == 0) {
        for (const struct cli_command *c = cli_commands; c->name; c++)
            print_command(stdout, c);
        printf("\n'probe help COMMAND' says more.\n");
        return true;
    }
    if (strcmp(topic, "recipes") == 0) {
        print_prose(topic);
        printf("\nSections for services that have no type of their own:\n\n");
        recipes_list();
        return true;
    }
    if (strcmp(topic, "types") != 0)
        return false;
    for (size_t t = 0; probe_types[t]; t++) {
        printf("%-9s", probe_types[t]->name);
        print_filled(stdout, probe_types[t]->summary, 9);
    }
    printf("\n'probe help TYPE' lists its targets and keys.\n");
    return true;
}

static bool help_list(const char *topic)
{
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        if (strcmp(lists[i].topic, topic) == 0) {
            if (print_prose(topic))
                putchar('\n');
            print_list(lists[i].list);
            return true;
        }
    return false;
}

static bool help_prose(const char *topic)
{
    for (size_t i = 0; i < ARRAY_LEN(proses); i++)
        if (strcmp(proses[i].topic, topic) == 0)
            return print_prose(topic);
    return false;
}

/* All that have the name: a key may be one of several types, and an option as well. */
static bool help_entry(const char *name, bool more)
{
    for (const struct help_entry *e = help_entries; e->list; e++) {
        if (!has_own_name(e) || !str_has_word(e->name, name))
            continue;
        if (more)
            putchar('\n');
        printf("%s\n", e->head);
        print_owner(e);
        print_indented(e->text, 4);
        more = true;
    }
    return more;
}

/* KEY_file: where its value comes from, and the text of KEY. */
static bool help_twin(const char *name)
{
    struct lookup l;
    lookup_init(&l);
    const struct key_word *w = lookup_word(&l, name);
    char *key = w && w->twin ? str_dup_n(name, strlen(name) - strlen("_file")) : NULL;
    lookup_fini(&l);
    bool found = false;
    if (key) {
        printf("%s = path\n    Path of a file that holds the value of %s.\n", name, key);
        found = help_entry(key, true);
    }
    free(key);
    return found;
}

static void list_topics(void)
{
    printf("probe help TOPIC... explains\n\n  commands     ");
    for (const struct cli_command *c = cli_commands; c->name; c++)
        printf("%s%s", c->name, c[1].name ? ", " : "\n");
    printf("  types        ");
    for (size_t t = 0; probe_types[t]; t++)
        printf("%s%s", probe_types[t]->name, probe_types[t + 1] ? ", " : "\n");
    for (size_t i = 0; i < ARRAY_LEN(proses); i++)
        printf("  %-12s %s\n", proses[i].topic, proses[i].what);
    printf("  %-12s keys of the section [agent]\n  %-12s keys of every probe\n", "agent",
           "defaults");
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        printf("  %-12s %s\n", lists[i].topic, lists[i].what);
    printf("\nand every key, option, reason, exit code, variable and metric by its name:\n"
           "'probe help start_period'. The manual has it all: probe(1), probe.ini(5),\n"
           "probe-api(7).\n");
}

/* What can be asked for; of the entries, those whose names are words of their own. */
static size_t all_topics(const char *words[TOPICS_MAX])
{
    size_t n = 0;
    for (const struct cli_command *c = cli_commands; c->name; c++)
        words[n++] = c->name;
    for (size_t t = 0; probe_types[t]; t++)
        words[n++] = probe_types[t]->name;
    words[n++] = "commands";
    words[n++] = "types";
    words[n++] = "agent";
    words[n++] = "defaults";
    for (size_t i = 0; i < ARRAY_LEN(proses); i++)
        words[n++] = proses[i].topic;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        words[n++] = lists[i].topic;
    for (const struct help_entry *e = help_entries; e->list && n < TOPICS_MAX; e++) {
        bool is_new = has_own_name(e) && !strchr(e->name, ' ');
        for (size_t i = 0; is_new && i < n; i++)
            is_new = strcmp(words[i], e->name) != 0;
        if (is_new)
            words[n++] = e->name;
    }
    return n;
}

static bool speaks_of(const char *topic, const char *word)
{
    if (strcasestr(topic, word))
        return true;
    for (const struct help_topic *t = help_topics; t->name; t++)
        if (strcmp(t->name, topic) == 0 && strcasestr(t->text, word))
            return true;
    for (const struct help_entry *e = help_entries; e->list; e++)
        if (has_own_name(e) && strcmp(e->name, topic) == 0 && strcasestr(e->text, word))
            return true;
    return false;
}

static int unknown_topic(const char *topic)
{
    const char *words[TOPICS_MAX];
    size_t n = all_topics(words), found = 0;
    const char *near = str_nearest(topic, words, n);
    fprintf(stderr, "probe: no help for '%s'%s%s%s\n", topic, near ? ", did you mean '" : "",
            near ? near : "", near ? "'?" : "");
    for (size_t i = 0; i < n && found <= MENTIONED_MAX && strlen(topic) >= 3; i++)
        if (speaks_of(words[i], topic) && ++found <= MENTIONED_MAX)
            fprintf(stderr, "%s%s", found == 1 ? "probe: it is spoken of in: " : ", ", words[i]);
    fprintf(stderr, "%s%sprobe: see 'probe help'\n", found > MENTIONED_MAX ? ", ..." : "",
            found ? "\n" : "");
    return EXIT_USAGE;
}

static void print_key_names(const struct probe_key *keys, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        puts(keys[k].name);
        if (keys[k].flags & (KEY_SECRET | KEY_MAY_HIDE))
            printf("%s_file\n", keys[k].name);
    }
}

/* What --set takes; a key of several types is there several times. */
static int print_keys_of_probes(void)
{
    print_key_names(config_common_keys + 1, config_n_common_keys - 1); /* not `type` */
    for (size_t t = 0; probe_types[t]; t++)
        print_key_names(probe_types[t]->keys, probe_types[t]->n_keys);
    return EXIT_HEALTHY;
}

static void print_values_of(const struct probe_key *keys, size_t n, const char *name)
{
    for (size_t k = 0; k < n; k++) {
        if (strcmp(keys[k].name, name) != 0)
            continue;
        for (size_t i = 0; keys[k].kind == KEY_CHOICE && keys[k].choices[i]; i++)
            puts(keys[k].choices[i]);
        if (keys[k].kind == KEY_BOOL)
            puts("yes\nno");
    }
}

/* The words that the key may be set to, of all types that have it; none where it takes any text. */
static int print_values(const char *name)
{
    print_values_of(config_common_keys, config_n_common_keys, name);
    for (size_t t = 0; probe_types[t]; t++)
        print_values_of(probe_types[t]->keys, probe_types[t]->n_keys, name);
    return EXIT_HEALTHY;
}

static int print_names(void)
{
    const char *words[TOPICS_MAX];
    size_t n = all_topics(words);
    for (size_t i = 0; i < n; i++)
        puts(words[i]);
    return EXIT_HEALTHY;
}

int cmd_help(const struct cli *cli)
{
    if (cli->names && cli->n_targets && strcmp(cli->targets[0], "keys") == 0)
        return print_keys_of_probes();
    if (cli->names && cli->n_targets == 2 && strcmp(cli->targets[0], "values") == 0)
        return print_values(cli->targets[1]);
    if (cli->names)
        return print_names();
    if (!cli->n_targets)
        list_topics();
    for (size_t i = 0; i < cli->n_targets; i++) {
        const char *topic = cli->targets[i];
        topic += str_starts(topic, "/") ? 0 : strspn(topic, "-");
        bool found = help_overview(topic) || help_command(topic) || help_type(topic) ||
                     help_keys(topic) || help_list(topic) || help_prose(topic);
        if (!help_entry(topic, found) && !help_twin(topic))
            return unknown_topic(cli->targets[i]);
        if (i + 1 < cli->n_targets)
            putchar('\n');
    }
    return EXIT_HEALTHY;
}
