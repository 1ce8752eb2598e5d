/* metrics_agent: what the agent says of itself: its verdict, its loop, its reloads, its process. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/labels.h"
#include "serve/metrics.h"
#include "view/verdict.h"

#define FDS_COUNTED 1000

void metrics_add_head(struct buf *b, bool open, const char *name, const char *type,
                      const char *help)
{
    size_t len = strlen(name), total = strlen("_total");
    if (open && strcmp(type, "counter") == 0 && len > total)
        len -= total;
    buf_printf(b, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)len, name, help, (int)len, name, type);
}

static void add_gauge(struct buf *b, bool open, const char *name, const char *help, double value)
{
    metrics_add_head(b, open, name, "gauge", help);
    buf_printf(b, "%s %.9g\n", name, value);
}

/* The size of the folder since Linux 6.2. On older ones the entries are counted, as far as that
 * takes no more than a moment. -1: not known. */
static long count_open_fds(void)
{
    struct stat st;
    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (long)st.st_size;
    DIR *d = opendir("/proc/self/fd");
    long n = -3; /* ".", ".." and the directory itself */
    if (!d)
        return -1;
    while (n <= FDS_COUNTED && readdir(d))
        n++;
    closedir(d);
    return n <= FDS_COUNTED ? n : -1;
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

static void add_process(struct buf *b, bool open)
{
    struct rusage u;
    unsigned long long start;
    long pages, fds = count_open_fds();
    getrusage(RUSAGE_SELF, &u);
    metrics_add_head(b, open, "process_cpu_seconds_total", "counter",
                     "CPU time of the agent, user and system.");
    buf_printf(b, "process_cpu_seconds_total %.6f\n",
               (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
                   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6);
    if (read_stat(&start, &pages)) {
        add_gauge(b, open, "process_resident_memory_bytes", "Memory of the agent that is in RAM.",
                  (double)pages * (double)sysconf(_SC_PAGESIZE));
        metrics_add_head(b, open, "process_start_time_seconds", "gauge",
                         "When the agent was started.");
        buf_printf(b, "process_start_time_seconds %.2f\n",
                   boot_time() + (double)start / (double)sysconf(_SC_CLK_TCK));
    }
    if (fds >= 0)
        add_gauge(b, open, "process_open_fds", "Open descriptors of the agent.", (double)fds);
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur != RLIM_INFINITY)
        add_gauge(b, open, "process_max_fds", "Descriptors that the agent may have.",
                  (double)r.rlim_cur);
}

static void add_told(struct buf *b, bool open, struct told_counts n)
{
    const struct {
        const char *result;
        uint64_t n;
    } rows[] = {
        {"ok", n.told}, {"failed", n.failed}, {"timeout", n.timed_out}, {"dropped", n.dropped}};
    metrics_add_head(
        b, open, "probe_on_transition_total", "counter",
        "Transitions that on_transition and on_transition_url were to tell of, by result.");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        buf_printf(b, "probe_on_transition_total{result=\"%s\"} %" PRIu64 "\n", rows[i].result,
                   rows[i].n);
}

/* A bound as a label; OpenMetrics wants a fraction in each. */
static const char *bound(int i, bool open, char text[24])
{
    snprintf(text, 24, "%g", (double)check_bucket_bounds[i] / (double)NS_PER_S);
    if (open && !strpbrk(text, ".e"))
        strcat(text, ".0");
    return text;
}

/* By type and not by probe: that would be two thirds of the answer, and what few buckets say of
 * one probe its last duration says better. */
static void add_durations(struct buf *b, bool open, const struct engine *e)
{
    static const char name[] = "probe_check_duration_seconds";
    metrics_add_head(b, open, name, "histogram", "How long the checks took.");
    for (const struct check_durations *d = e->durations; d; d = d->next) {
        uint64_t sum = 0;
        char seconds[BUF_UINT_MAX + 13], le[24];
        for (int i = 0; i <= CHECK_BUCKETS; i++) {
            sum += d->buckets[i];
            buf_printf(b, "%s_bucket{type=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, d->type->name,
                       i < CHECK_BUCKETS ? bound(i, open, le) : "+Inf", sum);
        }
        *metrics_write_seconds(seconds, d->sum, 9) = '\0';
        buf_printf(b, "%s_sum{type=\"%s\"} %s", name, d->type->name, seconds);
        buf_printf(b, "%s_count{type=\"%s\"} %" PRIu64 "\n", name, d->type->name, sum);
    }
}

/* As a line of its own, to be joined on `instance`: a label on every line would cost a tenth of the
 * answer. */
static void add_identity(struct buf *b, bool open, const struct identity *id)
{
    char host[IDENTITY_HOST];
    metrics_add_head(b, open, "probe_agent_info", "gauge", "Which agent this is.");
    buf_puts(b, "probe_agent_info{agent=\"");
    metrics_add_label_value(b, identity_name(id, host));
    buf_putc(b, '"');
    metrics_add_labels(b, &id->labels);
    buf_puts(b, "} 1\n");
}

void metrics_add_agent(struct buf *b, bool open, struct facts *f, int64_t now)
{
    const struct readiness *r = facts_verdict(f, now);
    metrics_add_head(b, open, "probe_build_info", "gauge", "The version of the agent.");
    buf_puts(b, "probe_build_info{version=\"" PROBE_VERSION "\"} 1\n");
    add_identity(b, open, &f->engine->identity);
    add_gauge(b, open, "probe_agent_live", "1 if GET /live says so.", r->live && !r->stale);
    add_gauge(b, open, "probe_agent_ready", "1 if GET /ready says so.", verdict_is_ready(r));
    add_gauge(b, open, "probe_agent_loop_lag_seconds",
              "How late the agent's loop was at most in the last minute or two.",
              (double)engine_lag(f->engine) / (double)NS_PER_S);
    add_durations(b, open, f->engine);
    add_gauge(b, open, "probe_config_last_reload_successful",
              "1 if the last reload took the configuration, or there was none yet.",
              !f->reload_failed);
    metrics_add_head(b, open, "probe_config_last_reload_success_timestamp_seconds", "gauge",
                     "When a configuration was taken last.");
    buf_printf(b, "probe_config_last_reload_success_timestamp_seconds %.3f\n",
               (double)f->reloaded_wall / (double)NS_PER_S);
    if (f->told)
        add_told(b, open, f->told(f->ctx));
    add_process(b, open);
}
