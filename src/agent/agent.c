/* agent: see agent.h. It puts engine, API, reports, signals, service notification and log together;
 * what each does stands in its own room. */
#include "agent/agent.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "agent/reload.h"
#include "agent/watch.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/str.h"
#include "engine/session.h"
#include "health/repeat.h"
#include "loop/notify.h"
#include "loop/reaper.h"
#include "reports/ready_fd.h"
#include "reports/reports.h"
#include "serve/serve.h"
#include "view/document.h"

/* The stop is to take under a second; what still hangs after this is left to the kernel. */
#define STOP_LIMIT_MS 800
#define INHERITED_MAX 256       /* looked at where Linux is older than 5.11 */
#define CLOSE_ON_EXEC (1U << 2) /* linux/close_range.h */

struct agent {
    const struct config_source *source;
    const struct agent_conf *conf; /* of the start: what a reload cannot change is as it was */
    struct session session;
    struct serve *serve; /* NULL: not open */
    struct reports reports;
    struct reload reload;
    struct file_watch watch;
    bool watches;
    struct reaper reaper;
    struct notify notify;
    struct sched_entry watchdog;
    bool stopping;
};

/* ---- The log: transitions, and persisting failures now and then. ---- */

static void log_check(const struct check *c, const char *from, enum log_level level,
                      const char *message)
{
    const struct check_result *last = document_last(c);
    const struct log_field fields[] = {
        {.key = "probe", .value = c->conf->name},
        {.key = "from", .value = from},
        {.key = "to", .value = from ? health_status_name(c->health.status) : NULL},
        {.key = "reason",
         .value = last && last->reason != REASON_OK ? reason_name(last->reason) : NULL},
        {.key = "detail", .value = last ? last->detail : NULL},
        {.key = "warning", .value = check_warning(c)},
        {.key = "failing_streak", .kind = LOG_COUNT, .number = c->health.failing_streak},
        {.key = last ? "duration_ms" : NULL, .kind = LOG_MS, .number = last ? last->duration : 0},
        {.key = NULL},
    };
    log_event(level, fields, "%s", message);
}

static void on_transition(void *ctx, struct check *c, enum health_status from)
{
    struct agent *a = ctx;
    enum health_status to = c->health.status;
    log_check(c, health_status_name(from), to == HEALTH_UNHEALTHY ? LOG_WARN : LOG_INFO,
              health_status_name(to));
    reports_on_transition(&a->reports, c, from);
    if (a->serve)
        serve_on_transition(a->serve, c, from);
}

/* Told as a transition from healthy to healthy: the status is the same. */
static void on_warning(void *ctx, struct check *c)
{
    struct agent *a = ctx;
    bool begins = check_warning(c);
    log_check(c, NULL, begins ? LOG_WARN : LOG_INFO, begins ? "warning" : "warning ended");
    reports_on_transition(&a->reports, c, c->health.status);
    if (a->serve)
        serve_on_transition(a->serve, c, c->health.status);
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    struct agent *a = ctx;
    int64_t end = r->started + r->duration;
    if (c->n_results > 1 && c->health.status == HEALTH_UNHEALTHY) {
        const struct check_result *before = &c->history[(c->n_results - 2) % CHECK_HISTORY];
        if (repeat_is_due(c->health.since, before->started + before->duration, end))
            log_check(c, NULL, LOG_WARN, "still unhealthy");
    }
    if (log_enabled(LOG_DEBUG))
        log_check(c, NULL, LOG_DEBUG, "checked");
    if (a->serve)
        serve_on_result(a->serve);
}

/* ---- Reload. ---- */

/* The default socket's folder may be missing (a scratch image, a plain user): it is made if it can
 * be, else the agent goes without the socket and says so. One that the user named must work. */
static void prepare_default_socket(struct agent_conf *conf)
{
    if (!conf->socket || strcmp(conf->socket, CONFIG_DEFAULT_SOCKET) != 0)
        return;
    char dir[] = CONFIG_DEFAULT_SOCKET;
    const char *by_tcp = conf->listen ? "; it is asked by TCP: --agent http://HOST:PORT" : "";
    *strrchr(dir, '/') = '\0';
    if (mkdir(dir, 0755) < 0 && errno != EEXIST) {
        log_warn("no socket: cannot make %s: %s%s", dir, strerror(errno), by_tcp);
    } else if (access(dir, W_OK) < 0) {
        log_warn("no socket: cannot write in %s: %s%s", dir, strerror(errno), by_tcp);
    } else {
        return;
    }
    free(conf->socket);
    conf->socket = NULL;
}

void agent_log_report(const struct config_report *report)
{
    for (size_t i = 0; i < report->n; i++)
        log_event(report->problems[i].is_error ? LOG_ERROR : LOG_WARN, NULL, "%s",
                  report->problems[i].text);
}

static void on_reload_begin(struct reload *r)
{
    notify_reloading(&container_of(r, struct agent, reload)->notify);
}

/* Opens what is new beside what is in use, and changes nothing where that fails. The checks are
 * loaded last, since nothing may fail after them. */
static int apply(struct reload *r, struct config *config, struct err *e)
{
    struct agent *a = container_of(r, struct agent, reload);
    struct engine *engine = &a->session.engine;
    struct agent_conf *conf = &config->agent;
    struct reports_draft reports;
    struct serve_draft serve;
    prepare_default_socket(conf);
    if (conf->ready_fd != a->conf->ready_fd)
        return err_set(e, "ready_fd is taken at the start: to change it, restart the agent");
    if (reports_prepare(&a->reports, conf, &reports, e) < 0)
        return -1;
    if (serve_prepare(a->serve, conf, &serve, e) < 0) {
        reports_discard(&reports);
        return -1;
    }
    if (engine_load(engine, config, e) < 0) {
        serve_discard(a->serve, &serve);
        reports_discard(&reports);
        return -1;
    }
    serve_commit(a->serve, &serve);
    reports_commit(&a->reports, conf, &reports);
    engine->env.max_workers = conf->max_workers;
    log_setup(conf->log_json, (enum log_level)conf->log_level);
    return 0;
}

/* Also those of a configuration that was refused: one of them may be what it lacks. */
static void watch_files(struct agent *a, const struct config_report *report)
{
    if (!a->watches)
        watch_set(&a->watch, NULL, 0);
    else if (report->n_files)
        watch_set(&a->watch, report->files, report->n_files);
}

static void on_reload_end(struct reload *r, const struct config *config,
                          const struct config_report *report)
{
    struct agent *a = container_of(r, struct agent, reload);
    agent_log_report(report);
    if (config)
        a->watches = config->agent.watch;
    watch_files(a, report);
    if (config) {
        log_info("reloaded, %zu probe%s", config->n_checks, config->n_checks == 1 ? "" : "s");
        if (a->serve)
            serve_on_reload(a->serve);
    } else {
        log_error("reload refused, the configuration in use stays");
    }
    reports_started(&a->reports);
    if (a->serve)
        serve_answer_reload(a->serve, r->number, config != NULL, report);
}

static void on_file_change(struct file_watch *w, const char *path)
{
    struct agent *a = container_of(w, struct agent, watch);
    log_info("%s has changed, reloading", path);
    reload_ask(&a->reload);
}

static uint64_t ask_reload(void *ctx)
{
    struct agent *a = ctx;
    return reload_ask(&a->reload);
}

static struct told_counts told(void *ctx)
{
    struct agent *a = ctx;
    return reports_told(&a->reports);
}

/* ---- Start and stop. ---- */

static void on_stop_limit(int signum)
{
    (void)signum;
    _exit(EXIT_SUCCESS);
}

/* By the kernel's timer, not the loop's: it holds even if the loop itself hangs. */
static void limit_stop(void)
{
    struct sigaction action = {.sa_handler = on_stop_limit};
    struct itimerval limit = {.it_value = {.tv_usec = STOP_LIMIT_MS * 1000}};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &limit, NULL);
}

static void on_serve_closed(void *ctx)
{
    struct agent *a = ctx;
    a->serve = NULL;
}

static void close_all(struct agent *a)
{
    if (a->serve)
        serve_close(a->serve, on_serve_closed, a);
    watch_close(&a->watch);
    reload_close(&a->reload);
    reports_close(&a->reports);
    reaper_close(&a->reaper);
    session_stop(&a->session);
}

static void stop(struct agent *a)
{
    if (a->stopping)
        return;
    a->stopping = true;
    notify_stopping(&a->notify);
    limit_stop();
    close_all(a);
}

static void on_signal(struct session *s, int signum)
{
    struct agent *a = container_of(s, struct agent, session);
    if (signum == SIGHUP) {
        reload_ask(&a->reload);
        return;
    }
    log_info("stopping on signal %d", signum);
    stop(a);
}

static void on_watchdog(struct sched_entry *entry, int64_t now)
{
    struct agent *a = container_of(entry, struct agent, watchdog);
    notify_alive(&a->notify);
    sched_set(&a->session.engine.sched, entry, time_add(now, a->notify.watchdog_ns));
}

/* Closes what is open in order: a handle that is forgotten must show here, too. */
static int give_up(struct agent *a)
{
    close_all(a);
    session_run(&a->session);
    return -1;
}

static int open_all(struct agent *a, struct config *config, struct err *e)
{
    const struct serve_hooks serve_hooks = {.reload = ask_reload, .ctx = a, .told = told};
    const struct engine_hooks hooks = {
        .on_result = on_result, .on_transition = on_transition, .on_warning = on_warning, .ctx = a};
    if (session_open(&a->session, config, true, &hooks, on_signal, e) < 0)
        return -1;
    struct engine *engine = &a->session.engine;
    a->reload = (struct reload){.engine = engine,
                                .source = a->source,
                                .on_begin = on_reload_begin,
                                .apply = apply,
                                .on_end = on_reload_end};
    reload_init(&a->reload);
    prepare_default_socket(&config->agent);
    if (serve_open(&a->serve, engine, &config->agent, &serve_hooks, e) < 0)
        return give_up(a);
    notify_open(&a->notify);
    if (reports_open(&a->reports, engine, &config->agent, &a->notify, e) < 0)
        return give_up(a);
    int rc = reaper_open(&a->reaper, engine->loop);
    if (rc < 0) {
        err_set(e, "cannot watch for orphans: %s", uv_strerror(rc));
        return give_up(a);
    }
    a->watch = (struct file_watch){.engine = engine, .on_change = on_file_change};
    watch_open(&a->watch);
    a->watchdog.fire = on_watchdog;
    if (a->notify.watchdog_ns)
        sched_set(&engine->sched, &a->watchdog, clock_now());
    return 0;
}

static int serve_until_stopped(struct agent *a, size_t n_checks, const struct agent_conf *conf)
{
    log_info("probe %s watches %zu probe%s, socket %s, listen %s", PROBE_VERSION, n_checks,
             n_checks == 1 ? "" : "s", conf->socket ? conf->socket : "off",
             conf->listen ? conf->listen : "off");
    reports_started(&a->reports);
    memory_settle();
    session_run(&a->session);
    notify_close(&a->notify);
    return 0;
}

/* The commands that the agent starts must not inherit what its parent left open. */
static void keep_descriptors(void)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_ON_EXEC) == 0)
        return;
#endif
    for (int fd = 3; fd < INHERITED_MAX; fd++)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
}

int agent_run(const struct config_source *source, struct config *config,
              const struct config_report *report, struct err *e)
{
    struct agent a = {.source = source, .conf = &config->agent};
    keep_descriptors();
    if (config->agent.ready_fd >= 0 && ready_fd_take(config->agent.ready_fd, e) < 0)
        return AGENT_BAD_CONFIG;
    if (open_all(&a, config, e) < 0)
        return AGENT_FAILED;
    a.watches = config->agent.watch;
    watch_files(&a, report);
    return serve_until_stopped(&a, config->n_checks, &config->agent);
}
