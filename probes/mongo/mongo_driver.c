/* mongo_driver: see mongo_driver.h. */
#include "mongo/mongo_driver.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "mongo/mongo_child.h"
#include "mongo/mongo_job.h"

#define TELL_MOST (250 * NS_PER_MS) /* before the deadline, to tell what it knows */

/* The driver's own timeouts end a little before the deadline, at which the child is killed: then it
 * still tells which server it waited for. */
static int64_t driver_deadline(const struct probe_run *run)
{
    int64_t part = (run->deadline - run->started) / 20;
    return run->deadline - (part < TELL_MOST ? part : TELL_MOST) - 10 * NS_PER_MS;
}

struct worker *mongo_driver_start(struct probe_run *run, const struct mongo_conf *conf,
                                  void (*on_done)(struct probe_run *run,
                                                  const struct worker_result *result))
{
    struct mongo_job job = {
        .uri = conf->uri.text,
        .ca = conf->tls->ca,
        .cert = conf->tls->cert,
        .key = conf->tls->key,
        .tls = conf->tls_on,
        .verify = conf->tls->verify,
        .direct = mongo_uri_is_direct(&conf->uri),
        .init_guard = conf->init_guard,
        .require = conf->wish.require,
        .deadline = driver_deadline(run),
    };
    struct buf b;
    buf_init(&b, MONGO_JOB_MAX);
    struct worker *w = NULL;
    if (mongo_job_encode(&b, &job) == 0)
        w = worker_start(run, MONGO_CHILD_ENTRY, b.data, b.len, on_done);
    buf_wipe(&b);
    return w;
}

static const char *signal_name(int number)
{
    switch (number) {
    case SIGSEGV:
        return "SIGSEGV";
    case SIGBUS:
        return "SIGBUS";
    case SIGABRT:
        return "SIGABRT";
    case SIGILL:
        return "SIGILL";
    case SIGFPE:
        return "SIGFPE";
    case SIGSYS:
        return "SIGSYS";
    default:
        return "a signal";
    }
}

/* It was not we who killed it. */
static enum reason killed(const struct mongo_conf *conf, int number, char *detail)
{
    if (number == SIGKILL || number == SIGTERM || number == SIGINT || number == SIGALRM) {
        snprintf(detail, PROBE_DETAIL_MAX, "the driver's process was killed (signal %d)", number);
        return REASON_INTERNAL;
    }
    snprintf(detail, PROBE_DETAIL_MAX, "%s: the driver crashed on the reply: %s (signal %d)",
             conf->target, signal_name(number), number);
    return REASON_PROTOCOL;
}

static enum reason starved(const struct mongo_conf *conf, char *detail)
{
    snprintf(detail, PROBE_DETAIL_MAX,
             "%s: no place for the driver's process within the timeout (max_workers)",
             conf->target);
    return REASON_INTERNAL;
}

static enum reason ended(const struct mongo_conf *conf, const struct worker_result *result,
                         char *detail, bool *gone)
{
    struct mongo_answer answer;
    struct err e;
    if (result->term_signal)
        return killed(conf, result->term_signal, detail);
    if (result->exit_status) {
        snprintf(detail, PROBE_DETAIL_MAX, "the driver's process failed (exit status %d)",
                 result->exit_status);
        return REASON_INTERNAL;
    }
    if (mongo_answer_decode(&answer, result->reply->data, result->reply->len, &e)) {
        snprintf(detail, PROBE_DETAIL_MAX, "%s: the driver's process answered wrong: %.200s",
                 conf->target, e.text);
        return REASON_PROTOCOL;
    }
    if (answer.reason == REASON_TIMEOUT && result->late)
        return starved(conf, detail);
    *gone = answer.refused_all;
    if (answer.reason == REASON_OK)
        return mongo_hello_judge(&answer.hello, &conf->wish, answer.address, detail);
    memcpy(detail, answer.detail, PROBE_DETAIL_MAX);
    return answer.reason;
}

enum reason mongo_driver_verdict(const struct mongo_conf *conf, const struct worker_result *result,
                                 char detail[PROBE_DETAIL_MAX], bool *gone)
{
    *gone = false;
    switch (result->outcome) {
    case WORKER_FLOODED:
        snprintf(detail, PROBE_DETAIL_MAX, "%s: the driver's process answered without end",
                 conf->target);
        return REASON_PROTOCOL;
    case WORKER_STARVED:
        return starved(conf, detail);
    case WORKER_FAILED:
        snprintf(detail, PROBE_DETAIL_MAX, "%.390s", result->error.text);
        return REASON_INTERNAL;
    default:
        return ended(conf, result, detail, gone);
    }
}
