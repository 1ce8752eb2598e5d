/* health_replay: replays vector files of Docker's health states on our state machine, under a
 * virtual clock, and prints each difference. Not installed.
 *
 * A vector gives a health configuration, the checks in order (how long each takes and how it ends)
 * and actions on the container; it expects a result for each check, the events, and the final
 * state. Docker's first check waits one interval: that is our initial_delay. What an action does is
 * moby's (container/health.go, daemon/health.go): pause and stop end the monitor, which drops a
 * check in flight and leaves `unhealthy` without an event; unpause starts a new monitor over the
 * same state; restart and restore begin the state anew, and only restart moves StartedAt.
 *
 * A vector with `steps` is our own, of a check that comes `after` others: each step is a result and
 * what is known then of the others' last checks, [ok, started_ms] or null; it expects what
 * `counted` is, the status and the streak. A result that waits is applied by a later step again. */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"
#include "health/health.h"

#define LOG_ENTRIES 5 /* moby's maxLogEntries */

/* moby's defaults for what is 0 in a vector. */
#define DEFAULT_INTERVAL       30000
#define DEFAULT_TIMEOUT        30000
#define DEFAULT_START_INTERVAL 5000
#define DEFAULT_RETRIES        3

struct replay {
    const char *id;
    struct health_policy policy;
    struct health_state health;
    json_t *checks, *actions;
    size_t next_check, next_action;
    bool running;    /* a monitor runs */
    int64_t next_at; /* start of the next check, while running; ns */
    json_t *results, *events;
    int64_t log_starts[LOG_ENTRIES];
    size_t n_log;
    size_t differences;
};

static int64_t ms_of(const json_t *object, const char *key, int64_t fallback)
{
    int64_t ms = json_integer_value(json_object_get(object, key));
    return (ms ? ms : fallback) * NS_PER_MS;
}

static void policy_of(struct health_policy *p, const json_t *config)
{
    *p = (struct health_policy){
        .interval = ms_of(config, "interval_ms", DEFAULT_INTERVAL),
        .timeout = ms_of(config, "timeout_ms", DEFAULT_TIMEOUT),
        .start_period = ms_of(config, "start_period_ms", 0),
        .start_interval = ms_of(config, "start_interval_ms", DEFAULT_START_INTERVAL),
        .retries = (uint32_t)json_integer_value(json_object_get(config, "retries")),
        .success_threshold =
            (uint32_t)json_integer_value(json_object_get(config, "success_threshold")),
    };
    if (!p->retries)
        p->retries = DEFAULT_RETRIES;
    if (!p->success_threshold)
        p->success_threshold = 1;
    p->initial_delay = p->start_period > 0 ? p->start_interval : p->interval;
}

static void close_monitor(struct replay *r)
{
    if (!r->running)
        return;
    r->running = false;
    r->health.status = HEALTH_UNHEALTHY;
}

static void open_monitor(struct replay *r, int64_t now)
{
    if (r->running)
        return;
    r->running = true;
    r->next_at = health_next_start(&r->health, &r->policy, now, 0);
}

static void begin_state(struct replay *r, int64_t started, int64_t now)
{
    health_init(&r->health, started);
    r->running = false;
    open_monitor(r, now);
}

static void act(struct replay *r, const char *action, int64_t now)
{
    if (strcmp(action, "pause") == 0 || strcmp(action, "stop") == 0)
        close_monitor(r);
    else if (strcmp(action, "unpause") == 0)
        open_monitor(r, now);
    else if (strcmp(action, "restart") == 0 || strcmp(action, "start") == 0)
        begin_state(r, now, now);
    else if (strcmp(action, "restore") == 0)
        begin_state(r, r->health.started, now);
    else {
        printf("%s: unknown action \"%s\"\n", r->id, action);
        r->differences++;
    }
}

/* The action's name and time; NULL when none is left. Vectors may spell the name's key in two ways.
 */
static const char *peek_action(const struct replay *r, int64_t *at)
{
    const json_t *a = json_array_get(r->actions, r->next_action);
    if (!a)
        return NULL;
    *at = json_integer_value(json_object_get(a, "at_ms")) * NS_PER_MS;
    const char *keys[] = {"action", "do", "type", "op", "name", "kind"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *name = json_string_value(json_object_get(a, keys[i]));
        if (name)
            return name;
    }
    return "";
}

static void record(struct replay *r, int64_t start, int64_t end, int exit_code)
{
    enum health_outcome outcome = exit_code == 0 ? HEALTH_SUCCESS : HEALTH_FAILURE;
    bool changed =
        health_apply(&r->health, &r->policy, outcome, HEALTH_PRIOR_GOOD, start, end, NULL);
    const char *status = health_status_name(r->health.status);
    json_int_t end_ms = end / NS_PER_MS;
    json_array_append_new(r->results, json_pack("{s:i, s:I, s:I, s:i, s:s, s:i}", "n",
                                                (int)json_array_size(r->results) + 1, "start_ms",
                                                (json_int_t)(start / NS_PER_MS), "end_ms", end_ms,
                                                "exit_code", exit_code, "status", status,
                                                "failing_streak", (int)r->health.failing_streak));
    if (changed) {
        char event[64];
        snprintf(event, sizeof event, "health_status: %s", status);
        json_array_append_new(r->events, json_pack("{s:I, s:s}", "t_ms", end_ms, "event", event));
    }
    if (r->n_log == LOG_ENTRIES)
        memmove(r->log_starts, r->log_starts + 1, --r->n_log * sizeof *r->log_starts);
    r->log_starts[r->n_log++] = start;
}

/* Runs the next check of the vector, unless an action comes first and drops it. */
static void run_check(struct replay *r)
{
    const json_t *check = json_array_get(r->checks, r->next_check++);
    int64_t start = r->next_at;
    int64_t duration = json_integer_value(json_object_get(check, "duration_ms")) * NS_PER_MS;
    int exit_code = (int)json_integer_value(json_object_get(check, "exit"));
    const json_t *error = json_object_get(check, "error");
    if (error && !json_is_false(error) && !json_is_null(error))
        exit_code = -1;
    if (duration >= r->policy.timeout) {
        duration = r->policy.timeout;
        exit_code = -1;
    }
    int64_t end = start + duration, at;
    const char *action;
    while ((action = peek_action(r, &at)) && at < end) {
        r->next_action++;
        act(r, action, at);
        if (!r->running || r->next_at != start)
            return; /* its monitor is gone, and its result with it */
    }
    record(r, start, end, exit_code);
    r->next_at = health_next_start(&r->health, &r->policy, end, 0);
}

static void simulate(struct replay *r)
{
    health_init(&r->health, 0);
    r->running = true;
    r->next_at = health_first_start(&r->policy, 0, 0);
    for (;;) {
        int64_t at = INT64_MAX;
        const char *action = peek_action(r, &at);
        bool check_left = r->next_check < json_array_size(r->checks) && r->running;
        if (action && (!check_left || at <= r->next_at)) {
            r->next_action++;
            act(r, action, at);
        } else if (check_left) {
            run_check(r);
        } else {
            return;
        }
    }
}

/* Every key of `want` must be equal in `got`; what `want` does not name is not compared. */
static void compare(struct replay *r, const char *what, const json_t *want, const json_t *got)
{
    char *w = json_dumps(want, JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (json_is_object(want)) {
        const char *key;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)want, key, value)
        {
            char path[128];
            snprintf(path, sizeof path, "%s.%s", what, key);
            compare(r, path, value, json_object_get(got, key));
        }
    } else if (json_is_array(want)) {
        size_t n = json_array_size(want), m = json_array_size(got);
        if (n != m) {
            printf("%s: %s: expected %zu entries, got %zu\n", r->id, what, n, m);
            r->differences++;
        }
        for (size_t i = 0; i < n && i < m; i++) {
            char path[128];
            snprintf(path, sizeof path, "%s[%zu]", what, i);
            compare(r, path, json_array_get(want, i), json_array_get(got, i));
        }
    } else if (!got || !json_equal(want, got)) {
        char *g = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS) : NULL;
        printf("%s: %s: expected %s, got %s\n", r->id, what, w, g ? g : "nothing");
        r->differences++;
        free(g);
    }
    free(w);
}

static json_t *final_state(const struct replay *r)
{
    json_t *starts = json_array();
    for (size_t i = 0; i < r->n_log; i++)
        json_array_append_new(starts, json_integer(r->log_starts[i] / NS_PER_MS));
    return json_pack("{s:s, s:i, s:o}", "status", health_status_name(r->health.status),
                     "failing_streak", (int)r->health.failing_streak, "log_starts_ms", starts);
}

/* What of an expectation is about the health state; the output texts of checks are not. */
static void compare_all(struct replay *r, const json_t *expect)
{
    static const char *const compared[] = {"n",      "start_ms",       "end_ms", "exit_code",
                                           "status", "failing_streak", NULL};
    json_t *results = json_object_get(expect, "results"), *result;
    size_t i;
    json_array_foreach(results, i, result)
    {
        json_t *mine = json_array_get(r->results, i);
        for (const char *const *key = compared; *key; key++) {
            char path[64];
            snprintf(path, sizeof path, "results[%zu].%s", i, *key);
            const json_t *want = json_object_get(result, *key);
            if (want)
                compare(r, path, want, json_object_get(mine, *key));
        }
    }
    if (json_array_size(results) != json_array_size(r->results)) {
        printf("%s: results: expected %zu entries, got %zu\n", r->id, json_array_size(results),
               json_array_size(r->results));
        r->differences++;
    }
    json_t *events = json_object_get(expect, "events");
    if (events)
        compare(r, "events", events, r->events);
    json_t *final = final_state(r), *want = json_object_get(expect, "final");
    static const char *const final_keys[] = {"status", "failing_streak", "log_starts_ms", NULL};
    for (const char *const *key = final_keys; want && *key; key++)
        if (json_object_get(want, *key)) {
            char path[64];
            snprintf(path, sizeof path, "final.%s", *key);
            compare(r, path, json_object_get(want, *key), json_object_get(final, *key));
        }
    json_decref(final);
}

static enum health_prior prior_of(const json_t *others, int64_t end)
{
    struct health_evidence of[8] = {{0}};
    size_t n = json_array_size(others);
    for (size_t i = 0; i < n && i < ARRAY_LEN(of); i++) {
        const json_t *other = json_array_get(others, i);
        if (json_is_array(other))
            of[i] = (struct health_evidence){
                .answered = true,
                .ok = json_is_true(json_array_get(other, 0)),
                .started = json_integer_value(json_array_get(other, 1)) * NS_PER_MS,
            };
    }
    return health_prior(of, n, end);
}

static void take_step(struct replay *r, size_t n, const json_t *step)
{
    static const char *const names[] = {"yes",   "start_period", "inability", "blocked",
                                        "waits", "excused",      "overtaken"};
    static const char *const outcomes[] = {"success", "failure", "unable"};
    const char *word = json_string_value(json_object_get(step, "outcome"));
    int64_t end = ms_of(step, "end_ms", 0);
    enum health_counted counted;
    unsigned o = 0;
    while (o < ARRAY_LEN(outcomes) && (!word || strcmp(outcomes[o], word) != 0))
        o++;
    health_apply(&r->health, &r->policy, (enum health_outcome)o,
                 prior_of(json_object_get(step, "others"), end), ms_of(step, "start_ms", 0), end,
                 &counted);
    json_t *got = json_pack("{s:s, s:s, s:i}", "counted", names[counted], "status",
                            health_status_name(r->health.status), "failing_streak",
                            (int)r->health.failing_streak);
    char path[32];
    snprintf(path, sizeof path, "steps[%zu]", n);
    compare(r, path, json_object_get(step, "expect"), got);
    json_decref(got);
}

static bool replay_steps(const json_t *vector)
{
    struct replay r = {.id = json_string_value(json_object_get(vector, "id"))};
    json_t *steps = json_object_get(vector, "steps"), *step;
    size_t n;
    policy_of(&r.policy, json_object_get(vector, "config"));
    health_init(&r.health, 0);
    json_array_foreach(steps, n, step) take_step(&r, n, step);
    return r.differences == 0;
}

static bool replay(const json_t *vector)
{
    if (json_object_get(vector, "steps"))
        return replay_steps(vector);
    struct replay r = {
        .checks = json_object_get(vector, "checks"),
        .actions = json_object_get(vector, "actions"),
        .results = json_array(),
        .events = json_array(),
    };
    r.id = json_string_value(json_object_get(vector, "id"));
    if (!r.id)
        r.id = "(no id)";
    policy_of(&r.policy, json_object_get(vector, "config"));
    simulate(&r);
    compare_all(&r, json_object_get(vector, "expect"));
    json_decref(r.results);
    json_decref(r.events);
    return r.differences == 0;
}

int main(int argc, char **argv)
{
    size_t passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        json_error_t error;
        json_t *file = json_load_file(argv[i], 0, &error), *vector;
        json_t *vectors = json_object_get(file, "vectors");
        if (!json_is_array(vectors)) {
            printf("%s: %s\n", argv[i], file ? "no \"vectors\" array" : error.text);
            failed++;
        }
        size_t n;
        json_array_foreach(vectors, n, vector)
        {
            if (replay(vector))
                passed++;
            else
                failed++;
        }
        json_decref(file);
    }
    if (argc < 2) {
        fprintf(stderr, "usage: health_replay FILE...\n");
        return 64;
    }
    printf("%zu passed, %zu failed\n", passed, failed);
    return failed ? 1 : 0;
}
