/* metrics: GET /metrics, the Prometheus text format 0.0.4. One family after the other, each over
 * all probes, as the format asks for; made in slices. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/document.h"
#include "serve/internal.h"

#define PROBES_AT_ONCE 32

struct family {
    const char *name, *type, *help;
    /* Appends the family's lines of one probe. */
    void (*add)(struct buf *b, const struct family *f, const struct check *c, int64_t now);
};

/* ---- Pieces ---- */

static void add_label_value(struct buf *b, const char *s)
{
    for (;;) {
        const char *plain = s;
        size_t n;
        while (*s && *s != '\n' && *s != '"' && *s != '\\' && (n = str_utf8_len(s)))
            s += n;
        buf_add(b, plain, (size_t)(s - plain));
        if (!*s)
            return;
        if (*s == '\n')
            buf_puts(b, "\\n");
        else if (*s == '"' || *s == '\\')
            buf_printf(b, "\\%c", *s);
        else
            buf_puts(b, "\xef\xbf\xbd");
        s++;
    }
}

static void add_labels(struct buf *b, const char *name, const char *suffix, const struct check *c)
{
    buf_puts(b, name);
    buf_puts(b, suffix);
    buf_puts(b, "{name=\"");
    add_label_value(b, c->conf->name);
    buf_puts(b, "\",type=\"");
    buf_puts(b, c->conf->type->name);
    buf_putc(b, '"');
}

static void add_count(struct buf *b, uint64_t n)
{
    buf_put_uint(b, n);
    buf_putc(b, '\n');
}

static void add_seconds(struct buf *b, int64_t ns)
{
    char fraction[10] = ".";
    int64_t rest = ns % NS_PER_S;
    for (int i = 9; i > 0; i--, rest /= 10)
        fraction[i] = (char)('0' + rest % 10);
    buf_put_uint(b, (uint64_t)(ns / NS_PER_S));
    buf_add(b, fraction, sizeof fraction);
    buf_putc(b, '\n');
}

/* ---- Families ---- */

static void add_healthy(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    add_labels(b, f->name, "", c);
    buf_puts(b, document_status_of(c, now) == HEALTH_HEALTHY ? "} 1\n" : "} 0\n");
}

static void add_status(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    static const enum health_status all[] = {HEALTH_STARTING, HEALTH_HEALTHY, HEALTH_UNHEALTHY,
                                             HEALTH_BLOCKED};
    enum health_status status = document_status_of(c, now);
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        add_labels(b, f->name, "", c);
        buf_puts(b, ",status=\"");
        buf_puts(b, health_status_name(all[i]));
        buf_puts(b, all[i] == status ? "\"} 1\n" : "\"} 0\n");
    }
}

static void add_info(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    unsigned levels = c->conf->levels;
    (void)now;
    add_labels(b, f->name, "", c);
    buf_puts(b, ",target=\"");
    add_label_value(b, c->conf->target);
    buf_printf(b, "\",level=\"%s%s%s\",required=\"%s\"} 1\n", levels & LEVEL_ALIVE ? "alive" : "",
               levels == (LEVEL_ALIVE | LEVEL_READY) ? "," : "",
               levels & LEVEL_READY ? "ready" : "", c->conf->required ? "yes" : "no");
}

/* The bounds as labels, made once: printing a double costs more than the rest of its line. */
static const char *bound(int i)
{
    static char text[CHECK_BUCKETS][24];
    if (!text[i][0])
        snprintf(text[i], sizeof text[i], ",le=\"%g\"} ",
                 (double)check_bucket_bounds[i] / (double)NS_PER_S);
    return text[i];
}

static void add_duration(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    struct buf start;
    uint64_t sum = 0;
    (void)now;
    buf_init(&start, 64 * 1024);
    add_labels(&start, f->name, "_bucket", c);
    if (start.failed)
        b->failed = true;
    for (int i = 0; i < CHECK_BUCKETS && !start.failed; i++) {
        sum += c->buckets[i];
        buf_add(b, start.data, start.len);
        buf_puts(b, bound(i));
        add_count(b, sum);
    }
    buf_fini(&start);
    sum += c->buckets[CHECK_BUCKETS];
    add_labels(b, f->name, "_bucket", c);
    buf_puts(b, ",le=\"+Inf\"} ");
    add_count(b, sum);
    add_labels(b, f->name, "_sum", c);
    buf_puts(b, "} ");
    add_seconds(b, c->duration_sum);
    add_labels(b, f->name, "_count", c);
    buf_puts(b, "} ");
    add_count(b, sum);
}

static void add_checks(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    (void)now;
    add_labels(b, f->name, "", c);
    buf_puts(b, "} ");
    add_count(b, c->checks_total);
}

static void add_failures(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    (void)now;
    for (int i = REASON_OK + 1; i < REASON_COUNT; i++) {
        if (!c->failures_by_reason[i])
            continue;
        add_labels(b, f->name, "", c);
        buf_puts(b, ",reason=\"");
        buf_puts(b, reason_name((enum reason)i));
        buf_puts(b, "\"} ");
        add_count(b, c->failures_by_reason[i]);
    }
}

static void add_streak(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    (void)now;
    add_labels(b, f->name, "", c);
    buf_puts(b, "} ");
    add_count(b, c->health.failing_streak);
}

static void add_stale(struct buf *b, const struct family *f, const struct check *c, int64_t now)
{
    add_labels(b, f->name, "", c);
    buf_puts(b, check_is_stale(c, now) ? "} 1\n" : "} 0\n");
}

static void add_last_check(struct buf *b, const struct family *f, const struct check *c,
                           int64_t now)
{
    const struct check_result *last = check_last(c);
    (void)now;
    if (!last)
        return;
    add_labels(b, f->name, "", c);
    buf_puts(b, "} ");
    add_seconds(b, last->started_wall);
}

static void add_last_success(struct buf *b, const struct family *f, const struct check *c,
                             int64_t now)
{
    (void)now;
    if (!c->last_success_wall)
        return;
    add_labels(b, f->name, "", c);
    buf_puts(b, "} ");
    add_seconds(b, c->last_success_wall);
}

static void add_certificate(struct buf *b, const struct family *f, const struct check *c,
                            int64_t now)
{
    (void)now;
    if (!c->cert_not_after)
        return;
    add_labels(b, f->name, "", c);
    buf_printf(b, "} %" PRId64 "\n", c->cert_not_after);
}

static const struct family families[] = {
    {"probe_healthy", "gauge", "1 if the probe is healthy, 0 if it is not or not known yet.",
     add_healthy},
    {"probe_status", "gauge", "1 for the status that the probe has, 0 for the others.", add_status},
    {"probe_info", "gauge", "What is probed, and which verdicts it counts in.", add_info},
    {"probe_check_duration_seconds", "histogram", "How long the checks took.", add_duration},
    {"probe_checks_total", "counter", "Checks that ended.", add_checks},
    {"probe_check_failures_total", "counter", "Checks that failed, by reason.", add_failures},
    {"probe_failing_streak", "gauge", "Failures in a row that count.", add_streak},
    {"probe_stale", "gauge", "1 if the verdict is older than its schedule allows.", add_stale},
    {"probe_last_check_timestamp_seconds", "gauge", "When the last check that ended was started.",
     add_last_check},
    {"probe_last_success_timestamp_seconds", "gauge", "When a check succeeded last.",
     add_last_success},
    {"probe_tls_certificate_not_after_timestamp_seconds", "gauge",
     "When the server's certificate ends.", add_certificate},
};

/* ---- The agent itself ---- */

static void add_head(struct buf *b, const char *name, const char *type, const char *help)
{
    buf_printf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void add_gauge(struct buf *b, const char *name, const char *help, double value)
{
    add_head(b, name, "gauge", help);
    buf_printf(b, "%s %.9g\n", name, value);
}

static long count_open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    long n = -3; /* ".", ".." and the directory itself */
    if (!d)
        return -1;
    while (readdir(d))
        n++;
    closedir(d);
    return n;
}

/* Start time and resident pages from /proc/self/stat: fields 22 and 24. False: not to be had. */
static bool read_stat(unsigned long long *start_ticks, long *pages)
{
    char text[1024];
    int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    char *at = strrchr(text, ')'); /* the program's name may hold anything */
    return at && sscanf(at + 1,
                        " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                        "%*d %*d %llu %*u %ld",
                        start_ticks, pages) == 2;
}

static double boot_time(void)
{
    struct timespec boot;
    clock_gettime(CLOCK_BOOTTIME, &boot);
    return (double)clock_wall() / (double)NS_PER_S - (double)boot.tv_sec -
           (double)boot.tv_nsec / (double)NS_PER_S;
}

static void add_process(struct buf *b)
{
    struct rusage u;
    unsigned long long start;
    long pages, fds = count_open_fds();
    getrusage(RUSAGE_SELF, &u);
    add_head(b, "process_cpu_seconds_total", "counter", "CPU time of the agent, user and system.");
    buf_printf(b, "process_cpu_seconds_total %.6f\n",
               (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    if (read_stat(&start, &pages)) {
        add_gauge(b, "process_resident_memory_bytes", "Memory of the agent that is in RAM.",
                  (double)pages * (double)sysconf(_SC_PAGESIZE));
        add_head(b, "process_start_time_seconds", "gauge", "When the agent was started.");
        buf_printf(b, "process_start_time_seconds %.2f\n",
                   boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK));
    }
    if (fds >= 0)
        add_gauge(b, "process_open_fds", "Open descriptors of the agent.", (double)fds);
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
        add_gauge(b, "process_max_fds", "Descriptors that the agent may have.", (double)r.rlim_cur);
}

static void add_told(struct buf *b, struct serve *s)
{
    struct told_counts n = {0};
    if (s->hooks.told)
        n = s->hooks.told(s->hooks.ctx);
    const struct {
        const char *result;
        uint64_t n;
    } rows[] = {
        {"ok", n.told}, {"failed", n.failed}, {"timeout", n.timed_out}, {"dropped", n.dropped}};
    add_head(b, "probe_on_transition_total", "counter",
             "Transitions that on_transition and on_transition_url were to tell of, by result.");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_printf(b, "probe_on_transition_total{result=\"%s\"} %" PRIu64 "\n", rows[i].result,
                   rows[i].n);
}

static void add_agent(struct buf *b, struct serve *s, int64_t now)
{
    const struct readiness *r = serve_verdict(s, now);
    add_head(b, "probe_build_info", "gauge", "The version of the agent.");
    buf_puts(b, "probe_build_info{version=\"" PROBE_VERSION "\"} 1\n");
    add_gauge(b, "probe_agent_live", "1 if GET /live says so.", r->live && !r->stale);
    add_gauge(b, "probe_agent_ready", "1 if GET /ready says so.", r->ready && !r->stale);
    add_gauge(b, "probe_agent_loop_lag_seconds",
              "How late the agent's loop was at most in the last minute or two.",
              (double)engine_lag(s->engine) / (double)NS_PER_S);
    add_told(b, s);
    add_process(b);
}

enum stream_state metrics_more(struct stream *st, int64_t now)
{
    struct serve *s = request_serve(st->request);
    const struct engine *e = s->engine;
    if (stream_outdated(st))
        return STREAM_DONE;
    if (st->part == 0) {
        add_agent(&st->buf, s, now);
        st->part = 1;
        return e->n_checks ? STREAM_MORE : STREAM_DONE;
    }
    const struct family *f = &families[st->part - 1];
    if (st->index == 0)
        add_head(&st->buf, f->name, f->type, f->help);
    for (int i = 0; i < PROBES_AT_ONCE && st->index < e->n_checks; i++)
        f->add(&st->buf, f, e->checks[st->index++], now);
    if (st->index < e->n_checks)
        return STREAM_MORE;
    st->index = 0;
    st->part++;
    return (size_t)st->part > ARRAY_LEN(families) ? STREAM_DONE : STREAM_MORE;
}
