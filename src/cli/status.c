/* status: asks a running agent. No probe is run, no loop is made: one request, one answer. */
#include "cli/status.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/jsonw.h"
#include "base/str.h"
#include "base/text.h"
#include "cli/agent_client.h"
#include "cli/view.h"
#include "config/redact.h"
#include "term/digest.h"

#define DEFAULT_TIMEOUT (5 * NS_PER_S)
#define OUTPUT_MAX      (256 << 20)
#define SUMMARY_ROOM    100 /* for the verdict line */

/* Is it an agent's document, with a status that fits? Another program may have the port and use the
 * same words, and a proxy may answer in the agent's place: with 503 no agent is ready. */
static bool is_agents(const json_t *document, int status)
{
    const json_t *agent = json_object_get(document, "agent");
    bool ready = json_is_true(json_object_get(document, "ready"));
    return (status == 200 || (status == 503 && !ready)) &&
           json_is_string(json_object_get(agent, "version")) &&
           json_is_boolean(json_object_get(agent, "stale")) &&
           json_is_boolean(json_object_get(document, "ready")) &&
           json_is_array(json_object_get(document, "probes"));
}

json_t *status_fetch(const struct cli *cli, const char *agent, const char *path, int64_t budget,
                     struct err *e)
{
    struct buf body;
    int64_t deadline = time_add(clock_now(), cli->timeout_ns ? cli->timeout_ns : budget);
    int status = agent_request(agent, cli->token_file, "GET", path, deadline, &body, e);
    json_t *document = status < 0 ? NULL : view_document(body.data, body.len);
    buf_fini(&body);
    if (is_agents(document, status))
        return document;
    json_decref(document);
    if (status >= 0)
        agent_refused(agent, status, e);
    return NULL;
}

json_t *status_find(const json_t *document, const char *name)
{
    const json_t *probes = json_object_get(document, "probes");
    for (size_t i = 0; i < json_array_size(probes); i++) {
        json_t *probe = json_array_get(probes, i);
        const char *its = json_string_value(json_object_get(probe, "name"));
        if (its && strcmp(its, name) == 0)
            return probe;
    }
    return NULL;
}

static int unknown_name(const json_t *document, const char *name)
{
    const json_t *probes = json_object_get(document, "probes");
    size_t n = json_array_size(probes), used = 0;
    const char **names = calloc(n + 1, sizeof *names);
    for (size_t i = 0; names && i < n; i++) {
        const char *its = json_string_value(json_object_get(json_array_get(probes, i), "name"));
        if (its)
            names[used++] = its;
    }
    const char *near = names ? str_nearest(name, names, used) : NULL;
    char *shown = redact_url(name); /* a slip in a URL makes it a name */
    struct buf line;                /* the agent's names are not trusted */
    buf_init(&line, OUTPUT_MAX);
    buf_puts(&line, "the agent has no probe '");
    text_escape(&line, shown ? shown : "");
    free(shown);
    buf_puts(&line, near ? "', did you mean '" : "'");
    text_escape(&line, near ? near : "");
    buf_puts(&line, near ? "'?" : "");
    fprintf(stderr, "probe: %s\n", line.data ? line.data : "out of memory");
    buf_fini(&line);
    free(names);
    return EXIT_USAGE;
}

/* The number of rows, and the i-th of them. */
static size_t count(const struct cli *cli, const json_t *document)
{
    return cli->n_targets ? cli->n_targets : json_array_size(json_object_get(document, "probes"));
}

static const json_t *nth(const struct cli *cli, const json_t *document, size_t i)
{
    return cli->n_targets ? status_find(document, cli->targets[i])
                          : json_array_get(json_object_get(document, "probes"), i);
}

int *status_rows(struct grid *t, const struct cli *cli, const json_t *document, int64_t age)
{
    size_t n = count(cli, document);
    int *badness = calloc(n + 1, sizeof *badness);
    int64_t now = clock_wall();
    for (size_t i = 0; badness && i < n; i++) {
        struct view v;
        const json_t *probe = nth(cli, document, i);
        size_t row = t->n_rows;
        if (!probe)
            continue;
        view_read(&v, probe);
        v.lost = age < 0;
        if (v.next_in >= 0)
            v.next_in = v.lost ? -1 : v.next_in > age ? v.next_in - age : 0;
        view_add(t, &v, now);
        if (t->n_rows > row)
            badness[row] = view_badness(&v);
    }
    return badness;
}

size_t status_summary(struct buf *out, const struct cli *cli, const json_t *document,
                      const struct term *term)
{
    static const char *const states[] = {"healthy",  "warn",    "unhealthy",
                                         "starting", "blocked", "stale"};
    size_t counts[ARRAY_LEN(states)] = {0}, n = count(cli, document), failing = 0;
    for (size_t i = 0; i < n; i++) {
        struct view v;
        view_read(&v, nth(cli, document, i));
        for (size_t s = 0; s < ARRAY_LEN(states); s++)
            counts[s] += strcmp(view_state(&v), states[s]) == 0;
        failing += strcmp(view_state(&v), states[0]) == 0 && v.failing_streak > 0;
    }
    bool ready = json_is_true(json_object_get(document, "ready"));
    const char *word = cli->n_targets ? "" : ready ? "ready" : "not ready";
    enum tone tone = cli->n_targets ? TONE_PLAIN : ready ? TONE_GOOD : TONE_BAD;
    struct buf line;
    buf_init(&line, OUTPUT_MAX);
    buf_printf(&line, "%s%s%zu probe%s", word, *word ? ": " : "", n, n == 1 ? "" : "s");
    for (size_t s = 0; s < ARRAY_LEN(states); s++)
        if (counts[s])
            buf_printf(&line, s == 0 && failing ? ", %zu %s (%zu failing)" : ", %zu %s", counts[s],
                       states[s], failing);
    size_t start = out->len, lines = 0, columns = term->columns ? term->columns : SIZE_MAX;
    if (!line.failed)
        lines = text_wrap(out, line.data, columns, 0);
    buf_reset(&line);
    if (!out->failed && term->colour && strncmp(out->data + start, word, strlen(word)) == 0) {
        buf_puts(&line, out->data + start + strlen(word));
        out->len = start;
        buf_printf(out, "%s%s%s%s", grid_tone(tone, true), word, grid_tone_end(tone, true),
                   line.data);
    }
    buf_fini(&line);
    return lines;
}

/* The agent's document, with the named probes only where names were given. */
static int print_json(const struct cli *cli, json_t *document)
{
    if (cli->n_targets) {
        json_t *named = json_array();
        for (size_t i = 0; i < cli->n_targets; i++)
            json_array_append(named, status_find(document, cli->targets[i]));
        json_object_set_new(document, "probes", named);
    }
    char *text = json_dumps(document, JSON_COMPACT | JSON_REAL_PRECISION(12));
    struct buf out;
    buf_init(&out, OUTPUT_MAX);
    if (text)
        jsonw_add(&out, text);
    free(text);
    return cli_print(&out);
}

/* The worst first, for a reader who keeps only so much (Docker: the first 4,096 bytes). */
static void put_worst_first(const struct grid *t, const int *badness, struct buf *out)
{
    for (int bad = VIEW_BADNESS_MAX; bad >= 0; bad--)
        for (size_t i = 0; i < t->n_rows; i++)
            if (badness[i] == bad)
                grid_put(t, i, GRID_WRAP, false, out);
}

static void put_table(const struct grid *t, const int *badness, const struct term *term,
                      struct buf *out)
{
    grid_header(t, out, term->colour);
    size_t head = out->len;
    for (size_t i = 0; i < t->n_rows; i++)
        grid_put(t, i, GRID_WRAP, term->colour, out);
    if (term->tty || out->len <= DIGEST_DOCKER - SUMMARY_ROOM)
        return;
    out->len = head;
    put_worst_first(t, badness, out);
}

static int print_table(const struct cli *cli, const json_t *document)
{
    struct term term;
    struct grid t;
    struct buf out;
    term_look(&term, STDOUT_FILENO);
    grid_init(&t, view_columns, VIEW_COLUMNS);
    buf_init(&out, OUTPUT_MAX);
    int *badness = status_rows(&t, cli, document, 0);
    grid_layout(&t, term.columns);
    if (badness) {
        put_table(&t, badness, &term, &out);
        status_summary(&out, cli, document, &term);
    }
    fwrite(out.data ? out.data : "", 1, out.len, stdout);
    int rc = t.failed || out.failed || !badness ? EXIT_INTERNAL : EXIT_HEALTHY;
    free(badness);
    grid_fini(&t);
    buf_fini(&out);
    return rc;
}

int status_check_names(const struct cli *cli, const json_t *document)
{
    for (size_t i = 0; i < cli->n_targets; i++)
        if (!status_find(document, cli->targets[i]))
            return unknown_name(document, cli->targets[i]);
    return EXIT_HEALTHY;
}

/* The exit code by the worst of the named probes, or by readiness when none is named. With --strict
 * a warning of one that counts is a failure. */
static int verdict(const struct cli *cli, const json_t *document)
{
    bool all = cli->n_targets == 0;
    bool stale = all && json_is_true(json_object_get(json_object_get(document, "agent"), "stale"));
    bool healthy = !all || json_is_true(json_object_get(document, "ready"));
    for (size_t i = 0; i < count(cli, document); i++) {
        struct view v;
        view_read(&v, nth(cli, document, i));
        bool warned = cli->strict && *v.warning && (v.required || !all);
        healthy = healthy && !warned && (all || view_is(&v, "healthy"));
        stale = stale || (!all && v.stale);
    }
    return stale ? EXIT_STALE : healthy ? EXIT_HEALTHY : EXIT_UNHEALTHY;
}

static int report(const struct cli *cli, json_t *document)
{
    int rc = verdict(cli, document), shown = status_check_names(cli, document);
    if (shown != EXIT_HEALTHY)
        return shown;
    if (cli->json)
        shown = print_json(cli, document);
    else if (!cli->quiet)
        shown = print_table(cli, document);
    return shown == EXIT_HEALTHY ? rc : shown;
}

int cmd_status(const struct cli *cli)
{
    struct err e;
    /* A table shows no history, and reading it would be most of the work. */
    const char *path = cli->json ? "/status" : "/status?history=no";
    json_t *document = status_fetch(cli, cli->agent, path, DEFAULT_TIMEOUT, &e);
    if (!document) {
        fprintf(stderr, "probe: %s\n", e.text);
        return EXIT_NO_AGENT;
    }
    int rc = report(cli, document);
    json_decref(document);
    return rc;
}
