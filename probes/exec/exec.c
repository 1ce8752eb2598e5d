/* exec: a program of the user's, and its exit code. It runs in a child (child/worker.h), which
 * waits for a free place, is killed with its group at the deadline and is always reaped. Its checks
 * can stand in a configuration only: somebody who may ask for a check must not choose what is run.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "child/worker.h"
#include "exec/exec_conf.h"
#include "exec/exec_job.h"
#include "host.h"

#define LINE_MAX_SHOWN 200

struct exec_run {
    struct probe_run run;
    struct worker *worker; /* NULL once it is being closed, or was never begun */
};

static const struct exec_conf *conf_of(const struct exec_run *x)
{
    return x->run.conf;
}

static void let_go(struct exec_run *x)
{
    struct worker *w = x->worker;
    x->worker = NULL;
    worker_close(w, probe_release);
}

/* ": the first line", or nothing; without the data behind Nagios' bar. */
static const char *first_line(const struct exec_run *x, const struct buf *output,
                              char out[LINE_MAX_SHOWN + 8])
{
    const char *text = output->data ? output->data : "";
    size_t skipped = strspn(text, "\r\n\t ");
    size_t len = strcspn(text + skipped, "\r\n");
    if (conf_of(x)->nagios)
        len = strcspn(text + skipped, "|\r\n");
    int n = snprintf(out, LINE_MAX_SHOWN + 8, "%s%.*s", len ? ": " : "",
                     (int)(len < LINE_MAX_SHOWN ? len : LINE_MAX_SHOWN), text + skipped);
    str_printable(out, n > 0 ? LINE_MAX_SHOWN + 2 : 0);
    return out;
}

static enum reason judge_nagios(int status, const char **word)
{
    static const char *const words[] = {"ok", "warning", "critical", "unknown"};
    *word = status <= 3 ? words[status] : words[3];
    return status <= 1 ? REASON_OK : status == 2 ? REASON_MISMATCH : REASON_INTERNAL;
}

/* It ended with a code that is a success: so it is, if its output is as expected. */
static void judge_output(struct exec_run *x, const struct buf *output, const char *what,
                         const char *line)
{
    const struct pattern *expect = conf_of(x)->expect;
    struct pattern_budget budget = {PATTERN_STEPS};
    struct pattern_result is = {PATTERN_MATCH};
    struct err e;
    size_t len = output->len;
    while (len && (output->data[len - 1] == '\n' || output->data[len - 1] == '\r'))
        len--; /* so that ^ok$ matches what echo says */
    if (expect)
        is = pattern_find_once(expect, output->data ? output->data : "", len, true, &budget, &e);
    if (is.is == PATTERN_MATCH)
        probe_finish(&x->run, REASON_OK, "%s%s", what, line);
    else if (is.is == PATTERN_NO_MATCH)
        probe_finish(&x->run, REASON_MISMATCH, "%s, but its output does not match /%.100s/%s", what,
                     pattern_text(expect), line);
    else
        probe_finish(&x->run, REASON_INTERNAL,
                     "cannot tell whether its output matches /%.100s/: %s", pattern_text(expect),
                     e.text);
}

static void judge_status(struct exec_run *x, int status, const struct buf *output)
{
    const struct exec_conf *c = conf_of(x);
    char what[64], line[LINE_MAX_SHOWN + 8];
    const char *word = NULL;
    bool expected = status < 256 && (c->expected[status / 8] >> (status % 8) & 1);
    enum reason reason = c->nagios  ? judge_nagios(status, &word)
                         : expected ? REASON_OK
                                    : REASON_MISMATCH;
    snprintf(what, sizeof what, "exit code %d%s%s%s", status, word ? " (" : "", word ? word : "",
             word ? ")" : "");
    first_line(x, output, line);
    if (c->nagios && status == 1)
        probe_degraded(&x->run, "%s%s", what, line);
    if (reason == REASON_OK)
        judge_output(x, output, what, line);
    else if (c->nagios)
        probe_finish(&x->run, reason, "%s%s", what, line);
    else
        probe_finish(&x->run, reason, "%s, expected %s%s", what, c->expected_text, line);
}

static void on_done(struct probe_run *run, const struct worker_result *result)
{
    struct exec_run *x = container_of(run, struct exec_run, run);
    const char *path = conf_of(x)->path, *failure;
    char line[LINE_MAX_SHOWN + 8];
    switch (result->outcome) {
    case WORKER_FLOODED:
        probe_finish(run, REASON_PROTOCOL, "%s wrote more than %d KiB and was killed%s", path,
                     WORKER_REPLY_MAX >> 10, first_line(x, result->reply, line));
        break;
    case WORKER_STARVED:
        probe_finish(run, REASON_INTERNAL,
                     "no child process was free within the timeout ([agent] max_workers)");
        break;
    case WORKER_FAILED:
        probe_finish(run, REASON_INTERNAL, "%s: %s", path, result->error.text);
        break;
    case WORKER_ENDED:
        failure = result->exit_status == EXEC_CANNOT ? exec_job_failure(result->reply) : NULL;
        if (failure)
            probe_finish(run, REASON_INTERNAL, "cannot run %s: %s", path, failure);
        else if (result->term_signal)
            probe_finish(run, REASON_MISMATCH, "ended by signal %d (%s)%s", result->term_signal,
                         strsignal(result->term_signal), first_line(x, result->reply, line));
        else
            judge_status(x, result->exit_status, result->reply);
        break;
    }
    let_go(x);
}

static void exec_start(struct probe_run *run)
{
    struct exec_run *x = container_of(run, struct exec_run, run);
    const struct exec_conf *c = run->conf;
    probe_phase(run, PHASE_REQUEST);
    probe_note(run, "%s has not ended, and is killed", c->path);
    x->worker = worker_start(run, EXEC_CHILD_ENTRY, c->job.data, c->job.len, on_done);
    if (x->worker)
        return;
    probe_finish(run, REASON_INTERNAL, "out of memory");
    probe_release(run);
}

static void exec_cancel(struct probe_run *run)
{
    struct exec_run *x = container_of(run, struct exec_run, run);
    if (x->worker)
        let_go(x);
}

static const struct probe_scheme schemes[] = {{"exec:", "command", true}, {NULL, NULL, false}};

const struct probe_type probe_type_exec = {
    .name = "exec",
    .summary = "a program of yours ends with the right exit code",
    .keys = exec_keys,
    .n_keys = EXEC_N_KEYS,
    .schemes = schemes,
    .only_configured = true,
    .prepare = exec_conf_prepare,
    .dispose = exec_conf_dispose,
    .run_size = sizeof(struct exec_run),
    .start = exec_start,
    .cancel = exec_cancel,
    .child_entry = EXEC_CHILD_ENTRY,
    .child_main = exec_child_main,
    .child_is_command = true,
};
