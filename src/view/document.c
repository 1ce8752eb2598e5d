/* document: see document.h. Field names are part of the contract with scripts: they never change.
 */
#include "view/document.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/labels.h"
#include "engine/members.h"

#define NAME_SHOWN_MAX   120
#define DETAIL_SHOWN_MAX PROBE_DETAIL_MAX

/* As they stand in a result: what comes before the value. */
static const char *const phase_starts[PHASE_COUNT] = {
    [PHASE_DNS] = "\"dns\":",
    [PHASE_CONNECT] = ",\"connect\":",
    [PHASE_TLS] = ",\"tls\":",
    [PHASE_REQUEST] = ",\"request\":",
};

static const char *const counted_names[] = {
    [HEALTH_COUNTED] = "yes",
    [HEALTH_IN_START_PERIOD] = "no, in start_period",
    [HEALTH_NOT_OURS_TO_BLAME] = "no, the agent could not check",
    [HEALTH_WAS_BLOCKED] = "no, the probe was blocked then",
    [HEALTH_WAITS] = "not yet, a probe in its after is checked first",
    [HEALTH_EXCUSED] = "no, a probe in its after failed",
    [HEALTH_OVERTAKEN] = "no, it succeeded again before that was known",
};

enum health_status document_status_of(const struct check *c, int64_t now)
{
    enum health_status status = c->health.status;
    return status == HEALTH_HEALTHY && check_is_stale(c, now) ? HEALTH_STARTING : status;
}

const struct check_result *document_last(const struct check *c)
{
    const struct check_result *last = check_last(c);
    bool old = last && c->health.status == HEALTH_STARTING && last->started < c->health.started;
    return c->health.status == HEALTH_BLOCKED || old ? NULL : last;
}

static void add_time(struct jsonw *j, const char *key, int64_t wall_ns)
{
    char stamp[CLOCK_RFC3339_SIZE];
    clock_rfc3339(wall_ns, stamp);
    jsonw_string(j, key, stamp);
}

void document_change(struct jsonw *j, const struct check *c, const char *from, const char *to)
{
    const struct check_result *newest = check_last(c), *last = document_last(c);
    bool of_warning = newest && from && strcmp(from, to) == 0;
    jsonw_string(j, "from", from);
    jsonw_string(j, "to", to);
    add_time(j, "at", of_warning ? newest->started_wall + newest->duration : c->since_wall);
    jsonw_string(j, "reason", last && last->reason != REASON_OK ? reason_name(last->reason) : NULL);
    jsonw_string(j, "detail", last ? last->detail : NULL);
    jsonw_string(j, "warning", check_warning(c));
}

#define RESULT_ROOM 512 /* all of a result but its detail */

static char *write_word(char *at, const char *word)
{
    return buf_write(at, word, strlen(word));
}

/* Most of a document is results: written as text, and not member by member. */
static void add_result(struct jsonw *j, const char *key, const struct check_result *r)
{
    jsonw_object(j, key);
    char *at = jsonw_room(j, RESULT_ROOM);
    if (!at)
        return;
    at = BUF_WRITE(at, "\"started\":\"");
    at = BUF_WRITE(clock_rfc3339(r->started_wall, at), "\",\"duration_ms\":");
    at = jsonw_write_ms(at, r->duration);
    if (r->reason == REASON_OK) {
        at = BUF_WRITE(at, ",\"ok\":true,\"reason\":null");
    } else {
        at = write_word(BUF_WRITE(at, ",\"ok\":false,\"reason\":\""), reason_name(r->reason));
        *at++ = '"';
    }
    jsonw_wrote(j, at);
    jsonw_string(j, "detail", r->detail);
    jsonw_string(j, "warning", r->warning);
    at = jsonw_room(j, RESULT_ROOM);
    if (!at)
        return;
    at = write_word(BUF_WRITE(at, "\"counted\":\""), counted_names[r->counted]);
    at = BUF_WRITE(at, "\",\"phases_ms\":{");
    for (int i = 0; i < PHASE_COUNT; i++) {
        at = write_word(at, phase_starts[i]);
        at = r->phases[i] < 0 ? BUF_WRITE(at, "null") : jsonw_write_ms(at, r->phases[i]);
    }
    *at++ = '}';
    jsonw_wrote(j, at);
    jsonw_end(j);
}

/* Oldest first, as Docker's own log; a last failure that has left the ring stands before it. The
 * newest is the text of `len` bytes at `last`. */
static void add_history(struct jsonw *j, const struct check *c, size_t last, size_t len)
{
    uint64_t kept = c->n_results < CHECK_HISTORY ? c->n_results : CHECK_HISTORY;
    jsonw_array(j, "history");
    const struct check_result *failure = c->last_failure;
    if (failure && kept &&
        failure->started < c->history[(c->n_results - kept) % CHECK_HISTORY].started)
        add_result(j, NULL, failure);
    for (uint64_t i = c->n_results - kept; i + 1 < c->n_results; i++)
        add_result(j, NULL, &c->history[i % CHECK_HISTORY]);
    if (kept)
        jsonw_repeat(j, last, len);
    jsonw_end(j);
}

/* Those that hold it back now; empty unless it is blocked. */
static void add_blocked_by(struct jsonw *j, const struct check *c)
{
    bool blocked = c->health.status == HEALTH_BLOCKED;
    jsonw_array(j, "blocked_by");
    for (size_t i = 0; blocked && i < c->n_after; i++)
        if (check_is_down(c->after[i]))
            jsonw_string(j, NULL, c->after[i]->conf->name);
    jsonw_end(j);
}

static const char *level_text(unsigned levels)
{
    if (levels == (LEVEL_ALIVE | LEVEL_READY))
        return "alive,ready";
    return levels == LEVEL_ALIVE ? "alive" : "ready";
}

void document_labels(struct jsonw *j, const char *key, const struct labels *l)
{
    jsonw_object(j, key);
    for (size_t i = 0; i < l->n; i++)
        jsonw_string(j, l->of[i].name, l->of[i].value);
    jsonw_end(j);
}

void document_identity(struct jsonw *j, const struct engine *e)
{
    char host[IDENTITY_HOST];
    static const struct identity unnamed = {0};
    jsonw_string(j, "name", identity_name(&e->identity, host));
    document_labels(j, "labels", &e->identity.labels);
    jsonw_string(j, "version", PROBE_VERSION);
    jsonw_string(j, "host", identity_name(&unnamed, host));
    jsonw_int(j, "pid", getpid());
}

static void add_members(struct jsonw *j, const struct check *c)
{
    if (!c->members)
        return;
    jsonw_array(j, "members");
    for (size_t i = 0; i < c->members->n; i++) {
        const struct probe_member *m = &c->members->of[i];
        jsonw_object(j, NULL);
        jsonw_string(j, "name", m->name);
        jsonw_string(j, "state", m->state);
        jsonw_bool(j, "up", m->up);
        if (m->lag < 0)
            jsonw_null(j, "lag_ms");
        else
            jsonw_ms(j, "lag_ms", m->lag);
        if (m->rtt < 0)
            jsonw_null(j, "rtt_ms");
        else
            jsonw_ms(j, "rtt_ms", m->rtt);
        jsonw_string(j, "error", m->error);
        jsonw_end(j);
    }
    jsonw_end(j);
}

static void add_probe(struct jsonw *j, const char *key, const struct check *c, int64_t now,
                      bool with_history)
{
    const struct check_conf *conf = c->conf;
    for (size_t i = 0; with_history && i < CHECK_HISTORY; i++)
        __builtin_prefetch(c->history[i].detail); /* each lies somewhere else */
    jsonw_object(j, key);
    jsonw_string(j, "name", conf->name);
    jsonw_string(j, "type", conf->type->name);
    jsonw_string(j, "target", conf->target);
    jsonw_string(j, "status", health_status_name(document_status_of(c, now)));
    jsonw_bool(j, "stale", check_is_stale(c, now));
    jsonw_string(j, "warning", check_is_stale(c, now) ? NULL : check_warning(c));
    add_blocked_by(j, c);
    jsonw_int(j, "failing_streak", c->health.failing_streak);
    jsonw_int(j, "success_streak", c->health.success_streak);
    jsonw_int(j, "retries", conf->policy.retries);
    jsonw_int(j, "success_threshold", conf->policy.success_threshold);
    add_time(j, "since", c->since_wall);
    jsonw_bool(j, "required", conf->required);
    jsonw_string(j, "level", level_text(conf->levels));
    document_labels(j, "labels", &conf->labels);
    const struct check_result *last = check_last(c);
    size_t last_at = j->out->len + strlen(",\"last\":");
    if (last)
        add_result(j, "last", last);
    else
        jsonw_null(j, "last");
    size_t last_len = j->out->len - last_at;
    add_members(j, c);
    if (c->next.pos)
        jsonw_ms(j, "next_in_ms", c->next.due > now ? c->next.due - now : 0);
    else if (c->run)
        jsonw_int(j, "next_in_ms", 0);
    else
        jsonw_null(j, "next_in_ms");
    if (with_history)
        add_history(j, c, last_at, last_len);
    jsonw_int(j, "checks_total", (int64_t)c->checks_total);
    jsonw_int(j, "failures_total", (int64_t)c->failures_total);
    jsonw_end(j);
}

void document_probe(struct jsonw *j, const char *key, const struct check *c, int64_t now)
{
    add_probe(j, key, c, now, true);
}

void document_probe_brief(struct jsonw *j, const char *key, const struct check *c, int64_t now)
{
    add_probe(j, key, c, now, false);
}

void document_head(struct jsonw *j, const struct engine *e, const struct readiness *r, int64_t now)
{
    jsonw_object(j, NULL);
    jsonw_object(j, "agent");
    document_identity(j, e);
    jsonw_int(j, "uptime_s", (now - e->started) / NS_PER_S);
    jsonw_ms(j, "loop_lag_ms", engine_lag(e));
    jsonw_bool(j, "stale", r->stale);
    jsonw_end(j);
    jsonw_bool(j, "live", r->live && !r->stale);
    jsonw_bool(j, "ready", r->ready && !r->stale);
    jsonw_array(j, "probes");
}

void document_tail(struct jsonw *j)
{
    jsonw_end(j);
    jsonw_end(j);
}

void document_status(struct jsonw *j, const struct engine *e, int64_t now)
{
    struct readiness r = engine_readiness(e, now);
    document_head(j, e, &r, now);
    for (size_t i = 0; i < e->n_checks; i++)
        document_probe(j, NULL, e->checks[i], now);
    document_tail(j);
}

static void add_printable(struct buf *out, const char *text, size_t max)
{
    char line[DETAIL_SHOWN_MAX + 8];
    snprintf(line, sizeof line, "%s", text);
    str_printable(line, max);
    buf_puts(out, line);
}

const char *document_detail(const char *detail, const char *name)
{
    const char *url = strstr(name, "://") ? strstr(detail, name) : NULL;
    if (!url || strncmp(url + strlen(name), ": ", 2) != 0)
        return detail;
    bool first = url == detail + strspn(detail, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ");
    return first ? url + strlen(name) + 2 : detail;
}

void document_why(struct buf *out, const struct check *c)
{
    bool blocked =
        c->health.status == HEALTH_BLOCKED; /* then this was its last, whenever that was */
    const struct check_result *last = blocked ? check_last(c) : document_last(c);
    if (!last) {
        buf_puts(out, "no check has ended yet");
        return;
    }
    if (last->reason != REASON_OK)
        buf_printf(out, "%s: ", reason_name(last->reason));
    if (check_warning(c)) {
        add_printable(out, check_warning(c), DETAIL_SHOWN_MAX);
        buf_puts(out, "; ");
    }
    add_printable(out, document_detail(last->detail ? last->detail : "", c->conf->name),
                  DETAIL_SHOWN_MAX);
}

void document_blocked(struct buf *out, const struct check *c)
{
    const char *between = "";
    buf_puts(out, "not checked while ");
    for (size_t i = 0; i < c->n_after; i++) {
        if (!check_is_down(c->after[i]))
            continue;
        buf_puts(out, between);
        add_printable(out, c->after[i]->conf->name, NAME_SHOWN_MAX);
        between = ", ";
    }
    buf_puts(out, *between ? " is down" : "a probe in its after is down");
}
