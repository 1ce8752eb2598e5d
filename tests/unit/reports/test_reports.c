/* The words in which the verdict is told: HAProxy's line, from states that are set by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"
#include "engine/engine.h"
#include "reports/agent_check.h"
#include "reports/reports.h"
#include "view/verdict.h"

struct rig {
    uv_loop_t loop;
    struct engine engine;
};

static const char *const text = "[probe a]\naddress = 127.0.0.1:1\n"
                                "[probe b]\naddress = 127.0.0.1:2\n"
                                "[probe c]\naddress = 127.0.0.1:3\nrequired = no\n"
                                "[probe d]\naddress = 127.0.0.1:4\nlevel = alive\n";

static int set_up(void **state)
{
    struct rig *r = calloc(1, sizeof *r);
    char path[] = "/tmp/probe-test-XXXXXX";
    struct config_report report;
    struct config *config;
    struct err e;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    config_report_init(&report);
    assert_int_equal(config_load(&(struct config_source){.path = path}, &config, &report),
                     CONFIG_OK);
    unlink(path);
    config_report_fini(&report);
    uv_loop_init(&r->loop);
    assert_int_equal(engine_init(&r->engine, &r->loop, true, 1, &(struct engine_hooks){0}), 0);
    assert_int_equal(engine_load(&r->engine, config, &e), 0);
    config_free(config);
    for (size_t i = 0; i < r->engine.n_checks; i++)
        r->engine.checks[i]->health.status = HEALTH_HEALTHY;
    *state = r;
    return 0;
}

static void on_stopped(struct engine *e)
{
    (void)e;
}

static int tear_down(void **state)
{
    struct rig *r = *state;
    engine_stop(&r->engine, on_stopped);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    free(r);
    return 0;
}

static void expect(struct rig *r, int64_t now, bool drain, bool drained, const char *line)
{
    char got[AGENT_CHECK_LINE];
    size_t n = agent_check_line(got, &r->engine, now, drain, drained);
    assert_string_equal(got, line);
    assert_int_equal(n, strlen(line));
}

static void fail_with(struct check *c, const char *detail)
{
    struct check_result *last = &c->history[c->n_results++ % CHECK_HISTORY];
    *last = (struct check_result){.reason = REASON_REFUSED, .detail = strdup(detail)};
    c->health.status = HEALTH_UNHEALTHY;
}

static void test_up(void **state)
{
    struct rig *r = *state;
    struct check **c = r->engine.checks;
    int64_t now = clock_now();
    expect(r, now, false, false, "up 100%\n");
    expect(r, now, true, false, "ready up 100%\n");
    expect(r, now, false, true, "ready up 100%\n");
    c[2]->health.status = HEALTH_UNHEALTHY; /* not required: weighs, and no more */
    expect(r, now, false, false, "up 66%\n");
    c[3]->health.status = HEALTH_UNHEALTHY; /* level alive only */
    expect(r, now, false, false, "up 66%\n");
}

static void test_down(void **state)
{
    struct rig *r = *state;
    struct check **c = r->engine.checks;
    int64_t now = clock_now();
    c[1]->health.status = HEALTH_STARTING;
    expect(r, now, false, false, "down #b starting: no check has ended yet\n");
    c[1]->health.status = HEALTH_BLOCKED;
    expect(r, now, false, false,
           "down #b blocked: not checked while a probe in its after is down\n");
    fail_with(c[1], "one\ntwo\001\xff");
    expect(r, now, false, false, "down #b unhealthy: refused: one?two??\n");
    expect(r, now, true, false, "drain #b unhealthy: refused: one?two??\n");
}

static void test_status(void **state)
{
    struct rig *r = *state;
    int64_t now = clock_now();
    char out[64], whole[320];
    struct readiness v = engine_readiness(&r->engine, now);
    verdict_status(out, sizeof out, &r->engine, &v, now);
    assert_string_equal(out, "ready: 2 of 2 probes healthy");
    fail_with(r->engine.checks[1], "connect to\n10.0.0.7:27017: \"no\"");
    v = engine_readiness(&r->engine, now);
    verdict_status(whole, sizeof whole, &r->engine, &v, now);
    assert_string_equal(whole, "not ready: 1 of 2 probes healthy; b unhealthy: refused: "
                               "connect to?10.0.0.7:27017: \"no\"");
    verdict_status(out, sizeof out, &r->engine, &v, now);
    assert_memory_equal(out, whole, sizeof out - 4);
    assert_int_equal(strlen(out), sizeof out - 1);
    v = engine_readiness(&r->engine, now + 3600 * NS_PER_S);
    verdict_status(whole, sizeof whole, &r->engine, &v, now + 3600 * NS_PER_S);
    assert_string_equal(whole, "not ready: 0 of 2 probes healthy; a stale: its next check is "
                               "overdue");
}

/* However long the reason is, there is one line, and it ends. */
static void test_long(void **state)
{
    struct rig *r = *state;
    char detail[PROBE_DETAIL_MAX], line[AGENT_CHECK_LINE];
    memset(detail, 'x', sizeof detail - 1);
    detail[sizeof detail - 1] = '\0';
    fail_with(r->engine.checks[0], detail);
    size_t n = agent_check_line(line, &r->engine, clock_now(), true, true);
    assert_true(n < sizeof line && n > 200);
    assert_int_equal(n, strlen(line));
    assert_ptr_equal(strchr(line, '\n'), line + n - 1);
}

static void test_stale(void **state)
{
    struct rig *r = *state;
    struct check **c = r->engine.checks;
    int64_t later = clock_now() + 3600 * NS_PER_S;
    expect(r, later, false, false, "down #a stale: its next check is overdue\n");
    for (int i = 0; i < 4; i++)
        c[i]->planned = later;
    c[1]->planned = 1;
    fail_with(c[2], "not required");
    expect(r, later, true, false, "drain #b stale: its next check is overdue\n");
    c[1]->planned = later;
    c[3]->planned = 1; /* of the level alive: an agent that is behind is not believed at all */
    expect(r, later, false, false, "down #d stale: its next check is overdue\n");
    c[3]->planned = later;
    c[2]->planned = 1; /* stale and not required: weighs as not healthy */
    c[2]->health.status = HEALTH_HEALTHY;
    expect(r, later, false, false, "up 66%\n");
}

/* An agent with more checks due than it gets done: its schedule is always overdue. */
struct storm {
    struct sched_entry entry;
    struct rig *rig;
    struct reports reports;
    const char *file;
    int64_t deadline;
    bool failed, timed_out;
};

static void on_storm(struct sched_entry *entry, int64_t now)
{
    struct storm *s = container_of(entry, struct storm, entry);
    struct check *c = s->rig->engine.checks[0];
    bool there = access(s->file, F_OK) == 0;
    s->timed_out = now > s->deadline;
    if ((s->failed && !there) || s->timed_out) {
        reports_close(&s->reports);
        uv_stop(&s->rig->loop);
        return;
    }
    if (there && !s->failed) {
        s->failed = true;
        fail_with(c, "gone");
    }
    if (s->failed)
        reports_on_transition(&s->reports, c, HEALTH_HEALTHY);
    sched_set(&s->rig->engine.sched, entry, now - NS_PER_MS);
}

static void test_storm(void **state)
{
    char dir[] = "/tmp/probe-test-XXXXXX", file[64];
    struct storm s = {.rig = *state, .deadline = clock_now() + 20 * NS_PER_S, .file = file};
    struct notify nobody = {.fd = -1};
    struct err e;
    assert_non_null(mkdtemp(dir));
    snprintf(file, sizeof file, "%s/ready", dir);
    struct agent_conf conf = {.ready_file = file, .ready_fd = -1};
    struct engine *engine = &s.rig->engine;
    for (size_t i = 0; i < engine->n_checks; i++) { /* their own schedule is not what this is of */
        sched_clear(&engine->sched, &engine->checks[i]->next);
        engine->checks[i]->planned = s.deadline;
    }
    assert_int_equal(reports_open(&s.reports, engine, &conf, &nobody, &e), 0);
    s.entry.fire = on_storm;
    sched_set(&engine->sched, &s.entry, clock_now());
    uv_run(&s.rig->loop, UV_RUN_DEFAULT);
    assert_int_equal(rmdir(dir), 0);
    assert_true(s.failed);
    assert_false(s.timed_out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_down, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_status, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stale, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_storm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
