/* Workers: the children are this very program under words that only it knows. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "child/worker.h"
#include "run_harness.h"

#define JOB "a job"

/* ---- the children ---- */

static int child_echo(void)
{
    char chunk[256];
    ssize_t n;
    while ((n = read(0, chunk, sizeof chunk)) > 0)
        if (write(1, chunk, (size_t)n) != n)
            return 1;
    return 7;
}

static int child_env(void)
{
    extern char **environ;
    for (char **e = environ; *e; e++)
        dprintf(1, "%s\n", *e);
    return getpgrp() == getpid() ? 0 : 1;
}

static int child_flood(void)
{
    char chunk[4096] = "";
    while (write(1, chunk, sizeof chunk) > 0)
        ;
    return 0;
}

/* A hang, with a child of its own that hangs as well. */
__attribute__((noreturn)) static int child_hang(void)
{
    if (fork() < 0)
        abort();
    for (;;)
        pause();
}

/* Replies, ends, and leaves a child of its own that holds the reply's pipe until nobody reads it;
 * in a group of its own, so that it is not killed with the one that left it. */
static int child_leave(void)
{
    struct pollfd out = {.fd = 1};
    pid_t left = fork();
    if (left == 0)
        poll(&out, 1, -1);
    return left < 0 || setpgid(left, left) < 0 || write(1, "left", 4) != 4;
}

static int run_child(const char *word)
{
    if (strcmp(word, "__leave") == 0)
        return child_leave();
    if (strcmp(word, "__echo") == 0)
        return child_echo();
    if (strcmp(word, "__env") == 0)
        return child_env();
    if (strcmp(word, "__flood") == 0)
        return child_flood();
    if (strcmp(word, "__crash") == 0)
        raise(SIGABRT);
    return child_hang();
}

/* ---- the runs ---- */

struct test_run {
    struct probe_run base;
    struct worker *worker;
    struct worker_result result;
    char reply[4096];
    int done;
};

static struct harness h;
static struct test_run seen; /* outlives the run */

static void on_closed(struct probe_run *run)
{
    probe_release(run);
}

static void on_done(struct probe_run *run, const struct worker_result *result)
{
    struct test_run *r = (struct test_run *)run;
    r->done++;
    r->result = *result;
    if (result->reply->len < sizeof r->reply)
        memcpy(r->reply, result->reply->data ? result->reply->data : "", result->reply->len);
    seen = *r;
    probe_finish(run, REASON_OK, "done");
    worker_close(r->worker, on_closed);
}

static struct test_run *start(const char *word)
{
    struct test_run *r = (struct test_run *)(void *)harness_run_new(&h, sizeof *r);
    memset(&seen, 0, sizeof seen);
    r->worker = worker_start(&r->base, word, JOB, sizeof JOB - 1, on_done);
    assert_non_null(r->worker);
    return r;
}

static void run(const char *word)
{
    start(word);
    harness_wait(&h, 5000);
    assert_int_equal(seen.done, 1);
}

static int open_harness(void **state)
{
    (void)state;
    harness_open(&h);
    return 0;
}

static int close_harness(void **state)
{
    (void)state;
    harness_close(&h);
    return 0;
}

static void job_and_reply(void **state)
{
    (void)state;
    run("__echo");
    assert_int_equal(seen.result.outcome, WORKER_ENDED);
    assert_int_equal(seen.result.exit_status, 7);
    assert_int_equal(seen.result.term_signal, 0);
    assert_string_equal(seen.reply, JOB);
}

static void environment_is_clean(void **state)
{
    (void)state;
    setenv("PROBE_TEST_SECRET", "s3cret", 1);
    setenv("SSL_CERT_DIR", "/certs", 1);
    run("__env");
    assert_int_equal(seen.result.exit_status, 0); /* in a group of its own */
    assert_non_null(strstr(seen.reply, "SSL_CERT_DIR=/certs\n"));
    assert_null(strstr(seen.reply, "s3cret"));
}

static void crash(void **state)
{
    (void)state;
    run("__crash");
    assert_int_equal(seen.result.outcome, WORKER_ENDED);
    assert_int_equal(seen.result.term_signal, SIGABRT);
}

static void flood(void **state)
{
    (void)state;
    run("__flood");
    assert_int_equal(seen.result.outcome, WORKER_FLOODED);
}

/* What has ended is not waited for longer because somebody else could go on writing. */
static void leaves_its_output_open(void **state)
{
    (void)state;
    run("__leave");
    assert_int_equal(seen.result.outcome, WORKER_ENDED);
    assert_int_equal(seen.result.exit_status, 0);
    assert_string_equal(seen.reply, "left");
}

/* A type that only cancels, for harness_cancel. */
static void cancel(struct probe_run *run)
{
    worker_close(((struct test_run *)run)->worker, on_closed);
}
static const struct probe_type hanging = {.cancel = cancel};

/* Children that hang are killed at the deadline, with what they started; whether they had begun to
 * run by then or not. */
static void hang(void **state)
{
    (void)state;
    h.type = &hanging;
    for (int timeout_ms = 0; timeout_ms < 60; timeout_ms += 20) {
        start("__hang");
        harness_wait(&h, timeout_ms);
        assert_int_equal(h.reason, REASON_TIMEOUT);
        assert_int_equal(seen.done, 0);
    }
}

/* With its only place taken by another, a worker is told before the deadline that it starved, and
 * it was never started. */
static struct worker *holder;

static void on_holder_done(struct probe_run *run, const struct worker_result *result)
{
    (void)run, (void)result;
    fail_msg("a child that hangs came back");
}

static void on_holder_closed(struct probe_run *run)
{
    (void)run;
    holder = NULL;
}

static void take_the_place(void)
{
    static struct probe_run parent;
    h.env.max_workers = 1;
    parent = (struct probe_run){.env = &h.env, .deadline = clock_now() + 60 * NS_PER_S};
    holder = worker_start(&parent, "__hang", JOB, 1, on_holder_done);
}

/* A child that began late has not ended at the deadline: that it had no time says nothing. */
static void late(void **state)
{
    (void)state;
    take_the_place();
    struct test_run *r = (struct test_run *)(void *)harness_run_new(&h, sizeof *r);
    memset(&seen, 0, sizeof seen);
    r->base.started = clock_now() - NS_PER_S;
    r->base.deadline = clock_now() + 400 * NS_PER_MS;
    r->worker = worker_start(&r->base, "__hang", JOB, 1, on_done);
    worker_close(holder, on_holder_closed);
    while (!h.released || holder)
        uv_run(&h.loop, UV_RUN_ONCE);
    assert_int_equal(seen.done, 1);
    assert_int_equal(seen.result.outcome, WORKER_STARVED);
}

static void starved(void **state)
{
    (void)state;
    take_the_place();
    struct test_run *r = (struct test_run *)(void *)harness_run_new(&h, sizeof *r);
    memset(&seen, 0, sizeof seen);
    r->base.deadline = clock_now() + 50 * NS_PER_MS;
    r->worker = worker_start(&r->base, "__echo", JOB, 1, on_done);
    while (!h.released)
        uv_run(&h.loop, UV_RUN_ONCE);
    assert_int_equal(seen.result.outcome, WORKER_STARVED);

    /* One in line goes as soon as there is a place. */
    start("__echo");
    worker_close(holder, on_holder_closed);
    harness_wait(&h, 5000);
    assert_int_equal(seen.result.exit_status, 7);
    while (holder)
        uv_run(&h.loop, UV_RUN_ONCE);
}

static void no_program(void **state)
{
    (void)state;
    struct rlimit limit, none;
    getrlimit(RLIMIT_NOFILE, &limit);
    int fd = dup(0); /* the loop's own are open by now: no further one */
    close(fd);
    none = (struct rlimit){.rlim_cur = (rlim_t)fd, .rlim_max = limit.rlim_max};
    setrlimit(RLIMIT_NOFILE, &none);
    start("__echo");
    setrlimit(RLIMIT_NOFILE, &limit);
    harness_wait(&h, 5000);
    assert_int_equal(seen.result.outcome, WORKER_FAILED);
    assert_non_null(strstr(seen.result.error.text, "too many open files"));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strncmp(argv[1], "__", 2) == 0)
        return run_child(argv[1]);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(job_and_reply, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(environment_is_clean, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(crash, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(flood, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(hang, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(starved, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(late, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(leaves_its_output_open, open_harness, close_harness),
        cmocka_unit_test_setup_teardown(no_program, open_harness, close_harness),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
