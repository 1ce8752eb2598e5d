/* reaper as a real PID 1 (in a pid namespace of its own, where that is allowed): orphans are taken,
 * and no exit of a child of libuv's is lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "loop/reaper.h"

#define ROUNDS     25
#define DEADLINE_S 60

/* Also PID 1, which no unhandled signal ends, must not hang the test. */
static void on_alarm(int signum)
{
    (void)signum;
    _exit(14);
}

/* One round: a child of libuv's, and one of ours that leaves an orphan. */
struct scene {
    uv_loop_t loop;
    struct reaper reaper;
    uv_process_t children[ROUNDS];
    uv_timer_t tick;
    int exits, wrong, rounds;
};

static void on_exit_cb(uv_process_t *child, int64_t status, int signum)
{
    struct scene *s = child->loop->data;
    s->exits++;
    s->wrong += status != 7 || signum != 0;
    uv_close((uv_handle_t *)child, NULL);
}

/* Its child outlives it and comes to us. */
static void leave_orphan(void)
{
    pid_t child = fork();
    if (child == 0) {
        if (fork() == 0)
            usleep(1000);
        _exit(0);
    }
}

/* Nobody is left: neither alive nor dead and not taken. */
static bool all_gone(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

static void on_tick(uv_timer_t *tick)
{
    struct scene *s = tick->loop->data;
    if (s->rounds < ROUNDS) {
        char *argv[] = {"/bin/sh", "-c", "exit 7", NULL};
        uv_process_options_t options = {.file = argv[0], .args = argv, .exit_cb = on_exit_cb};
        if (s->rounds % 2)
            leave_orphan();
        s->wrong += uv_spawn(tick->loop, &s->children[s->rounds], &options) != 0;
        if (s->rounds % 2 == 0)
            leave_orphan();
        s->rounds++;
    } else if (s->exits == ROUNDS && all_gone()) {
        uv_close((uv_handle_t *)tick, NULL);
        reaper_close(&s->reaper);
    }
}

/* In a child of the test's: 0 when all is well. */
static int play(void)
{
    static struct scene s;
    signal(SIGALRM, on_alarm);
    alarm(DEADLINE_S);
    leave_orphan(); /* dead before the reaper begins, like those of a shell that exec'd us */
    uv_loop_init(&s.loop);
    s.loop.data = &s;
    if (reaper_open(&s.reaper, &s.loop) < 0)
        return 10;
    uv_timer_init(&s.loop, &s.tick);
    uv_timer_start(&s.tick, on_tick, 0, 1);
    uv_run(&s.loop, UV_RUN_DEFAULT);
    if (s.wrong)
        return 11;
    return uv_loop_close(&s.loop) == 0 ? 0 : 13;
}

static int child_status(pid_t child)
{
    int status = 0;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Elsewhere the dead are not ours to take. */
static void test_not_pid_1(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct reaper reaper;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(reaper_open(&reaper, &loop), 0);
    reaper_close(&reaper);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_pid_1(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        if (unshare(CLONE_NEWPID) < 0)
            _exit(77);
        pid_t init = fork();
        if (init == 0)
            _exit(getpid() == 1 ? play() : 9);
        int status = 0;
        waitpid(init, &status, 0);
        _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 100);
    }
    int status = child_status(child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("SKIPPED: no privilege for a pid namespace\n");
        skip();
    }
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_pid_1),
        cmocka_unit_test(test_pid_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
