/* status: asks a running agent. No probe is run, no loop is made: one request, one answer. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "cli/agent_client.h"
#include "cli/cli.h"

#define DEFAULT_TIMEOUT (5 * NS_PER_S)

static json_t *find_probe(json_t *probes, const char *name)
{
    size_t i;
    json_t *probe;
    json_array_foreach(probes, i, probe)
    {
        const char *its = json_string_value(json_object_get(probe, "name"));
        if (its && strcmp(its, name) == 0)
            return probe;
    }
    return NULL;
}

static int unknown_name(json_t *probes, const char *name)
{
    size_t n = json_array_size(probes), used = 0, i;
    const char **names = calloc(n + 1, sizeof *names);
    json_t *probe;
    json_array_foreach(probes, i, probe)
    {
        const char *its = json_string_value(json_object_get(probe, "name"));
        if (names && its)
            names[used++] = its;
    }
    const char *near = names ? str_nearest(name, names, used) : NULL;
    fprintf(stderr, "probe: the agent has no probe '%s'%s%s%s\n", name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    free(names);
    return EXIT_USAGE;
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* One line a probe, in the words of document_line. */
static void print_probe(const json_t *probe)
{
    const json_t *last = json_object_get(probe, "last");
    const char *reason = text_of(last, "reason"), *detail = text_of(last, "detail");
    char took[CLOCK_SHORT_SIZE] = "-";
    if (json_is_object(last))
        clock_short(
            (int64_t)(json_number_value(json_object_get(last, "duration_ms")) * (double)NS_PER_MS),
            took);
    printf("%s  %s  %s  %s%s%s\n", text_of(probe, "name"), text_of(probe, "status"), took, reason,
           *reason ? ": " : "", json_is_object(last) ? detail : "not checked yet");
}

static bool is_healthy(const json_t *probe)
{
    return strcmp(text_of(probe, "status"), "healthy") == 0;
}

/* The agent's document, with the named probes only where names were given. */
static int print_document(const struct cli *cli, json_t *document)
{
    json_t *all = json_object_get(document, "probes");
    if (cli->n_targets) {
        json_t *named = json_array();
        for (size_t i = 0; i < cli->n_targets; i++)
            json_array_append(named, find_probe(all, cli->targets[i]));
        json_object_set_new(document, "probes", named);
    }
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(12));
    if (!text)
        return EXIT_INTERNAL;
    puts(text);
    free(text);
    return EXIT_HEALTHY;
}

/* The named probes, or all when none is named; the exit code by the worst of them. */
static int report(const struct cli *cli, json_t *document)
{
    json_t *probes = json_object_get(document, "probes");
    bool stale = json_is_true(json_object_get(json_object_get(document, "agent"), "stale"));
    bool healthy = cli->n_targets || json_is_true(json_object_get(document, "ready"));
    size_t n = cli->n_targets ? cli->n_targets : json_array_size(probes);
    if (cli->n_targets)
        stale = false;
    for (size_t i = 0; i < n; i++) {
        json_t *probe =
            cli->n_targets ? find_probe(probes, cli->targets[i]) : json_array_get(probes, i);
        if (!probe)
            return unknown_name(probes, cli->targets[i]);
        if (cli->n_targets) {
            healthy = healthy && is_healthy(probe);
            stale = stale || json_is_true(json_object_get(probe, "stale"));
        }
        if (!cli->quiet && !cli->json)
            print_probe(probe);
    }
    return stale ? EXIT_STALE : healthy ? EXIT_HEALTHY : EXIT_UNHEALTHY;
}

int cmd_status(const struct cli *cli)
{
    int64_t budget = cli->timeout_ns ? cli->timeout_ns : DEFAULT_TIMEOUT;
    struct buf body;
    struct err e;
    int status =
        agent_request(cli->agent, "GET", "/status", time_add(clock_now(), budget), &body, &e);
    if (status < 0) {
        fprintf(stderr, "probe: %s\n", e.text);
        buf_fini(&body);
        return EXIT_NO_AGENT;
    }
    json_t *document = json_loadb(body.data ? body.data : "", body.len, 0, NULL);
    int rc;
    if ((status != 200 && status != 503) || !json_is_object(document)) {
        fprintf(stderr, "probe: %s does not answer as a probe agent (HTTP %d)\n", cli->agent,
                status);
        rc = EXIT_NO_AGENT;
    } else {
        rc = report(cli, document);
        if (cli->json && rc != EXIT_USAGE && print_document(cli, document) != EXIT_HEALTHY)
            rc = EXIT_INTERNAL;
    }
    json_decref(document);
    buf_fini(&body);
    return rc;
}
