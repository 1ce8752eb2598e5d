/* A reload beside running checks: read on a thread, all or nothing, one after the other, given up
 * where reading hangs, and dropped wherever it stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/reload.h"
#include "base/clock.h"
#include "base/str.h"
#include "reports/reports.h"

#define PATIENCE (20 * NS_PER_S)
#define MANY     20000

struct rig {
    uv_loop_t loop;
    struct engine engine;
    struct notify notify;
    struct reports reports;
    struct reload reload;
    struct config_source source;
    struct sched_entry due; /* always due, as a check of a busy agent */
    size_t fired;           /* while a thread was reading */
    char path[32];
    char story[64];     /* b: begun; d: done; r: refused */
    char problem[1024]; /* the first of the last report */
};

/* A reader that meets `ready_file` stands still at the gate, as long as it is shut. */
static sem_t gate, arrived;
static bool shut;

static int stand_at_gate(const char *path, struct err *e)
{
    (void)path;
    (void)e;
    if (!shut)
        return 0;
    sem_post(&arrived);
    while (sem_wait(&gate) < 0)
        ;
    return 0;
}

#define AT_GATE "[agent]\nready_file = /tmp/probe-reload-gate\n"

static void on_due(struct sched_entry *entry, int64_t now)
{
    struct rig *r = container_of(entry, struct rig, due);
    r->fired += r->reload.job != NULL;
    sched_set(&r->engine.sched, entry, now);
}

static void on_begin(struct reload *reload)
{
    strcat(container_of(reload, struct rig, reload)->story, "b");
}

static int apply(struct reload *reload, struct config *config, struct err *e)
{
    struct rig *r = container_of(reload, struct rig, reload);
    struct reports_draft reports;
    if (reports_prepare(&r->reports, &config->agent, &reports, e) < 0)
        return -1;
    reports_commit(&r->reports, &config->agent, &reports);
    return engine_load(&r->engine, config, e);
}

static void on_end(struct reload *reload, const struct config *config,
                   const struct config_report *report)
{
    struct rig *r = container_of(reload, struct rig, reload);
    strcat(r->story, config ? "d" : "r");
    snprintf(r->problem, sizeof r->problem, "%s", report->n ? report->problems[0].text : "");
}

/* `head`, sections, then n probes p0, p1, ... that are not due in this hour. */
static void configure(struct rig *r, const char *head, size_t n, const char *tail)
{
    FILE *out = fopen(r->path, "w");
    assert_non_null(out);
    fprintf(out, "%s[defaults]\ninitial_delay = 1h\n", head);
    for (size_t i = 0; i < n; i++)
        fprintf(out, "[probe p%zu]\naddress = 127.0.0.1:1\n", i);
    fputs(tail, out);
    assert_int_equal(fclose(out), 0);
}

static void rig_open(struct rig *r, size_t n, const char *tail)
{
    struct config_report report;
    struct config *config;
    struct err e;
    *r = (struct rig){.path = "/tmp/probe-reload-XXXXXX", .notify.fd = -1};
    close(mkstemp(r->path));
    configure(r, "", n, tail);
    r->source.path = r->path;
    r->source.check_ready_file = stand_at_gate;
    config_report_init(&report);
    assert_int_equal(config_load(&r->source, &config, &report), CONFIG_OK);
    uv_loop_init(&r->loop);
    assert_int_equal(engine_init(&r->engine, &r->loop, true, 1, &(struct engine_hooks){0}), 0);
    assert_int_equal(engine_load(&r->engine, config, &e), 0);
    assert_int_equal(reports_open(&r->reports, &r->engine, &config->agent, &r->notify, &e), 0);
    config_free(config);
    config_report_fini(&report);
    r->reload = (struct reload){.engine = &r->engine,
                                .source = &r->source,
                                .on_begin = on_begin,
                                .apply = apply,
                                .on_end = on_end};
    reload_init(&r->reload);
    r->due.fire = on_due;
    sched_set(&r->engine.sched, &r->due, clock_now());
}

static void on_stopped(struct engine *e)
{
    (void)e;
}

static void rig_close(struct rig *r)
{
    if (!r->reload.closed)
        reload_close(&r->reload);
    reports_close(&r->reports);
    engine_stop(&r->engine, on_stopped);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&r->loop), 0);
    unlink(r->path);
}

static void turn_until(struct rig *r, const char *story)
{
    int64_t end = clock_now() + PATIENCE;
    while (strcmp(r->story, story) != 0 && clock_now() < end)
        uv_run(&r->loop, UV_RUN_NOWAIT);
    assert_string_equal(r->story, story);
}

/* Every check is where its name and its place say. */
static void expect_whole(struct rig *r, size_t n)
{
    assert_int_equal(r->engine.n_checks, n);
    for (size_t i = 0; i < n; i++) {
        const struct check *c = r->engine.checks[i];
        assert_int_equal(c->slot, i);
        assert_ptr_equal(engine_find(&r->engine, c->conf->name), c);
        assert_int_equal(c->state, CHECK_LIVE);
        assert_true(c->planned > 0);
    }
}

static void test_checks_go_on(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, MANY, "");
    struct check **before = calloc(MANY, sizeof *before);
    memcpy(before, r.engine.checks, MANY * sizeof *before);
    configure(&r, "", MANY - 1, "retries = 7\n[probe new]\naddress = 127.0.0.1:2\n");
    assert_int_equal(reload_ask(&r.reload), 1);
    turn_until(&r, "bd");
    assert_true(r.fired >= 5);
    expect_whole(&r, MANY);
    for (size_t i = 0; i < MANY - 2; i++)
        assert_ptr_equal(r.engine.checks[i], before[i]);
    assert_int_equal(r.engine.checks[MANY - 2]->conf->policy.retries, 7);
    assert_string_equal(r.engine.checks[MANY - 1]->conf->name, "new");
    assert_null(engine_find(&r.engine, "p19999"));
    assert_int_equal(r.engine.n_closing, 0);
    free(before);
    rig_close(&r);
}

/* One that others come after is replaced under them, moved, and goes. */
static void test_after(void **state)
{
    (void)state;
    struct rig r;
    const char *chain = "[probe b]\naddress = 127.0.0.1:1\nafter = p0\n"
                        "[probe c]\naddress = 127.0.0.1:1\nafter = p0, b\n";
    rig_open(&r, 1, chain);
    struct check *b = engine_find(&r.engine, "b"), *c = engine_find(&r.engine, "c");
    configure(&r, chain, 1, "retries = 7\n");
    reload_ask(&r.reload);
    turn_until(&r, "bd");
    expect_whole(&r, 3);
    struct check *p0 = engine_find(&r.engine, "p0");
    assert_int_equal(p0->conf->policy.retries, 7);
    assert_ptr_equal(engine_find(&r.engine, "b"), b);
    assert_ptr_equal(engine_find(&r.engine, "c"), c);
    assert_int_equal(b->n_after, 1);
    assert_ptr_equal(b->after[0], p0);
    assert_int_equal(c->n_after, 2);
    assert_ptr_equal(c->after[0], p0);
    assert_ptr_equal(c->after[1], b);
    assert_int_equal(p0->n_dependents, 2);
    assert_ptr_equal(p0->dependents[0], b);
    assert_ptr_equal(p0->dependents[1], c);
    assert_int_equal(b->n_dependents, 1);
    assert_ptr_equal(b->dependents[0], c);
    configure(&r, "", 0, "[probe b]\naddress = 127.0.0.1:1\n");
    reload_ask(&r.reload);
    turn_until(&r, "bdbd");
    expect_whole(&r, 1);
    assert_int_equal(r.engine.checks[0]->n_after, 0);
    assert_int_equal(r.engine.checks[0]->n_dependents, 0);
    rig_close(&r);
}

static void expect_refused(const char *agent, const char *tail, const char *problem)
{
    struct rig r;
    rig_open(&r, MANY, "");
    struct check **before = r.engine.checks;
    uint64_t generation = r.engine.generation;
    configure(&r, agent, MANY - 1, tail);
    reload_ask(&r.reload);
    turn_until(&r, "br");
    assert_non_null(strstr(r.problem, problem));
    assert_ptr_equal(r.engine.checks, before);
    assert_int_equal(r.engine.generation, generation);
    assert_null(engine_find(&r.engine, "new"));
    expect_whole(&r, MANY);
    /* And the next one is as good as ever. */
    configure(&r, "", 1, "");
    reload_ask(&r.reload);
    turn_until(&r, "brbd");
    expect_whole(&r, 1);
    rig_close(&r);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused("", "colour = 1\n[probe new]\naddress = 127.0.0.1:2\n", "colour: unknown key");
    /* Seen only when everything is built: what the agent is to open besides. */
    expect_refused("[agent]\nready_file = /nonexistent/ready\n",
                   "retries = 7\n[probe new]\naddress = 127.0.0.1:2\n", "/nonexistent/ready");
    struct rig r;
    rig_open(&r, 2, "");
    unlink(r.path);
    reload_ask(&r.reload);
    turn_until(&r, "br");
    assert_non_null(strstr(r.problem, "cannot be read: No such file or directory"));
    expect_whole(&r, 2);
    rig_close(&r);
}

static void await_reader(struct rig *r)
{
    turn_until(r, "b");
    while (sem_wait(&arrived) < 0)
        ;
}

static void open_gate(void)
{
    shut = false;
    sem_post(&gate);
}

/* Else the reader of one test could stand at the gate of the next. */
static void await_no_reader(void)
{
    while (work_any_running())
        sched_yield();
}

/* Who asks while one is reading is answered by the next, which reads what there is by then. */
static void test_in_a_row(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 1, "");
    configure(&r, AT_GATE, MANY, "");
    shut = true;
    assert_int_equal(reload_ask(&r.reload), 1);
    assert_int_equal(reload_ask(&r.reload), 1); /* it has not begun to read */
    await_reader(&r);
    configure(&r, "", 2, "");
    assert_int_equal(reload_ask(&r.reload), 2);
    assert_int_equal(reload_ask(&r.reload), 2);
    open_gate();
    turn_until(&r, "bdbd");
    assert_int_equal(r.reload.number, 2);
    expect_whole(&r, 2);
    for (int i = 0; i < 10; i++)
        uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_string_equal(r.story, "bdbd");
    assert_int_equal(reload_ask(&r.reload), 3);
    rig_close(&r);
}

/* A file system that does not answer: the checks go on, the reload is refused in time, and another
 * one is read beside it. */
static void test_hangs(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3, "");
    configure(&r, AT_GATE, 1, "");
    shut = true;
    reload_ask(&r.reload);
    await_reader(&r);
    size_t fired = r.fired;
    for (int i = 0; i < 10; i++)
        uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_true(r.fired >= fired + 5);
    assert_string_equal(r.story, "b");
    sched_set(&r.engine.sched, &r.reload.giveup, clock_now());
    turn_until(&r, "br");
    assert_non_null(strstr(r.problem, "could not be read within 30s"));
    expect_whole(&r, 3);
    configure(&r, "", 2, "");
    reload_ask(&r.reload);
    turn_until(&r, "brbd");
    expect_whole(&r, 2);
    open_gate();
    await_no_reader();
    rig_close(&r);
    assert_string_equal(r.story, "brbd");
}

/* The agent stops: nobody is told, nothing is left. */
static void test_dropped(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, 3, "");
    configure(&r, AT_GATE, 1, "");
    shut = true;
    reload_ask(&r.reload);
    await_reader(&r);
    reload_close(&r.reload);
    reload_ask(&r.reload); /* too late */
    open_gate();
    await_no_reader(); /* the result is there, and nobody takes it */
    for (int t = 0; t < 3; t++)
        uv_run(&r.loop, UV_RUN_NOWAIT);
    assert_string_equal(r.story, "b");
    expect_whole(&r, 3);
    rig_close(&r);
    rig_open(&r, 1, "");
    reload_ask(&r.reload);
    rig_close(&r);
    assert_string_equal(r.story, "");
}

int main(void)
{
    sem_init(&gate, 0, 0);
    sem_init(&arrived, 0, 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_checks_go_on), cmocka_unit_test(test_after),
        cmocka_unit_test(test_refused),      cmocka_unit_test(test_in_a_row),
        cmocka_unit_test(test_hangs),        cmocka_unit_test(test_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
