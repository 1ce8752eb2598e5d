/* metrics_probe: the families of the probes, a line or a few for each. Where blackbox_exporter has
 * a metric, its name and meaning are taken: probe_success and probe_duration_seconds are of the
 * last check, and not of the verdict. */
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/members.h"
#include "serve/metrics.h"
#include "view/document.h"

#define REST_OF_LINE 96 /* behind the name: a label of ours, the value, what is between them */

/* ---- Pieces ---- */

/* Where a byte comes that has to be escaped, or that may not be valid UTF-8. */
static const char *skip_plain(const char *s)
{
    while ((unsigned char)*s < 0x80 && *s && *s != '\n' && *s != '"' && *s != '\\')
        s++;
    return s;
}

void metrics_add_label_value(struct buf *b, const char *s)
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

void metrics_add_labels(struct buf *b, const struct labels *l)
{
    for (size_t i = 0; i < l->n; i++) {
        buf_printf(b, ",%s=\"", l->of[i].name);
        metrics_add_label_value(b, l->of[i].value);
        buf_putc(b, '"');
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
char *metrics_write_seconds(char *at, int64_t ns, int digits)
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
        buf_wrote(l->out, metrics_write_seconds(BUF_WRITE(at, "} "), ns, digits));
}

/* ---- Families ---- */

static void add_healthy(const struct line *l)
{
    add_flag(l, document_status_of(l->c, l->now) == HEALTH_HEALTHY);
}

static void add_status(const struct line *l)
{
    enum health_status status = document_status_of(l->c, l->now);
    for (enum health_status i = HEALTH_STARTING; i <= HEALTH_BLOCKED; i++)
        add_labelled(l, ",status=\"", health_status_name(i), i == status);
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
    metrics_add_label_value(l->out, conf->target);
    buf_puts(l->out, levels == (LEVEL_ALIVE | LEVEL_READY) ? "\",level=\"alive,ready"
                     : levels == LEVEL_ALIVE               ? "\",level=\"alive"
                                                           : "\",level=\"ready");
    buf_puts(l->out, conf->required ? "\",required=\"yes\"} 1\n" : "\",required=\"no\"} 1\n");
}

static void add_success(const struct line *l)
{
    const struct check_result *last = check_last(l->c);
    if (last)
        add_flag(l, last->reason == REASON_OK);
}

static void add_duration(const struct line *l)
{
    const struct check_result *last = check_last(l->c);
    if (last)
        add_seconds(l, last->duration, 6);
}

static void add_interval(const struct line *l)
{
    add_seconds(l, l->c->conf->policy.interval, 3);
}

static void add_timeout(const struct line *l)
{
    add_seconds(l, l->c->conf->policy.timeout, 3);
}

/* A phase that the last check did not reach took no time: its series stays. */
static int64_t in_phase(const struct check *c, int phase)
{
    const struct check_result *last = check_last(c);
    return last && last->phases[phase] > 0 ? last->phases[phase] : 0;
}

static void add_phases(const struct line *l)
{
    static const char *const labels[PHASE_COUNT] = {
        [PHASE_DNS] = ",phase=\"dns\"} ",
        [PHASE_CONNECT] = ",phase=\"connect\"} ",
        [PHASE_TLS] = ",phase=\"tls\"} ",
        [PHASE_REQUEST] = ",phase=\"request\"} ",
    };
    for (int i = 0; i < PHASE_COUNT; i++) {
        char *at = l->c->phases_seen & 1U << i ? begin(l) : NULL;
        if (!at)
            continue;
        at = buf_write(at, labels[i], strlen(labels[i]));
        buf_wrote(l->out, metrics_write_seconds(at, in_phase(l->c, i), 6));
    }
}

/* Of all that connect: an address, or localhost, is found in no time. */
static void add_dns(const struct line *l)
{
    if (l->c->phases_seen & (1U << PHASE_DNS | 1U << PHASE_CONNECT))
        add_seconds(l, in_phase(l->c, PHASE_DNS), 6);
}

static void add_http_status(const struct line *l)
{
    const struct check_result *last = check_last(l->c);
    if (last && l->c->conf->type->speaks_http)
        add_count(l, last->http_status);
}

static void add_checks(const struct line *l)
{
    add_count(l, l->c->checks_total);
}

static void add_transitions(const struct line *l)
{
    add_count(l, l->c->transitions_total);
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

static void add_epoch(const struct line *l, int64_t seconds)
{
    if (seconds)
        add_count(l, (uint64_t)seconds);
}

static void add_certificate(const struct line *l)
{
    add_epoch(l, l->c->cert_not_after);
}

static void add_earliest(const struct line *l)
{
    add_epoch(l, l->c->cert_earliest);
}

/* ---- Of the servers that a target consists of: PROBE_MEMBERS_MAX lines of a probe at most ---- */

/* Up to and with the member's name. */
static void begin_member(const struct line *l, const struct probe_member *m)
{
    buf_add(l->out, l->family->name, l->family_len);
    buf_add(l->out, l->label, l->label_len);
    buf_puts(l->out, ",member=\"");
    metrics_add_label_value(l->out, m->name);
}

static void add_member_up(const struct line *l)
{
    for (size_t i = 0; l->c->members && i < l->c->members->n; i++) {
        begin_member(l, &l->c->members->of[i]);
        buf_puts(l->out, l->c->members->of[i].up ? "\"} 1\n" : "\"} 0\n");
    }
}

static void add_member_lag(const struct line *l)
{
    for (size_t i = 0; l->c->members && i < l->c->members->n; i++) {
        const struct probe_member *m = &l->c->members->of[i];
        if (m->lag < 0)
            continue;
        begin_member(l, m);
        buf_printf(l->out, "\"} %.3f\n", (double)m->lag / (double)NS_PER_S);
    }
}

static void add_member_state(const struct line *l)
{
    for (size_t i = 0; l->c->members && i < l->c->members->n; i++) {
        begin_member(l, &l->c->members->of[i]);
        buf_printf(l->out, "\",state=\"%s\"} 1\n", l->c->members->of[i].state);
    }
}

const struct family metrics_families[] = {
    {"probe_healthy", "gauge", "1 if the probe is healthy, 0 if it is not or not known yet.",
     add_healthy},
    {"probe_status", "gauge", "1 for the status that the probe has, 0 for each other.", add_status},
    {"probe_info", "gauge", "What is probed, and the verdicts that it is part of.", add_info},
    {"probe_success", "gauge", "1 if the last check succeeded, else 0.", add_success},
    {"probe_duration_seconds", "gauge", "How long the last check that ended took.", add_duration},
    {"probe_interval_seconds", "gauge", "From the end of a check to the start of the next.",
     add_interval},
    {"probe_timeout_seconds", "gauge", "How long a check may take.", add_timeout},
    {"probe_phase_duration_seconds", "gauge",
     "Time of the last check in each phase, 0 in one that it did not reach.", add_phases},
    {"probe_dns_lookup_time_seconds", "gauge", "Time of the last check to look up the name.",
     add_dns},
    {"probe_http_status_code", "gauge", "Status of the last answer, 0 without one.",
     add_http_status},
    {"probe_ssl_earliest_cert_expiry", "gauge",
     "When the first of the certificates ends that the server sent.", add_earliest},
    {"probe_tls_certificate_not_after_timestamp_seconds", "gauge",
     "When the server's certificate ends.", add_certificate},
    {"probe_checks_total", "counter", "Checks that ended.", add_checks},
    {"probe_check_failures_total", "counter", "Checks that failed, by reason.", add_failures},
    {"probe_transitions_total", "counter", "Changes of the status.", add_transitions},
    {"probe_failing_streak", "gauge", "Failures in a row that count.", add_streak},
    {"probe_stale", "gauge", "1 if the verdict is older than its schedule allows.", add_stale},
    {"probe_warning", "gauge", "1 if the probe is healthy and has a warning.", add_warning},
    {"probe_last_success_timestamp_seconds", "gauge", "When a check succeeded last.",
     add_last_success},
    {"probe_mongo_member_up", "gauge", "1 if this member of the deployment answers.",
     add_member_up},
    {"probe_mongo_member_lag_seconds", "gauge",
     "How far this secondary's last write is behind its clock.", add_member_lag},
    {"probe_mongo_member_state", "gauge", "Always 1, for the state that this member has.",
     add_member_state},
};
const size_t metrics_n_families = ARRAY_LEN(metrics_families);
