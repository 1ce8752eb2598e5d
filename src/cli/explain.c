/* explain: the effective configuration, each setting with its origin, and what an agent knows of
 * the probes. An agent that does not answer is no failure: the configuration was asked for. */
#include "cli/explain.h"
#include "cli/status.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/output.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/agent_client.h"
#include "cli/cli.h"
#include "cli/recipes.h"
#include "cli/story.h"
#include "cli/view.h"
#include "config/keys.h"
#include "config/names.h"
#include "config/redact.h"
#include "config/target.h"

#define OUTPUT_MAX    ((size_t)1 << 30)
#define AGENT_TIMEOUT (2 * NS_PER_S)

#define AGENT_TEXT_MAX ((size_t)4 << 20)

/* What the agent said; `document` NULL: nothing, for the reason in `why`. */
struct answer {
    json_t *document;
    struct names names; /* to indexes of `probes` */
    json_t *probes;
    const char *address;
    struct err why;
};

static void answer_open(struct answer *a, const struct cli *cli, const struct agent_conf *agent)
{
    *a =
        (struct answer){.address = !cli->agent_given && agent->socket ? agent->socket : cli->agent};
    a->document = status_fetch(cli, a->address, "/status", AGENT_TIMEOUT, &a->why);
    a->probes = json_object_get(a->document, "probes");
    size_t i;
    json_t *probe;
    json_array_foreach(a->probes, i, probe)
    {
        const char *name = json_string_value(json_object_get(probe, "name"));
        if (name && names_get(&a->names, name) == NAMES_NONE)
            names_put(&a->names, name, (uint32_t)i);
    }
}

static void answer_close(struct answer *a)
{
    names_fini(&a->names);
    json_decref(a->document);
}

static const json_t *answer_of(const struct answer *a, const char *name)
{
    uint32_t at = names_get(&a->names, name);
    return at == NAMES_NONE ? NULL : json_array_get(a->probes, at);
}

/* One comment line, made safe: what an agent sends is not trusted. */
static void add_comment(struct buf *out, char *line)
{
    if (!line)
        return;
    buf_puts(out, "# ");
    text_escape(out, line);
    buf_putc(out, '\n');
    free(line);
}

static void add_story(struct buf *out, const struct answer *a, const struct config *config,
                      const struct check_conf *c, const json_t *probe)
{
    struct view v;
    view_read(&v, probe);
    struct story story = {.view = &v, .policy = &c->policy, .now = clock_wall()};
    story.by = c->of_file && config->path ? config->path : "the settings below";
    story.held_by = view_blocker(&v, 0);
    const char *status = view_text(answer_of(a, story.held_by ? story.held_by : ""), "status");
    story.held_status = *status ? status : "down";
    story_tell(out, &story);
    if (strcmp(view_text(probe, "target"), c->target) != 0)
        add_comment(out, str_format("the agent probes another target under this name, %s: it runs "
                                    "with other settings than these",
                                    view_text(probe, "target")));
}

/* Says why the agent tells nothing, where it was to run one of the probes. */
static void add_no_answer(struct buf *out, const struct config *c, const struct answer *a)
{
    bool of_file = false;
    for (size_t i = 0; i < c->n_checks; i++)
        of_file = of_file || c->checks[i]->of_file;
    if (!a->document && of_file)
        add_comment(out, str_format("%s", a->why.text));
}

static void print_ini(const struct cli *cli, const struct config *c, const struct answer *a,
                      struct buf *out)
{
    struct explain_names used = {.most = c->n_checks};
    add_no_answer(out, c, a);
    if (!cli->n_targets)
        explain_ini_agent(out, &c->agent, c->path);
    for (size_t i = 0; i < c->n_checks; i++) {
        const struct check_conf *check = c->checks[i];
        const json_t *probe = answer_of(a, check->name);
        if (out->len)
            buf_putc(out, '\n');
        if (probe)
            add_story(out, a, c, check, probe);
        else if (a->document && check->of_file)
            add_comment(out, str_format("the agent at %s has no such probe: it runs with other "
                                        "settings than these",
                                        a->address));
        explain_ini_probe(out, check, &used, c->path, !check->of_file && !cli->verbose);
    }
    explain_names_fini(&used);
    fwrite(out->data ? out->data : "", 1, out->len, stdout);
}

static void print_json(const struct config *c, const struct answer *a, struct buf *out)
{
    struct jsonw j;
    jsonw_init(&j, out);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "file", c->path);
    jsonw_object(&j, "agent");
    explain_json_agent(&j, &c->agent);
    jsonw_end(&j);
    jsonw_array(&j, "probes");
    for (size_t i = 0; i < c->n_checks; i++) {
        jsonw_object(&j, NULL);
        explain_json_probe(&j, c->checks[i]);
        const json_t *probe = answer_of(a, c->checks[i]->name);
        char *text = probe ? json_dumps(probe, JSON_COMPACT) : NULL;
        if (text) {
            buf_puts(out, ",\"agent_view\":");
            jsonw_add(out, text);
        }
        free(text);
        jsonw_end(&j);
    }
    jsonw_end(&j);
    jsonw_end(&j);
    if (!out->failed)
        puts(out->data);
}

/* For shells that complete them, and for scripts. No agent is asked. */
static int print_names(struct config *config)
{
    for (size_t i = 0; i < config->n_checks; i++)
        puts(config->checks[i]->name);
    config_free(config);
    return EXIT_HEALTHY;
}

static int print_recipes(const struct cli *cli)
{
    int rc = EXIT_HEALTHY;
    for (size_t i = 0; rc == EXIT_HEALTHY && i < cli->n_targets; i++) {
        if (!recipes_is_word(cli->targets[i])) {
            fprintf(stderr, "probe: %s is no recipe: ask for recipes alone\n", cli->targets[i]);
            return EXIT_USAGE;
        }
        if (i)
            putchar('\n');
        rc = recipes_print(cli->targets[i]);
    }
    return rc;
}

/* Without a file, names alone ask for what the agent runs with. */
static bool is_of_agent(const struct cli *cli)
{
    size_t type;
    const struct probe_scheme *scheme;
    bool names = cli->n_targets && !cli->config && !config_default_path() && !cli->names;
    for (size_t i = 0; names && i < cli->n_targets; i++)
        names =
            !target_name_len(cli->targets[i]) && !target_scheme(cli->targets[i], &type, &scheme);
    return names;
}

/* A slip in a URL makes it a name: it may hold a password nonetheless. */
static void tell_unknown(const char *name)
{
    char *shown = redact_url(name);
    fprintf(stderr, "probe: no configuration file, and the agent has no probe '%s'\n",
            shown ? shown : "");
    free(shown);
}

/* Would it read a variable or a file of this machine? An agent writes "$${" for "${". */
static bool expands(const char *line)
{
    for (const char *p = line; (p = strstr(p, "${")); p += 2) {
        const char *first = p;
        while (first > line && first[-1] == '$')
            first--;
        if ((p - first) % 2 == 0)
            return true;
    }
    return false;
}

/* An agent's text is not trusted: it may not act on the terminal, and not read anything here. -1:
 * it would, so it is not an agent's section. */
static int take_section(struct buf *text, char *section)
{
    for (char *line = section, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        if (expands(line))
            return -1;
        text_escape(text, line);
        buf_putc(text, '\n');
    }
    return 0;
}

/* The agent's sections of the named probes. 0, or the exit code with the words said. */
static int fetch(const struct cli *cli, struct buf *text)
{
    int64_t deadline = time_add(clock_now(), cli->timeout_ns ? cli->timeout_ns : AGENT_TIMEOUT);
    for (size_t i = 0; i < cli->n_targets; i++) {
        struct buf body = {0};
        struct err e;
        const char *name = cli->targets[i];
        char *path = str_format("/config/%s", name);
        int status = path && target_is_name(name) ? agent_request(cli->agent, cli->token_file,
                                                                  "GET", path, deadline, &body, &e)
                                                  : 404;
        free(path);
        if (status == 200 && take_section(text, body.data) < 0)
            status = agent_refused(cli->agent, 200, &e);
        if (status == 404)
            tell_unknown(name);
        else if (status < 0)
            fprintf(stderr, "probe: no configuration file was read (expected -c FILE), and %s\n",
                    e.text);
        else if (status != 200) {
            agent_refused(cli->agent, status, &e);
            fprintf(stderr, "probe: %s\n", e.text);
        }
        buf_fini(&body);
        if (status != 200)
            return status == 404 ? EXIT_USAGE : EXIT_NO_AGENT;
    }
    return text->failed ? EXIT_INTERNAL : 0;
}

static int load_of_agent(const struct cli *cli, struct config **out)
{
    struct buf text;
    struct config_report report;
    buf_init(&text, AGENT_TEXT_MAX);
    int rc = fetch(cli, &text);
    if (rc == 0) {
        const struct config_source source = {.path = "the agent's settings",
                                             .text = text.data ? text.data : "",
                                             .text_len = text.len,
                                             .targets = cli->targets,
                                             .n_targets = cli->n_targets,
                                             .sets = cli->sets,
                                             .n_sets = cli->n_sets,
                                             .keep_values = true,
                                             .partial = true,
                                             .lint = true};
        config_report_init(&report);
        enum config_rc loaded = config_load(&source, out, &report);
        if (loaded ==
            CONFIG_BAD) /* of another version, perhaps: what it says is told all the same */
            output_print(STDOUT_FILENO, "%s", text.data ? text.data : "");
        if (loaded != CONFIG_OK) {
            cli_print_report(cli, &report);
            rc = loaded == CONFIG_BAD ? EXIT_CONFIG : EXIT_USAGE;
        }
        config_report_fini(&report);
    }
    buf_fini(&text);
    if (rc == 0) { /* it is no file, and its lines are nobody's */
        free((*out)->path);
        (*out)->path = NULL;
    }
    return rc;
}

int cmd_explain(const struct cli *cli)
{
    struct config *config;
    if (cli->n_targets && recipes_is_word(cli->targets[0]))
        return print_recipes(cli);
    int rc =
        is_of_agent(cli) ? load_of_agent(cli, &config) : cli_load(cli, !cli->names, NULL, &config);
    if (rc)
        return rc;
    if (cli->names)
        return print_names(config);
    struct answer answer;
    struct buf out;
    answer_open(&answer, cli, &config->agent);
    if (!answer.document && cli->agent_given)
        fprintf(stderr, "probe: %s\n", answer.why.text);
    buf_init(&out, OUTPUT_MAX);
    if (cli->json)
        print_json(config, &answer, &out);
    else
        print_ini(cli, config, &answer, &out);
    rc = out.failed ? EXIT_INTERNAL : EXIT_HEALTHY;
    if (out.failed)
        fprintf(stderr, "probe: out of memory\n");
    buf_fini(&out);
    answer_close(&answer);
    config_free(config);
    return rc;
}
