/* closer: one callback, from the loop, after everything; and what it does not forgive. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/closer.h"

struct owner {
    struct closer closer;
    uv_timer_t timer, other;
    uv_async_t async;
    int closed;
};

static void on_closed(struct closer *c)
{
    container_of(c, struct owner, closer)->closed++;
}

static void drop(uv_timer_t *timer)
{
    struct owner *o = container_of(timer, struct owner, other);
    uv_timer_stop(timer);
    assert_int_equal(o->closed, 0);
    closer_drop(&o->closer);
}

static void test_nothing_open(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct owner o = {0};
    uv_loop_init(&loop);
    closer_init(&o.closer, &loop, on_closed);
    closer_close(&o.closer);
    assert_int_equal(o.closed, 0); /* never from inside */
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(o.closed, 1);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void test_handles_and_holds(void **state)
{
    (void)state;
    uv_loop_t loop;
    struct owner o = {0};
    uv_loop_init(&loop);
    closer_init(&o.closer, &loop, on_closed);
    uv_timer_init(&loop, &o.timer);
    uv_async_init(&loop, &o.async, NULL);
    closer_add(&o.closer, &o.timer);
    closer_add(&o.closer, &o.async);
    closer_hold(&o.closer);
    uv_timer_init(&loop, &o.other);
    uv_timer_start(&o.other, drop, 5, 0);
    closer_close(&o.closer);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(o.closed, 1);
    uv_close((uv_handle_t *)&o.other, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void close_twice(struct owner *o)
{
    closer_close(&o->closer);
    closer_close(&o->closer);
}

static void add_too_late(struct owner *o)
{
    uv_timer_init(o->closer.self.loop, &o->timer);
    closer_close(&o->closer);
    closer_add(&o->closer, &o->timer);
}

static void drop_too_often(struct owner *o)
{
    closer_drop(&o->closer);
}

/* Each is a fault of the owner's that would free memory in use: it stops the program. */
static void test_faults_stop(void **state)
{
    (void)state;
    static void (*const faults[])(struct owner *) = {close_twice, add_too_late, drop_too_often};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        pid_t pid = fork();
        if (pid == 0) {
            const struct rlimit none = {0};
            setrlimit(RLIMIT_CORE, &none);
            fclose(stderr);
            signal(SIGABRT, SIG_DFL);
            uv_loop_t loop;
            struct owner o = {0};
            uv_loop_init(&loop);
            closer_init(&o.closer, &loop, on_closed);
            faults[i](&o);
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_open),
        cmocka_unit_test(test_handles_and_holds),
        cmocka_unit_test(test_faults_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
