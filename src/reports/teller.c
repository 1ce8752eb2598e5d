/* teller: see teller.h. */
#include "reports/teller.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/log.h"
#include "base/str.h"
#include "base/words.h"
#include "loop/closer.h"
#include "loop/spawn.h"
#include "reports/webhook.h"
#include "view/document.h"
#include "view/verdict.h"

#define EVENT_MAX 32768 /* name, target, detail and labels, each byte escaped */

/* From the kill to the end, which takes no time but for one that is not ours to kill, or is stuck
 * in the kernel. */
#define KILL_LIMIT (5 * NS_PER_S)

/* What a command is given of our environment; secrets often stand in the rest. */
static const char *const env_kept[] = {"PATH",          "HOME",         "USER", "LOGNAME",
                                       "LANG",          "LC_ALL",       "TZ",   "TMPDIR",
                                       "SSL_CERT_FILE", "SSL_CERT_DIR", NULL};

struct teller_run {
    struct teller *teller;
    bool webhook;
    bool running, timed_out;
    int64_t timeout;
    struct closer closer; /* holds its two handles, which are closed each at its time */
    uv_process_t process;
    uv_pipe_t in;
    uv_write_t write;
    char *what; /* the command's name, for the log */
    char *probe;
    char *input;
};

static void forget(struct teller_event *event)
{
    free(event->probe);
    free(event->json);
    *event = (struct teller_event){0};
}

/* A place for one that cannot be ended; NULL: all are taken. */
static struct teller_run **free_place(struct teller *t)
{
    for (size_t i = 0; i < TELLER_LEFT; i++)
        if (!t->left[i])
            return &t->left[i];
    return NULL;
}

static void want_next(struct teller *t)
{
    /* Never later than it is: transition after transition would put it off. */
    if (t->open && !t->engine->stopping && t->n && !t->run && !t->next.pos && free_place(t))
        sched_set(&t->engine->sched, &t->next, clock_now());
}

/* ---- One run ---- */

static void on_closed(struct closer *c)
{
    struct teller_run *run = container_of(c, struct teller_run, closer);
    struct teller *t = run->teller;
    if (t->run == run)
        t->run = NULL;
    for (size_t i = 0; i < TELLER_LEFT; i++)
        if (t->left[i] == run)
            t->left[i] = NULL;
    free(run->what);
    free(run->probe);
    free(run->input);
    free(run);
    want_next(t);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct teller_run *run = handle->data;
    closer_drop(&run->closer);
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

/* Only while it is not reaped: until then its pid, and so its group, cannot be another's. */
static int kill_group(const struct teller_run *run)
{
    return run->running ? kill(-run->process.pid, SIGKILL) : 0;
}

static void log_failure(const struct teller_run *run, const char *why)
{
    const struct log_field fields[] = {{.key = "probe", .value = run->probe}, {.key = NULL}};
    log_event(LOG_WARN, fields, "%s: %s %s", run->teller->key, run->what, why);
}

static void judge(struct teller_run *run, int status, int signum)
{
    struct teller *t = run->teller;
    char why[160], limit[CLOCK_SHORT_SIZE];
    if (!t->open)
        return; /* we stop: it was killed for that */
    if (run->timed_out) {
        t->counts.timed_out++;
        snprintf(why, sizeof why, "was killed: not done within %s",
                 clock_short(run->timeout, limit));
    } else if (signum) {
        t->counts.failed++;
        snprintf(why, sizeof why, "ended by signal %d (%s)", signum, strsignal(signum));
    } else if (status && run->webhook) {
        t->counts.failed++;
        snprintf(why, sizeof why, "failed: ");
        webhook_words(status, why + strlen(why), sizeof why - strlen(why));
    } else if (status) {
        t->counts.failed++;
        snprintf(why, sizeof why, "ended with exit code %d", status);
    } else {
        t->counts.told++;
        return;
    }
    log_failure(run, why);
}

static void on_exit_child(uv_process_t *process, int64_t status, int signum)
{
    struct teller_run *run = process->data;
    struct teller *t = run->teller;
    run->running = false;
    if (t->run == run) { /* else it was told of, when it was left */
        if (t->open)
            sched_clear(&t->engine->sched, &t->deadline);
        judge(run, (int)status, signum);
    }
    close_handle((uv_handle_t *)&run->in);
    close_handle((uv_handle_t *)process);
}

/* Waits no longer for what runs; it is reaped when it ends. A place is free for it, since nothing
 * is started without one. */
static void leave(struct teller *t, const char *because)
{
    struct teller_run *run = t->run;
    char why[240], limit[CLOCK_SHORT_SIZE];
    *free_place(t) = run;
    t->run = NULL;
    t->counts.timed_out++;
    snprintf(why, sizeof why, "is left to itself: not done within %s, and %s%s",
             clock_short(run->timeout, limit), because,
             free_place(t) ? "" : "; no other is started before one of those that were left ends");
    log_failure(run, why);
    close_handle((uv_handle_t *)&run->in);
    want_next(t);
}

static void on_deadline(struct sched_entry *entry, int64_t now)
{
    struct teller *t = container_of(entry, struct teller, deadline);
    struct teller_run *run = t->run;
    char because[80];
    if (!run || !run->running)
        return;
    if (run->timed_out) {
        leave(t, "a kill did not end it");
        return;
    }
    run->timed_out = true;
    if (kill_group(run) == 0) {
        sched_set(&t->engine->sched, entry, time_add(now, KILL_LIMIT));
        return;
    }
    /* A set-user-ID program that has become another user. */
    snprintf(because, sizeof because, "cannot be killed (%s)", strerror(errno));
    leave(t, because);
}

/* A command need not read its input. */
static void on_written(uv_write_t *req, int status)
{
    struct teller_run *run = req->data;
    (void)status;
    close_handle((uv_handle_t *)&run->in);
}

static void write_input(struct teller_run *run)
{
    uv_buf_t buf = uv_buf_init(run->input, (unsigned)strlen(run->input));
    run->write.data = run;
    if (uv_write(&run->write, (uv_stream_t *)&run->in, &buf, 1, on_written) < 0)
        close_handle((uv_handle_t *)&run->in);
}

static int spawn(struct teller_run *run)
{
    struct teller *t = run->teller;
    char name[] = "probe", entry[] = WEBHOOK_ENTRY;
    char *own[] = {name, entry, NULL};
    const struct spawn child = {.file = run->webhook ? "/proc/self/exe" : t->argv[0],
                                .args = run->webhook ? own : t->argv,
                                .kept = env_kept,
                                .in = &run->in,
                                .on_exit = on_exit_child};
    return spawn_start(t->engine->loop, &run->process, &child);
}

/* The event with the verdict of now. Before it the webhook gets two lines: our process, and its
 * URL, which must stand in no argument. */
static char *make_input(const struct teller *t, const char *event)
{
    struct readiness r = engine_readiness(t->engine, clock_now());
    char asks[16] = "";
    if (t->url)
        snprintf(asks, sizeof asks, "%ld\n", (long)getpid());
    return str_format("%s%s%s%s,\"live\":%s,\"ready\":%s,\"dropped\":%" PRIu64 "}\n", asks,
                      t->url ? t->url : "", t->url ? "\n" : "", event,
                      r.live && !r.stale ? "true" : "false",
                      verdict_is_ready(&r) ? "true" : "false", t->counts.dropped);
}

/* Takes the event. */
static void start(struct teller *t, struct teller_event *event)
{
    struct teller_run *run = calloc(1, sizeof *run);
    if (!run) {
        forget(event);
        return;
    }
    *run = (struct teller_run){.teller = t, .webhook = t->url != NULL, .timeout = t->timeout};
    run->what = strdup(t->url ? "the webhook" : t->argv[0]);
    run->input = make_input(t, event->json);
    run->probe = event->probe;
    event->probe = NULL;
    forget(event);
    closer_init(&run->closer, t->engine->loop, on_closed);
    closer_close(&run->closer); /* of which nothing but the two is left */
    closer_hold(&run->closer);
    uv_pipe_init(t->engine->loop, &run->in, 0);
    run->in.data = run->process.data = run;
    t->run = run;
    int rc = run->what && run->input ? spawn(run) : UV_ENOMEM;
    run->process.data = run;
    if (run->process.loop) /* it was made, even where it could not be started */
        closer_hold(&run->closer);
    if (rc == 0) {
        run->running = true;
        sched_set(&t->engine->sched, &t->deadline, time_add(clock_now(), t->timeout));
        write_input(run);
        return;
    }
    t->counts.failed++;
    char why[120];
    snprintf(why, sizeof why, "cannot be started: %s", uv_strerror(rc));
    log_failure(run, why);
    if (run->process.loop)
        close_handle((uv_handle_t *)&run->process);
    close_handle((uv_handle_t *)&run->in);
}

/* ---- The line ---- */

static void on_next(struct sched_entry *entry, int64_t now)
{
    struct teller *t = container_of(entry, struct teller, next);
    (void)now;
    if (t->run || !t->n)
        return;
    struct teller_event event = t->line[t->first];
    t->line[t->first] = (struct teller_event){0};
    t->first = (t->first + 1) % TELLER_LINE;
    if (--t->n == 0)
        t->dropped_now = 0;
    if (t->argv || t->url)
        start(t, &event);
    else
        forget(&event); /* a reload took the command away */
    want_next(t);
}

static void drop_oldest(struct teller *t)
{
    forget(&t->line[t->first]);
    t->first = (t->first + 1) % TELLER_LINE;
    t->n--;
    t->counts.dropped++;
    if (t->dropped_now++ == 0)
        log_warn("%s: more than %d transitions wait to be told: the oldest are dropped", t->key,
                 TELLER_LINE);
}

/* A probe that cannot be relied on any more, or that is known to be bad. */
static bool is_worse(const struct check *c, enum health_status from)
{
    enum health_status to = c->health.status;
    if (from == to) /* its warning began or ended */
        return check_warning(c) != NULL;
    return to == HEALTH_UNHEALTHY || (from == HEALTH_HEALTHY && to != HEALTH_HEALTHY);
}

/* As in /events, and what a person wants to know beside. */
static char *event_json(const struct check *c, enum health_status from)
{
    struct buf b;
    struct jsonw j;
    buf_init(&b, EVENT_MAX);
    jsonw_init(&j, &b);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "name", c->conf->name);
    jsonw_string(&j, "type", c->conf->type->name);
    jsonw_string(&j, "target", c->conf->target);
    document_change(&j, c, health_status_name(from), health_status_name(c->health.status));
    jsonw_int(&j, "failing_streak", c->health.failing_streak);
    jsonw_bool(&j, "required", c->conf->required);
    document_labels(&j, "labels", &c->conf->labels);
    jsonw_bool(&j, "worse", is_worse(c, from));
    jsonw_object(&j, "agent");
    document_identity(&j, c->engine);
    jsonw_end(&j);
    return buf_take(&b);
}

void teller_on_transition(struct teller *t, const struct check *c, enum health_status from)
{
    if (!t->open || t->engine->stopping || (!t->argv && !t->url))
        return;
    struct teller_event event = {.probe = strdup(c->conf->name), .json = event_json(c, from)};
    if (!event.probe || !event.json) {
        forget(&event);
        t->counts.dropped++;
        return;
    }
    if (t->n == TELLER_LINE)
        drop_oldest(t);
    t->line[(t->first + t->n++) % TELLER_LINE] = event;
    want_next(t);
}

/* ---- Opening and closing ---- */

void teller_open(struct teller *t, struct engine *e, const char *key)
{
    *t = (struct teller){.engine = e, .key = key, .open = true};
    t->next.fire = on_next;
    t->deadline.fire = on_deadline;
}

void teller_set(struct teller *t, char **argv, char *url, int64_t timeout)
{
    words_free(t->argv);
    free(t->url);
    t->argv = argv;
    t->url = url;
    t->timeout = timeout;
}

void teller_close(struct teller *t)
{
    if (!t->open)
        return;
    t->open = false;
    for (; t->n; t->n--, t->first = (t->first + 1) % TELLER_LINE)
        forget(&t->line[t->first]);
    sched_clear(&t->engine->sched, &t->next);
    sched_clear(&t->engine->sched, &t->deadline);
    teller_set(t, NULL, NULL, 0);
    for (size_t i = 0; i < TELLER_LEFT; i++)
        if (t->left[i])
            close_handle((uv_handle_t *)&t->left[i]->process);
    if (!t->run)
        return;
    /* Its process handle is closed once it is reaped, if it can be ended. */
    if (kill_group(t->run) < 0)
        close_handle((uv_handle_t *)&t->run->process);
    close_handle((uv_handle_t *)&t->run->in);
}
