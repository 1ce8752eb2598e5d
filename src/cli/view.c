/* view: see view.h. */
#include "cli/view.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/auxv.h>
#include <time.h>

#include "base/clock.h"
#include "base/jsonr.h"
#include "base/str.h"

#define SPAN_MOST  ((double)(INT64_MAX / 4))
#define VALUES_MAX 2000000 /* twice what 10,000 probes have; some 100 bytes each */

const struct grid_column view_columns[VIEW_COLUMNS] = {
    {"NAME", 0}, {"STATE", 0}, {"SINCE", 2}, {"TOOK", 3}, {"NEXT", 1}, {"DETAIL", 0},
};

const struct grid_column view_line_columns[VIEW_LINE_COLUMNS] = {
    {"", 0}, {"", 0}, {"", 0}, {"", 0}};

json_t *view_document(const char *text, size_t len)
{
    if (!len || !jsonr_has_at_most(text, len, VALUES_MAX))
        return NULL;
    /* A random seed keeps a hostile agent from making all names collide. The kernel gives one to
     * each process; the library would open /dev/urandom for it. */
    size_t seed = 0;
    const void *random = (const void *)getauxval(AT_RANDOM);
    if (random)
        memcpy(&seed, random, sizeof seed);
    json_object_seed(seed); /* only the first counts; 0: the library's own */
    return json_loadb(text, len, 0, NULL);
}

const char *view_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* Milliseconds, whole or not, as ns; cut to what can be added without overflow. */
static int64_t ms_of(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        return otherwise;
    double ns = json_number_value(value) * (double)NS_PER_MS;
    return ns < 0 ? 0 : ns > SPAN_MOST ? (int64_t)SPAN_MOST : (int64_t)ns;
}

static int64_t count_of(const json_t *object, const char *key)
{
    json_int_t n = json_integer_value(json_object_get(object, key));
    return n < 0 ? 0 : (int64_t)n;
}

int64_t view_time(const char *text)
{
    struct tm tm = {0};
    int ms = 0, end = 0;
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
               &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &end) != 7 ||
        !end || tm.tm_year < 1970)
        return 0;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    int64_t s = timegm(&tm);
    return s > INT64_MAX / 2 / NS_PER_S ? 0 : s * NS_PER_S + ms * NS_PER_MS;
}

void view_read_result(struct view_result *r, const json_t *result)
{
    *r = (struct view_result){
        .there = json_is_object(result),
        .ok = json_is_true(json_object_get(result, "ok")),
        .reason = view_text(result, "reason"),
        .detail = view_text(result, "detail"),
        .counted = view_text(result, "counted"),
        .started = view_time(view_text(result, "started")),
        .took = ms_of(result, "duration_ms", 0),
    };
}

void view_read(struct view *v, const json_t *probe)
{
    const json_t *history = json_object_get(probe, "history");
    *v = (struct view){
        .name = view_text(probe, "name"),
        .status = view_text(probe, "status"),
        .warning = view_text(probe, "warning"),
        .stale = json_is_true(json_object_get(probe, "stale")),
        .required = !json_is_false(json_object_get(probe, "required")),
        .since = view_time(view_text(probe, "since")),
        .next_in = ms_of(probe, "next_in_ms", -1),
        .failing_streak = count_of(probe, "failing_streak"),
        .success_streak = count_of(probe, "success_streak"),
        .retries = count_of(probe, "retries"),
        .success_threshold = count_of(probe, "success_threshold"),
        .checks = count_of(probe, "checks_total"),
        .failures = count_of(probe, "failures_total"),
        .history = json_is_array(history) ? history : NULL,
        .blocked_by = json_object_get(probe, "blocked_by"),
    };
    view_read_result(&v->last, json_object_get(probe, "last"));
}

const char *view_blocker(const struct view *v, size_t i)
{
    return json_string_value(json_array_get(v->blocked_by, i));
}

bool view_is(const struct view *v, const char *status)
{
    return strcmp(v->status, status) == 0;
}

const char *view_state(const struct view *v)
{
    if (v->lost || v->stale)
        return v->lost ? "unknown" : "stale";
    return *v->warning && view_is(v, "healthy") ? "warn" : v->status;
}

/* Worst first. */
static const struct state {
    const char *word;
    enum tone tone;
    int badness;
} no_state = {"", TONE_PLAIN, 1},
  states[] = {
      {"unhealthy", TONE_BAD, 5}, {"stale", TONE_BAD, 4}, {"starting", TONE_WAIT, 3},
      {"blocked", TONE_HELD, 2},  {"warn", TONE_WAIT, 1}, {"healthy", TONE_GOOD, 0},
};

static const struct state *find_state(const char *word)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (strcmp(states[i].word, word) == 0)
            return &states[i];
    return &no_state;
}

enum tone view_tone(const char *state)
{
    return find_state(state)->tone;
}

int view_badness(const struct view *v)
{
    return find_state(view_state(v))->badness;
}

char *view_span(int64_t ns, char out[VIEW_SPAN_SIZE])
{
    if (ns >= 60 * NS_PER_S)
        return clock_short(ns, out);
    snprintf(out, VIEW_SPAN_SIZE, "%" PRId64 "s", ns < 0 ? 0 : ns / NS_PER_S);
    return out;
}

static void since_text(const struct view *v, int64_t now, char *out, size_t size)
{
    char span[VIEW_SPAN_SIZE];
    snprintf(out, size, "-");
    if (v->since)
        snprintf(out, size, "%s ago", view_span(now - v->since, span));
}

static void next_text(const struct view *v, char *out, size_t size)
{
    char span[VIEW_SPAN_SIZE];
    if (v->next_in < 0)
        snprintf(out, size, "-");
    else if (v->next_in < NS_PER_S)
        snprintf(out, size, v->next_in ? "<1s" : "now");
    else
        snprintf(out, size, "in %s", view_span(v->next_in, span));
}

/* Has a check ended since the probe is in its state? One that was blocked begins afresh. */
static bool is_checked(const struct view *v)
{
    bool old = view_is(v, "starting") && v->since > v->last.started;
    return v->last.there && !(old && !v->failing_streak && !v->success_streak);
}

/* Why it is in that state; the last result of a blocked probe says nothing about now. */
static void why_text(const struct view *v, struct buf *out)
{
    if (v->lost)
        buf_printf(out, "was %s: ", v->status);
    else if (v->stale)
        buf_puts(out, "overdue, last known: ");
    if (view_is(v, "blocked")) {
        const char *name = view_blocker(v, 0);
        buf_printf(out, "not checked while %s", name ? name : "a probe in its after");
        for (size_t i = 1; (name = view_blocker(v, i)); i++)
            buf_printf(out, ", %s", name);
        buf_puts(out, " is down");
        return;
    }
    if (!is_checked(v)) {
        buf_puts(out, "not checked yet");
        return;
    }
    if (*v->last.reason)
        buf_printf(out, "%s: ", v->last.reason);
    if (*v->warning)
        buf_printf(out, "%s; ", v->warning);
    buf_puts(out, v->last.detail);
    if (!v->required && !v->last.ok)
        buf_puts(out, " (not required)");
}

static const char *took_text(const struct view *v, char out[CLOCK_SHORT_SIZE])
{
    return is_checked(v) && !view_is(v, "blocked") ? clock_short(v->last.took, out) : "-";
}

/* The state, and how far a streak is that would change it: "healthy 1/3" has failed once. */
static void state_text(const struct view *v, char *out, size_t size)
{
    const char *state = view_state(v);
    bool up = view_is(v, "unhealthy") || (view_is(v, "starting") && v->success_streak);
    int64_t n = up ? v->success_streak : v->failing_streak;
    int64_t of = up ? v->success_threshold : v->retries;
    if (n > 0 && n < of && !v->lost && !view_is(v, "blocked"))
        snprintf(out, size, "%.40s %" PRId64 "/%" PRId64, state, n, of);
    else
        snprintf(out, size, "%.40s", state);
}

void view_add(struct grid *t, const struct view *v, int64_t now)
{
    char since[VIEW_SPAN_SIZE + 8], took[CLOCK_SHORT_SIZE], next[VIEW_SPAN_SIZE + 8];
    since_text(v, now, since, sizeof since);
    next_text(v, next, sizeof next);
    struct buf why;
    buf_init(&why, SIZE_MAX / 2);
    why_text(v, &why);
    char state[96];
    state_text(v, state, sizeof state);
    const char *cells[VIEW_COLUMNS] = {v->name, state, since, took_text(v, took), next, why.data};
    grid_add(t, view_tone(view_state(v)), cells);
    buf_fini(&why);
}
