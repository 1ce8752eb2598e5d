/* The conformance suite: every type of the registry, through the real configuration and engine, as
 * a one-shot and as an agent: the right verdict, one result a run, the deadline kept, an end in
 * every state (ways.h), and nothing left: no handle, descriptor or child. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "bench.h"
#include "child/worker.h"
#include "conformance.h"
#include "loop/work.h"
#include "registry.h"
#include "server.h"
#include "ways.h"

#define TIMEOUT_TEXT "300ms" /* of a check */
#define MAX_TURNS    12      /* after how many turns of the loop a run is ended midway */

extern const struct conformance_type *const conformance_types[];

/* A thread whose run is over may have a file open yet. */
static void await_threads(void)
{
    int64_t limit = clock_now() + 20 * NS_PER_S;
    while (work_any_running() && clock_now() < limit)
        sched_yield();
}

static size_t count_fds(void)
{
    size_t n = 0;
    await_threads();
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir))
        n++;
    closedir(dir);
    return n;
}

static void expect_no_child(const char *what)
{
    if (waitpid(-1, NULL, WNOHANG) >= 0 || errno != ECHILD)
        fail_msg("%s: a child is left", what);
}

static const char *expected(const struct conformance_case *c)
{
    static char words[256];
    size_t n = 0;
    words[0] = '\0';
    for (int r = 0; r < REASON_COUNT && n < sizeof words; r++)
        if (c->reasons[r])
            n += (size_t)snprintf(words + n, sizeof words - n, "%s%s", n ? " or " : "",
                                  reason_name((enum reason)r));
    return words;
}

static struct bench_target target_of(const struct conformance_case *c)
{
    return (struct bench_target){.file = "/dev/null", .target = c->target, .timeout = TIMEOUT_TEXT};
}

/* As a one-shot, and three times in a row in an agent: the verdict is the same. */
static void check_verdict(const char *type, struct conformance_case *c)
{
    const struct bench_target target = target_of(c);
    for (size_t wanted = 1; wanted <= 3; wanted += 2) {
        struct bench b;
        char what[400];
        snprintf(what, sizeof what, "%s: %s (%s, %zu results)", type, c->name, c->target, wanted);
        bench_open(&b, &target, wanted > 1, wanted);
        bench_run(&b, what);
        if (!c->reasons[b.reason])
            fail_msg("%s: expected %s, got %s: %s", what, expected(c), reason_name(b.reason),
                     b.detail);
    }
}

/* Ended after each number of turns: whatever phase that hits. */
static void check_cancel(const char *type, struct conformance_case *c)
{
    const struct bench_target target = target_of(c);
    for (int agent = 0; agent < 2; agent++)
        for (int turns = 0; turns < MAX_TURNS; turns++) {
            struct bench b;
            char what[400];
            snprintf(what, sizeof what, "%s: %s ended after %d turns", type, c->name, turns);
            bench_open(&b, &target, agent, 1000000);
            for (int i = 0; i < turns; i++)
                uv_run(&b.loop, UV_RUN_ONCE);
            bench_stop(&b);
            bench_run(&b, what);
        }
}

static void run_case(const struct conformance_type *t, const struct conformance_case *original)
{
    struct conformance_case c = *original;
    struct server server;
    size_t fds = count_fds();
    if (c.begin)
        c.begin(&c);
    else if (t->scheme && !*c.target) {
        server_start(&server, t, c.manner);
        snprintf(c.target, sizeof c.target, "%s127.0.0.1:%u%s", t->scheme, server.port, t->tail);
    }
    check_verdict(t->name, &c);
    check_cancel(t->name, &c);
    if (c.end)
        c.end(&c);
    else if (!original->begin && t->scheme && !*original->target)
        server_stop(&server);
    if (count_fds() != fds)
        fail_msg("%s: %s: %zu descriptors before, %zu after", t->name, c.name, fds, count_fds());
    expect_no_child(c.name);
}

static void run_common(const struct conformance_type *t)
{
    const enum reason closed = t->closed_is_ok ? REASON_OK : REASON_CLOSED;
    const enum reason reset = t->closed_is_ok ? REASON_OK : REASON_RESET;
    const struct conformance_case common[] = {
        {.name = "up", .manner = MANNER_SERVE, .reasons[REASON_OK] = true},
        {.name = "dripped", .manner = MANNER_DRIP, .reasons[REASON_OK] = true},
        {.name = "refused", .manner = MANNER_REFUSED, .reasons[REASON_REFUSED] = true},
        {.name = "silent", .manner = MANNER_SILENT, .reasons = {[0] = false}},
        {.name = "garbage", .manner = MANNER_GARBAGE, .reasons = {[0] = false}},
        {.name = "reset midway", .manner = MANNER_RESET, .reasons = {[0] = false}},
        {.name = "closed midway", .manner = MANNER_CLOSE, .reasons = {[0] = false}},
    };
    for (size_t i = 0; i < ARRAY_LEN(common); i++) {
        struct conformance_case c = common[i];
        if (c.manner == MANNER_SILENT)
            c.reasons[t->silent_is] = true;
        else if (c.manner == MANNER_GARBAGE)
            c.reasons[t->garbage_is] = true;
        else if (c.manner == MANNER_CLOSE)
            c.reasons[closed] = true;
        else if (c.manner == MANNER_RESET)
            c.reasons[reset] = true;
        run_case(t, &c);
    }
}

static void test_type(void **state)
{
    const struct conformance_type *t = *state;
    if (t->scheme)
        run_common(t);
    for (size_t i = 0; i < t->n_cases; i++)
        run_case(t, &t->cases[i]);
    size_t fds = count_fds();
    ways_run(t->name);
    assert_int_equal(count_fds(), fds);
    expect_no_child(t->name);
}

/* The registry and the suite hold the same types. */
static void test_all_are_here(void **state)
{
    (void)state;
    for (size_t i = 0; probe_types[i] || conformance_types[i]; i++) {
        assert_non_null(probe_types[i]);
        assert_non_null(conformance_types[i]);
        assert_string_equal(probe_types[i]->name, conformance_types[i]->name);
        assert_true(probe_types[i]->n_keys > 0 && probe_types[i]->summary != NULL);
    }
}

/* usage: conformance [TYPE]; without one, all of them. */
int main(int argc, char **argv)
{
    int child = worker_child_main(argc, argv);
    if (child >= 0)
        return child;
    const char *only = argc > 1 ? argv[1] : NULL;
    uv_loop_t first; /* libuv keeps a pipe for signals from the first loop on */
    if (uv_loop_init(&first) != 0 || uv_loop_close(&first) != 0)
        return 1;
    struct CMUnitTest tests[32] = {cmocka_unit_test(test_all_are_here)};
    size_t n = 1;
    for (size_t i = 0; conformance_types[i] && n < ARRAY_LEN(tests); i++)
        if (!only || strcmp(only, conformance_types[i]->name) == 0)
            tests[n++] = (struct CMUnitTest){
                .name = conformance_types[i]->name,
                .test_func = test_type,
                .initial_state = (void *)(uintptr_t)conformance_types[i],
            };
    if (n == 1) {
        fprintf(stderr, "conformance: no type %s\n", only ? only : "at all");
        return 1;
    }
    return _cmocka_run_group_tests("conformance", tests, n, NULL, NULL);
}
