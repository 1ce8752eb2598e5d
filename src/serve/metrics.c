/* metrics: GET /metrics, the Prometheus text format 0.0.4. One family after the other, each over
 * all probes, as the format asks for; made in slices. */
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "serve/internal.h"
#include "view/document.h"

#define PROBES_AT_ONCE 64
#define AHEAD          16 /* probes: how early what is read of one is asked for */
#define FDS_COUNTED    1000
#define REST_OF_LINE   96 /* behind the name: a label of ours, the value, what is between them */

/* One line of a family: of the probe `c`, whose label `{name="web"` is made already. */
struct line {
    struct buf *out;
    const struct family *family;
    size_t family_len; /* of its name */
    const char *label;
    size_t label_len;
    const struct check *c;
    int64_t now;
};

enum reads { READS_CHECK, READS_POLICY, READS_RESULT };

struct family {
    const char *name, *type, *help;
    enum reads reads; /* what of a check beside itself */
    /* Appends the family's lines of one probe. */
    void (*add)(const struct line *l);
};

/* The labels of all probes, one behind the other: each is in ten lines of every answer. Made at the
 * first request after a load, in slices as the rest; a request that finds them half made goes on.
 */
struct metrics_labels {
    uint64_t generation; /* of the engine's checks that they are for */
    size_t n;            /* so many are made */
    size_t *ends;        /* in text; that of the last is n's */
    struct buf text;
};

void metrics_free(struct metrics_labels *labels)
{
    if (!labels)
        return;
    free(labels->ends);
    buf_fini(&labels->text);
    free(labels);
}

/* ---- Pieces ---- */

/* Where a byte comes that has to be escaped, or that may not be valid UTF-8. */
static const char *skip_plain(const char *s)
{
    while ((unsigned char)*s < 0x80 && *s && *s != '\n' && *s != '"' && *s != '\\')
        s++;
    return s;
}

static void add_label_value(struct buf *b, const char *s)
{
    for (;;) {
        const char *plain = s;
        size_t n;
        s = skip_plain(s);
        while ((unsigned char)*s >= 0x80 && (n = str_utf8_len(s)))
            s = skip_plain(s + n);
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

/* Up to and with the label, with room for the rest of the line behind it. NULL: out of memory. */
static char *begin(const struct line *l)
{
    char *at = buf_room(l->out, l->family_len + l->label_len + REST_OF_LINE);
    return at ? buf_write(buf_write(at, l->family->name, l->family_len), l->label, l->label_len)
              : NULL;
}

static void add_count(const struct line *l, uint64_t n)
{
    char *at = begin(l);
    if (at)
        buf_wrote(l->out, BUF_WRITE(buf_write_uint(BUF_WRITE(at, "} "), n), "\n"));
}

static void add_flag(const struct line *l, bool yes)
{
    char *at = begin(l);
    if (at)
        buf_wrote(l->out, buf_write(at, yes ? "} 1\n" : "} 0\n", 4));
}

/* A label of ours behind the name: `label` is `,reason="` or the like. */
static void add_labelled(const struct line *l, const char *label, const char *value, uint64_t n)
{
    char *at = begin(l);
    if (!at)
        return;
    at = buf_write(at, label, strlen(label));
    at = BUF_WRITE(buf_write(at, value, strlen(value)), "\"} ");
    buf_wrote(l->out, BUF_WRITE(buf_write_uint(at, n), "\n"));
}

/* Seconds, with as many digits of a fraction: at most 9. A clock may stand before 1970. */
static char *write_seconds(char *at, int64_t ns, int digits)
{
    if (ns < 0) {
        *at++ = '-';
        ns = -ns;
    }
    int64_t rest = ns % NS_PER_S;
    for (int i = digits; i < 9; i++)
        rest /= 10;
    at = buf_write_uint(at, (uint64_t)(ns / NS_PER_S));
    at[0] = '.';
    for (int i = digits; i > 0; i--, rest /= 10)
        at[i] = (char)('0' + rest % 10);
    at[digits + 1] = '\n';
    return at + digits + 2;
}

static void add_seconds(const struct line *l, int64_t ns, int digits)
{
    char *at = begin(l);
    if (at)
        buf_wrote(l->out, write_seconds(BUF_WRITE(at, "} "), ns, digits));
}

/* ---- Families ---- */

static void add_healthy(const struct line *l)
{
    add_flag(l, document_status_of(l->c, l->now) == HEALTH_HEALTHY);
}

static void add_status(const struct line *l)
{
    add_labelled(l, ",status=\"", health_status_name(document_status_of(l->c, l->now)), 1);
}

static void add_info(const struct line *l)
{
    const struct check_conf *conf = l->c->conf;
    unsigned levels = conf->levels;
    char *at = begin(l);
    if (!at)
        return;
    buf_wrote(l->out, BUF_WRITE(at, ",type=\""));
    buf_puts(l->out, conf->type->name);
    buf_puts(l->out, "\",target=\"");
    add_label_value(l->out, conf->target);
    buf_puts(l->out, levels == (LEVEL_ALIVE | LEVEL_READY) ? "\",level=\"alive,ready"
                     : levels == LEVEL_ALIVE               ? "\",level=\"alive"
                                                           : "\",level=\"ready");
    buf_puts(l->out, conf->required ? "\",required=\"yes\"} 1\n" : "\",required=\"no\"} 1\n");
}

static void add_last_duration(const struct line *l)
{
    const struct check_result *last = check_last(l->c);
    if (last)
        add_seconds(l, last->duration, 6);
}

static void add_checks(const struct line *l)
{
    add_count(l, l->c->checks_total);
}

static void add_failures(const struct line *l)
{
    if (!l->c->failures_total)
        return;
    for (int i = REASON_OK + 1; i < REASON_COUNT; i++)
        if (l->c->failures_by_reason[i])
            add_labelled(l, ",reason=\"", reason_name((enum reason)i), l->c->failures_by_reason[i]);
}

static void add_streak(const struct line *l)
{
    add_count(l, l->c->health.failing_streak);
}

static void add_stale(const struct line *l)
{
    add_flag(l, check_is_stale(l->c, l->now));
}

static void add_warning(const struct line *l)
{
    add_flag(l, check_warning(l->c) != NULL);
}

static void add_last_success(const struct line *l)
{
    if (l->c->last_success_wall)
        add_seconds(l, l->c->last_success_wall, 3);
}

static void add_certificate(const struct line *l)
{
    char *at = l->c->cert_not_after ? begin(l) : NULL;
    if (at)
        buf_wrote(l->out, at + sprintf(at, "} %" PRId64 "\n", l->c->cert_not_after));
}

static const struct family families[] = {
    {"probe_healthy", "gauge", "1 if the probe is healthy, 0 if it is not or not known yet.",
     READS_POLICY, add_healthy},
    {"probe_status", "gauge", "Always 1, for the status that the probe has.", READS_POLICY,
     add_status},
    {"probe_info", "gauge", "What is probed, and the verdicts that it is part of.", READS_POLICY,
     add_info},
    {"probe_last_check_duration_seconds", "gauge", "How long the last check that ended took.",
     READS_RESULT, add_last_duration},
    {"probe_checks_total", "counter", "Checks that ended.", READS_CHECK, add_checks},
    {"probe_check_failures_total", "counter", "Checks that failed, by reason.", READS_CHECK,
     add_failures},
    {"probe_failing_streak", "gauge", "Failures in a row that count.", READS_CHECK, add_streak},
    {"probe_stale", "gauge", "1 if the verdict is older than its schedule allows.", READS_POLICY,
     add_stale},
    {"probe_warning", "gauge", "1 if the probe is healthy and something is to be looked at.",
     READS_CHECK, add_warning},
    {"probe_last_success_timestamp_seconds", "gauge", "When a check succeeded last.", READS_CHECK,
     add_last_success},
    {"probe_tls_certificate_not_after_timestamp_seconds", "gauge",
     "When the server's certificate ends.", READS_CHECK, add_certificate},
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

/* Linux 6.2 and later say it as the folder's size. Before, the entries are counted, as many as cost
 * no more than a moment. -1: not known. */
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

/* The bounds as labels, made once: printing a double costs more than the rest of its line. */
static const char *bound(int i)
{
    static char text[CHECK_BUCKETS][24];
    if (!text[i][0])
        snprintf(text[i], sizeof text[i], "%g", (double)check_bucket_bounds[i] / (double)NS_PER_S);
    return text[i];
}

/* By type and not by probe: that would be two thirds of the answer, and what few buckets say of
 * one probe its last duration says better. */
static void add_durations(struct buf *b, const struct engine *e)
{
    static const char name[] = "probe_check_duration_seconds";
    add_head(b, name, "histogram", "How long the checks took.");
    for (const struct check_durations *d = e->durations; d; d = d->next) {
        uint64_t sum = 0;
        char seconds[BUF_UINT_MAX + 13];
        for (int i = 0; i <= CHECK_BUCKETS; i++) {
            sum += d->buckets[i];
            buf_printf(b, "%s_bucket{type=\"%s\",le=\"%s\"} %" PRIu64 "\n", name, d->type->name,
                       i < CHECK_BUCKETS ? bound(i) : "+Inf", sum);
        }
        *write_seconds(seconds, d->sum, 9) = '\0';
        buf_printf(b, "%s_sum{type=\"%s\"} %s", name, d->type->name, seconds);
        buf_printf(b, "%s_count{type=\"%s\"} %" PRIu64 "\n", name, d->type->name, sum);
    }
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
    add_durations(b, s->engine);
    add_told(b, s);
    add_process(b);
}

/* ---- The whole ---- */

/* Some more of the labels. 1 when all are made, 0 when not yet, -1: out of memory. */
static int make_labels(struct serve *s)
{
    const struct engine *e = s->engine;
    struct metrics_labels *l = s->labels;
    if (!l || l->generation != e->generation) {
        metrics_free(l);
        s->labels = l = calloc(1, sizeof *l);
        if (!l || !(l->ends = calloc(e->n_checks + 1, sizeof *l->ends)))
            return -1;
        l->generation = e->generation;
        buf_init(&l->text, SIZE_MAX / 2);
    }
    for (int i = 0; i < PROBES_AT_ONCE && l->n < e->n_checks; i++) {
        buf_puts(&l->text, "{name=\"");
        const struct check_conf *conf = e->checks[l->n]->conf;
        add_label_value(&l->text, conf->name);
        buf_putc(&l->text, '"');
        for (size_t k = 0; k < conf->n_labels; k++) {
            buf_printf(&l->text, ",%s=\"", conf->labels[k].name);
            add_label_value(&l->text, conf->labels[k].value);
            buf_putc(&l->text, '"');
        }
        l->ends[l->n++] = l->text.len;
    }
    return l->text.failed ? -1 : l->n == e->n_checks;
}

/* The checks lie all over the memory: what a line needs of one is on its way while the lines before
 * it are written. */
static void ask_for(const struct engine *e, size_t i, enum reads reads)
{
    if (i + AHEAD < e->n_checks) {
        const char *check = (const char *)e->checks[i + AHEAD];
        __builtin_prefetch(check);
        __builtin_prefetch(check + 64);
        __builtin_prefetch(check + 128);
        if (reads == READS_RESULT)
            __builtin_prefetch(&e->checks[i + AHEAD]->n_results);
    }
    if (reads == READS_CHECK || i + AHEAD / 2 >= e->n_checks)
        return;
    const struct check *soon = e->checks[i + AHEAD / 2];
    if (reads == READS_RESULT)
        __builtin_prefetch(check_last(soon));
    else
        __builtin_prefetch(&soon->conf->policy);
}

static void add_lines(struct document *d, const struct family *f, int64_t now)
{
    const struct serve *s = request_serve(d->request);
    const struct engine *e = s->engine;
    const struct metrics_labels *labels = s->labels;
    struct line l = {.out = &d->buf, .family = f, .family_len = strlen(f->name), .now = now};
    size_t begins = d->index ? labels->ends[d->index - 1] : 0;
    for (int i = 0; i < PROBES_AT_ONCE && d->index < e->n_checks; i++) {
        size_t ends = labels->ends[d->index];
        ask_for(e, d->index, f->reads);
        l.label = labels->text.data + begins;
        l.label_len = ends - begins;
        l.c = e->checks[d->index++];
        begins = ends;
        f->add(&l);
    }
}

enum made metrics_more(struct document *d, int64_t now)
{
    struct serve *s = request_serve(d->request);
    const struct engine *e = s->engine;
    if (stream_outdated(d))
        return MADE_ALL;
    if (d->part == 0) {
        int made = make_labels(s);
        if (made < 0)
            d->failed = true;
        if (made <= 0)
            return MADE_SOME;
        add_agent(&d->buf, s, now);
        d->part = 1;
        return e->n_checks ? MADE_SOME : MADE_ALL;
    }
    const struct family *f = &families[d->part - 1];
    if (d->index == 0)
        add_head(&d->buf, f->name, f->type, f->help);
    add_lines(d, f, now);
    if (d->index < e->n_checks)
        return MADE_SOME;
    d->index = 0;
    d->part++;
    return (size_t)d->part > ARRAY_LEN(families) ? MADE_ALL : MADE_SOME;
}
