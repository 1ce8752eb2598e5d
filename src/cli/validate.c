/* validate: reads the configuration and prints all that is wrong with it or unwise in it. The
 * problems are what was asked for: they go to stdout, as `file:line: section.key: what`. */
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "cli/cli.h"
#include "reports/ready_file.h"

static void print_json(const char *path, const struct config *c, const struct config_report *r)
{
    struct buf out;
    struct jsonw j;
    buf_init(&out, 64 * 1024 * 1024);
    jsonw_init(&j, &out);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "file", path);
    jsonw_bool(&j, "valid", c != NULL);
    jsonw_int(&j, "probes", c ? (int64_t)c->n_checks : 0);
    jsonw_int(&j, "errors", (int64_t)r->errors);
    jsonw_int(&j, "warnings", (int64_t)r->warnings);
    jsonw_array(&j, "problems");
    for (size_t i = 0; i < r->n; i++) {
        jsonw_object(&j, NULL);
        jsonw_string(&j, "severity", r->problems[i].is_error ? "error" : "warning");
        jsonw_int(&j, "line", r->problems[i].line);
        jsonw_string(&j, "text", r->problems[i].text);
        jsonw_end(&j);
    }
    jsonw_end(&j);
    jsonw_end(&j);
    cli_print(&out);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

/* What differs between the commands without a word of the file. */
static void print_default_timeouts(const struct config *c)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_checks; i++)
        n += !c->checks[i]->timeout_given;
    if (n)
        printf("note: %zu probe%s without a timeout: `probe run` gives a check 30s, `probe check` "
               "at most 5s\n",
               n, plural(n));
}

static void print_text(const char *path, const struct config *c, const struct config_report *r,
                       bool quiet)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->problems[i].is_error || !quiet)
            printf("%s%s\n", r->problems[i].is_error ? "" : "warning: ", r->problems[i].text);
    if (quiet)
        return;
    if (c) {
        print_default_timeouts(c);
        printf("%s: valid: %zu probe%s", path, c->n_checks, plural(c->n_checks));
    } else {
        printf("%s: invalid: %zu error%s", path, r->errors, plural(r->errors));
    }
    if (r->warnings)
        printf(", %zu warning%s", r->warnings, plural(r->warnings));
    putchar('\n');
}

int cmd_validate(const struct cli *cli)
{
    struct config_source source;
    int code = cli_source(cli, &source);
    if (code)
        return code;
    const char *path = source.path ? source.path : config_default_path();
    if (!path) {
        fprintf(stderr, "probe: no configuration file, expected -c FILE, $PROBE_CONFIG or "
                        "/etc/probe/probe.ini\n");
        return EXIT_CONFIG;
    }
    source.path = path;
    source.for_agent = true;
    source.check_ready_file = cli->lint ? NULL : ready_file_look;
    source.lint = cli->lint;
    struct config_report report;
    struct config *config;
    config_report_init(&report);
    enum config_rc rc = config_load(&source, &config, &report);
    if (cli->json)
        print_json(path, config, &report);
    else
        print_text(path, config, &report, cli->quiet);
    config_free(config);
    config_report_fini(&report);
    return rc == CONFIG_OK ? EXIT_HEALTHY : EXIT_CONFIG;
}
