/* cli: what the commands share. */
#include "cli/cli.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/jsonw.h"
#include "base/output.h"
#include "config/ini_reader.h"
#include "view/document.h"

#define TOLD_MAX 5
#define STDIN_NS (10 * NS_PER_S)

#define DOCUMENT_MAX ((64 << 20) - 1) /* what output.h keeps, with its newline */

void cli_print_report(const struct cli *cli, const struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct config_problem *p = &r->problems[i];
        if (p->is_error || !cli->quiet)
            fprintf(stderr, "probe: %s%s\n", p->is_error ? "" : "warning: ", p->text);
    }
}

/* Reads all of standard input, for at most STDIN_NS where nobody types it. */
static int read_stdin(struct buf *out, struct err *e)
{
    int64_t end = isatty(STDIN_FILENO) ? TIME_NEVER : time_add(clock_now(), STDIN_NS);
    char bytes[65536];
    for (;;) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int64_t left = end - clock_now();
        if (left <= 0)
            return err_set(e, "standard input has no end within 10s");
        int n = poll(&in, 1, end == TIME_NEVER ? -1 : (int)(left / NS_PER_MS) + 1);
        if (n < 0 && errno != EINTR)
            return err_errno(e, errno, "standard input cannot be read");
        if (n <= 0)
            continue;
        ssize_t len = read(STDIN_FILENO, bytes, sizeof bytes);
        if (len < 0 && errno != EINTR && errno != EAGAIN)
            return err_errno(e, errno, "standard input cannot be read");
        if (len == 0)
            return 0;
        if (len > 0)
            buf_add(out, bytes, (size_t)len);
        if (out->failed)
            return err_set(e, "standard input has over 16 MiB, or memory is short");
    }
}

int cli_source(const struct cli *cli, struct config_source *out)
{
    static struct buf text; /* a thread that hangs may outlive its command */
    static bool is_read;
    *out = (struct config_source){.path = cli->config,
                                  .targets = cli->targets,
                                  .n_targets = cli->n_targets,
                                  .sets = cli->sets,
                                  .n_sets = cli->n_sets};
    if (!cli->config || strcmp(cli->config, "-") != 0)
        return 0;
    struct err e;
    if (!is_read) {
        buf_init(&text, INI_FILE_MAX);
        if (read_stdin(&text, &e) < 0) {
            fprintf(stderr, "probe: %s\n", e.text);
            return EXIT_CONFIG;
        }
        is_read = true;
    }
    out->path = "standard input";
    out->text = text.data ? text.data : "";
    out->text_len = text.len;
    return 0;
}

int cli_load(const struct cli *cli, bool keep_values, const struct config_override *overrides,
             struct config **out)
{
    struct config_source source;
    int code = cli_source(cli, &source);
    if (code)
        return code;
    struct config_report report;
    config_report_init(&report);
    source.overrides = overrides;
    source.keep_values = keep_values;
    enum config_rc rc = config_load(&source, out, &report);
    /* A one-shot command's warnings would be noise at every check: `validate` and `run` tell them.
     */
    if (rc != CONFIG_OK || cli->verbose)
        cli_print_report(cli, &report);
    config_report_fini(&report);
    return rc == CONFIG_OK ? 0 : rc == CONFIG_BAD_TARGET ? EXIT_USAGE : EXIT_CONFIG;
}

bool cli_is_good(const struct cli *cli, const struct check_result *r)
{
    if (cli->invert)
        return r->reason != REASON_OK && r->gone;
    return r->reason == REASON_OK && !(cli->strict && r->warning);
}

void cli_tell_probes(const struct cli *cli)
{
    struct config *config;
    struct config_report report;
    struct config_source source = {.path = cli->config, .lint = true};
    if (cli->config && strcmp(cli->config, "-") == 0)
        return;
    config_report_init(&report);
    if (config_load(&source, &config, &report) == CONFIG_OK && config->n_checks) {
        size_t n = config->n_checks;
        fprintf(stderr, "probe: the configuration has ");
        for (size_t i = 0; i < n && i < TOLD_MAX; i++)
            fprintf(stderr, "%s%s", i ? ", " : "", config->checks[i]->name);
        fprintf(stderr, "%s\n", n > TOLD_MAX ? ", ..." : "");
    }
    config_free(config);
    config_report_fini(&report);
}

int cli_print(struct buf *out)
{
    int rc = out->len && !out->failed ? EXIT_HEALTHY : EXIT_INTERNAL;
    if (rc == EXIT_HEALTHY)
        puts(out->data);
    buf_fini(out);
    return rc;
}

void cli_make_document(struct buf *document, const struct engine *e)
{
    struct jsonw j;
    buf_init(document, DOCUMENT_MAX);
    jsonw_init(&j, document);
    document_status(&j, e, clock_now());
}

int cli_print_document(struct buf *document, int code)
{
    bool whole = !document->failed;
    if (!whole)
        fprintf(stderr, "probe: no document: memory is short, or it has over 64 MiB\n");
    else if (document->len)
        output_print(STDOUT_FILENO, "%s\n", document->data);
    buf_fini(document);
    return whole || code != EXIT_HEALTHY ? code : EXIT_INTERNAL;
}

/* Asked of the descriptor: errno may be of a write long before. */
static bool reader_is_gone(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) > 0 && (out.revents & (POLLERR | POLLHUP));
}

int cli_finish(int code)
{
    int errnum = output_end(STDOUT_FILENO, OUTPUT_RESULT_MS);
    output_end(STDERR_FILENO, OUTPUT_MESSAGE_MS);
    if (!errnum && ((fflush(stdout) == 0 && !ferror(stdout)) || reader_is_gone()))
        return code;
    fprintf(stderr, "probe: cannot write the output: %s\n", strerror(errnum ? errnum : errno));
    return code == EXIT_HEALTHY ? EXIT_INTERNAL : code;
}
