/* The story of a verdict: what it would take to change it, in agreement with the state machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "cli/story.h"

#define S NS_PER_S

static const struct health_policy policy = {
    .interval = 30 * S,
    .timeout = 5 * S,
    .start_period = 60 * S,
    .start_interval = 5 * S,
    .fail_interval = 10 * S,
    .retries = 3,
    .success_threshold = 2,
};

static void failures_until_unhealthy(void **state)
{
    (void)state;
    struct health_state s = {.status = HEALTH_HEALTHY, .ever_succeeded = true, .success_streak = 9};
    struct story_turn t = story_turn(&policy, s, 4 * S, HEALTH_FAILURE);
    assert_int_equal(t.checks, 3);
    assert_int_equal(t.uncounted, 0);
    assert_int_equal(t.in, 24 * S); /* the next, and two at fail_interval */
    s.failing_streak = 2;
    t = story_turn(&policy, s, 4 * S, HEALTH_FAILURE);
    assert_int_equal(t.checks, 1);
    assert_int_equal(t.in, 4 * S);
}

static void failures_in_start_period_are_told_apart(void **state)
{
    (void)state;
    /* 50 s of its 60 are over; the next check in 2 s, then each 5 s: at 2 and 7 they do not count.
     */
    struct health_state s = {.status = HEALTH_STARTING, .started = -50 * S};
    struct story_turn t = story_turn(&policy, s, 2 * S, HEALTH_FAILURE);
    assert_int_equal(t.uncounted, 2);
    assert_int_equal(t.checks, 5);
    assert_int_equal(t.in, 32 * S); /* 12, then two at fail_interval */
    s.ever_succeeded = true;
    t = story_turn(&policy, s, 2 * S, HEALTH_FAILURE);
    assert_int_equal(t.uncounted, 0);
    assert_int_equal(t.checks, 3);
}

static void successes_until_healthy(void **state)
{
    (void)state;
    struct health_state s = {
        .status = HEALTH_UNHEALTHY, .ever_succeeded = true, .failing_streak = 7};
    struct story_turn t = story_turn(&policy, s, 0, HEALTH_SUCCESS);
    assert_int_equal(t.checks, 2);
    assert_int_equal(t.in, 10 * S);
    s.success_streak = 1;
    t = story_turn(&policy, s, 3 * S, HEALTH_SUCCESS);
    assert_int_equal(t.checks, 1);
    assert_int_equal(t.in, 3 * S);
}

static void jitter_is_taken_at_its_earliest(void **state)
{
    (void)state;
    struct health_policy p = policy;
    p.jitter_percent = 20;
    struct health_state s = {.status = HEALTH_UNHEALTHY, .ever_succeeded = true};
    assert_int_equal(story_turn(&p, s, 0, HEALTH_SUCCESS).in, 9 * S);
}

static void what_cannot_be_foreseen_is_not_told(void **state)
{
    (void)state;
    struct health_policy p = policy;
    p.retries = 1000000;
    struct health_state s = {.status = HEALTH_HEALTHY, .ever_succeeded = true};
    assert_int_equal(story_turn(&p, s, 0, HEALTH_FAILURE).checks, 0);
}

/* ---- Sentences ---- */

static void expect_told(const char *json, const char *held_by, const char *const *parts)
{
    json_t *probe = json_loads(json, 0, NULL);
    assert_non_null(probe);
    struct view v;
    view_read(&v, probe);
    struct story s = {
        .view = &v,
        .policy = &policy,
        .by = "/etc/p.ini",
        .held_by = held_by,
        .held_status = "unhealthy",
        .now = view_time("2026-01-02T03:05:00.000Z"),
    };
    struct buf out;
    buf_init(&out, 65536);
    story_tell(&out, &s);
    for (char *line = out.data; line && *line; line = strchr(line, '\n') + 1)
        assert_memory_equal(line, "# ", 2);
    for (; *parts; parts++)
        if (!strstr(out.data, *parts))
            fail_msg("'%s' is not in:\n%s", *parts, out.data);
    buf_fini(&out);
    json_decref(probe);
}

static void a_healthy_probe_that_begins_to_fail(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "healthy since 2026-01-02T03:00:00.000Z (5m0s ago), with 1 failure in a row that counts; "
        "retries = 3 by /etc/p.ini\n",
        "  8s ago: failed after 1.5 ms, refused: connect; counted: yes\n",
        "the next check starts in 2s, at 2026-01-02T03:05:02.000Z\n",
        "# by /etc/p.ini, it becomes unhealthy after 2 more failures in a row: at the earliest "
        "in 12s, at "
        "2026-01-02T03:05:12.000Z\n",
        NULL};
    expect_told("{\"name\":\"a\",\"status\":\"healthy\",\"since\":\"2026-01-02T03:00:00.000Z\","
                "\"failing_streak\":1,\"success_streak\":0,\"next_in_ms\":2000,"
                "\"last\":{\"ok\":false},\"history\":[{\"started\":\"2026-01-02T03:04:52.000Z\","
                "\"duration_ms\":1.5,\"ok\":false,\"reason\":\"refused\",\"detail\":\"connect\","
                "\"counted\":\"yes\"}]}",
                NULL, parts);
}

static void a_start_period_that_goes_on(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "starting since 2026-01-02T03:04:10.000Z (50s ago)\n", "; counted: no, in start_period\n",
        "# by /etc/p.ini, it becomes healthy after 2 successes in a row: at the earliest in 7s, "
        "at ",
        "it becomes unhealthy after 3 failures in a row that start after start_period, which "
        "ends in 10s: at the earliest in 32s, at ",
        NULL};
    expect_told("{\"status\":\"starting\",\"since\":\"2026-01-02T03:04:10.000Z\","
                "\"next_in_ms\":2000,\"last\":{\"ok\":false},\"history\":[{\"ok\":false,"
                "\"started\":\"2026-01-02T03:04:57.000Z\",\"reason\":\"dns\","
                "\"detail\":\"\",\"counted\":\"no, in start_period\"}]}",
                NULL, parts);
}

static void a_blocked_probe(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "it comes after db, which is unhealthy; so it is not checked and not blamed\n",
        "counted: no, the probe was blocked then\n",
        "once db is neither unhealthy nor blocked it is checked at once", NULL};
    expect_told("{\"status\":\"blocked\",\"since\":\"2026-01-02T03:04:10.000Z\","
                "\"next_in_ms\":null,\"history\":[{\"ok\":false,\"reason\":\"refused\","
                "\"counted\":\"no, the probe was blocked then\"}]}",
                "db", parts);
}

static void a_stale_verdict(void **state)
{
    (void)state;
    static const char *const parts[] = {"stale: the check that was due has not ended",
                                        "a check is under way or due now\n", NULL};
    expect_told("{\"status\":\"starting\",\"stale\":true,\"next_in_ms\":0}", NULL, parts);
}

static void a_hostile_document(void **state)
{
    (void)state;
    static const char *const parts[] = {"\\n[agent]\\nsocket = /x\\x1b[31m", NULL};
    expect_told("{\"status\":\"healthy\",\"since\":7,\"next_in_ms\":1e300,"
                "\"failing_streak\":-5,\"success_streak\":99999999999,"
                "\"history\":[{\"detail\":\"\\n[agent]\\nsocket = /x\\u001b[31m\"},5,null]}",
                NULL, parts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_until_unhealthy),
        cmocka_unit_test(failures_in_start_period_are_told_apart),
        cmocka_unit_test(successes_until_healthy),
        cmocka_unit_test(jitter_is_taken_at_its_earliest),
        cmocka_unit_test(what_cannot_be_foreseen_is_not_told),
        cmocka_unit_test(a_healthy_probe_that_begins_to_fail),
        cmocka_unit_test(a_start_period_that_goes_on),
        cmocka_unit_test(a_blocked_probe),
        cmocka_unit_test(a_stale_verdict),
        cmocka_unit_test(a_hostile_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
