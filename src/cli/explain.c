/* explain: the effective configuration, each setting with its origin, and, where an agent answers,
 * what it knows of the probes. That it does not answer is no failure: the configuration was asked
 * for. */
#include "cli/explain.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "cli/agent_client.h"
#include "cli/cli.h"
#include "config/names.h"
#include "config/target.h"

#define OUTPUT_MAX    ((size_t)1 << 30)
#define AGENT_TIMEOUT (2 * NS_PER_S)

/* What the agent said; `document` NULL: nothing. */
struct view {
    json_t *document;
    struct names names; /* to indexes of `probes` */
    json_t *probes;
};

static void view_open(struct view *v, const struct cli *cli, const struct agent_conf *agent)
{
    struct buf body;
    struct err e;
    int64_t budget = cli->timeout_ns ? cli->timeout_ns : AGENT_TIMEOUT;
    *v = (struct view){0};
    const char *address = !cli->agent_given && agent->socket ? agent->socket : cli->agent;
    int status = agent_request(address, "GET", "/status", time_add(clock_now(), budget), &body, &e);
    if (status == 200 || status == 503)
        v->document = json_loadb(body.data ? body.data : "", body.len, 0, NULL);
    else if (cli->agent_given)
        fprintf(stderr, "probe: %s\n", status < 0 ? e.text : "the agent gave no status");
    buf_fini(&body);
    v->probes = json_object_get(v->document, "probes");
    size_t i;
    json_t *probe;
    json_array_foreach(v->probes, i, probe)
    {
        const char *name = json_string_value(json_object_get(probe, "name"));
        if (name && names_get(&v->names, name) == NAMES_NONE)
            names_put(&v->names, name, (uint32_t)i);
    }
}

static void view_close(struct view *v)
{
    names_fini(&v->names);
    json_decref(v->document);
}

static const json_t *view_of(const struct view *v, const char *name)
{
    uint32_t at = names_get(&v->names, name);
    return at == NAMES_NONE ? NULL : json_array_get(v->probes, at);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static int64_t ms_of(const json_t *object, const char *key)
{
    return (int64_t)(json_number_value(json_object_get(object, key)) * (double)NS_PER_MS);
}

/* One comment line, made safe: what an agent sends is not trusted. */
static void add_comment(struct buf *out, char *line)
{
    if (!line)
        return;
    str_printable(line, 1024);
    buf_printf(out, "# %s\n", line);
    free(line);
}

static void add_view(struct buf *out, const json_t *probe)
{
    char took[CLOCK_SHORT_SIZE], next[CLOCK_SHORT_SIZE];
    add_comment(out, str_format("%s since %s, %lld failures and %lld successes in a row",
                                text_of(probe, "status"), text_of(probe, "since"),
                                json_integer_value(json_object_get(probe, "failing_streak")),
                                json_integer_value(json_object_get(probe, "success_streak"))));
    const json_t *last = json_object_get(probe, "last");
    if (json_is_object(last)) {
        const char *reason = text_of(last, "reason"), *counted = text_of(last, "counted");
        bool uncounted = *counted && strcmp(counted, "yes") != 0;
        add_comment(out, str_format("last check at %s took %s: %s%s%s", text_of(last, "started"),
                                    clock_short(ms_of(last, "duration_ms"), took), reason,
                                    *reason ? ": " : "", text_of(last, "detail")));
        if (uncounted)
            add_comment(out, str_format("did it count? %s", counted));
    }
    if (json_is_number(json_object_get(probe, "next_in_ms")))
        add_comment(out, str_format("the next check starts in %s",
                                    clock_short(ms_of(probe, "next_in_ms"), next)));
}

static bool is_of_file(const struct check_conf *c)
{
    for (size_t k = 0; k < c->type->n_keys; k++)
        if (c->values[k].given && !c->values[k].line)
            return false;
    return true;
}

static void print_ini(const struct cli *cli, const struct config *c, const struct view *v,
                      struct buf *out)
{
    if (!cli->n_targets)
        explain_ini_agent(out, &c->agent, c->path);
    for (size_t i = 0; i < c->n_checks; i++) {
        const struct check_conf *check = c->checks[i];
        if (out->len)
            buf_putc(out, '\n');
        const json_t *probe = view_of(v, check->name);
        if (probe)
            add_view(out, probe);
        explain_ini_probe(out, check, c->path, !is_of_file(check) && !cli->verbose);
    }
    fwrite(out->data ? out->data : "", 1, out->len, stdout);
}

static void print_json(const struct config *c, const struct view *v, struct buf *out)
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
        const json_t *probe = view_of(v, c->checks[i]->name);
        char *text = probe ? json_dumps(probe, JSON_COMPACT) : NULL;
        if (text)
            buf_printf(out, ",\"agent_view\":%s", text);
        free(text);
        jsonw_end(&j);
    }
    jsonw_end(&j);
    jsonw_end(&j);
    if (!out->failed)
        puts(out->data);
}

int cmd_explain(const struct cli *cli)
{
    struct config *config;
    int rc = cli_load(cli, true, NULL, &config);
    if (rc)
        return rc;
    struct view view;
    struct buf out;
    view_open(&view, cli, &config->agent);
    buf_init(&out, OUTPUT_MAX);
    if (cli->json)
        print_json(config, &view, &out);
    else
        print_ini(cli, config, &view, &out);
    rc = out.failed ? EXIT_INTERNAL : EXIT_HEALTHY;
    if (out.failed)
        fprintf(stderr, "probe: out of memory\n");
    buf_fini(&out);
    view_close(&view);
    config_free(config);
    return cli_finish(rc);
}
