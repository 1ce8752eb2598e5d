/* bench: see bench.h. */
#include "bench.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/str.h"
#include "config/config.h"

#define LIMIT (20 * NS_PER_S)

static void on_stopped(struct engine *e)
{
    container_of(e, struct bench, engine)->stopped = true;
}

static void on_result(void *ctx, struct check *c, const struct check_result *r)
{
    (void)c;
    struct bench *b = ctx;
    b->reason = r->reason;
    snprintf(b->detail, sizeof b->detail, "%s", r->detail);
    if (++b->results == b->wanted)
        bench_stop(b);
}

static void load(struct bench *b, const struct bench_target *t)
{
    const struct config_override overrides[] = {
        {"timeout", t->timeout}, {"interval", "5ms"}, {NULL, NULL}};
    char *targets[] = {(char *)(uintptr_t)t->target};
    struct config_source source = {
        .path = t->file, .targets = targets, .n_targets = 1, .overrides = overrides};
    struct config_report report;
    struct config *config;
    struct err e;
    config_report_init(&report);
    if (config_load(&source, &config, &report) != CONFIG_OK)
        fail_msg("%s: %s", t->target, report.n ? report.problems[0].text : "not taken");
    config_report_fini(&report);
    assert_int_equal(engine_load(&b->engine, config, &e), 0);
    config_free(config);
}

void bench_open(struct bench *b, const struct bench_target *t, bool agent, size_t wanted)
{
    *b = (struct bench){.wanted = wanted, .reason = REASON_COUNT};
    struct engine_hooks hooks = {.on_result = on_result, .ctx = b};
    assert_int_equal(uv_loop_init(&b->loop), 0);
    assert_int_equal(engine_init(&b->engine, &b->loop, agent, 1, &hooks), 0);
    load(b, t);
}

void bench_reload(struct bench *b, const struct bench_target *t)
{
    struct bench_target other = *t;
    other.timeout = "251ms";
    load(b, &other);
}

void bench_stop(struct bench *b)
{
    engine_stop(&b->engine, on_stopped);
}

void bench_run(struct bench *b, const char *what)
{
    int64_t limit = clock_now() + LIMIT;
    while (uv_run(&b->loop, UV_RUN_ONCE))
        if (clock_now() > limit)
            fail_msg("%s: not over after 20 s (%zu results)", what, b->results);
    assert_true(b->stopped);
    if (uv_loop_close(&b->loop) != 0)
        fail_msg("%s: handles are left open", what);
}
