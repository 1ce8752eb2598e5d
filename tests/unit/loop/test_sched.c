/* The schedule: order under random changes, cutting of long turns, and the lag it tells. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <time.h>
#include <uv.h>

#include "base/clock.h"
#include "base/str.h"
#include "loop/sched.h"

#define N 500

struct item {
    struct sched_entry entry;
    int fired;
};

static struct item items[N];
static int64_t last_due;
static size_t n_fired, n_turns;

static void on_closed(struct sched *s)
{
    (void)s;
}

static void on_fire(struct sched_entry *e, int64_t now)
{
    assert_true(e->due <= now);
    assert_true(e->due >= last_due);
    last_due = e->due;
    n_fired++;
    container_of(e, struct item, entry)->fired++;
}

static void open_all(struct sched *s, uv_loop_t *loop, void (*fire)(struct sched_entry *, int64_t))
{
    last_due = 0;
    n_fired = n_turns = 0;
    uv_loop_init(loop);
    sched_init(s, loop);
    assert_int_equal(sched_reserve(s, N), 0);
    for (size_t i = 0; i < N; i++)
        items[i] = (struct item){.entry = {.fire = fire}};
}

static void close_all(struct sched *s, uv_loop_t *loop)
{
    sched_close(s, on_closed);
    uv_run(loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(loop), 0);
}

static void test_order(void **state)
{
    (void)state;
    struct sched s;
    uv_loop_t loop;
    open_all(&s, &loop, on_fire);
    unsigned seed = 7;
    int64_t base = clock_now();
    for (int i = 0; i < 20000; i++) {
        struct item *it = &items[(unsigned)rand_r(&seed) % N];
        if (rand_r(&seed) % 4 == 0)
            sched_clear(&s, &it->entry);
        else
            sched_set(&s, &it->entry, base + rand_r(&seed) % (40 * NS_PER_MS));
        size_t k = (unsigned)rand_r(&seed) % N;
        assert_true(items[k].entry.pos == 0 || s.heap[items[k].entry.pos - 1] == &items[k].entry);
    }
    size_t scheduled = s.n;
    while (s.n)
        uv_run(&loop, UV_RUN_ONCE);
    assert_int_equal(n_fired, scheduled);
    close_all(&s, &loop);
}

static void on_slow(struct sched_entry *e, int64_t now)
{
    on_fire(e, now);
    struct timespec half_ms = {0, 500 * NS_PER_US};
    nanosleep(&half_ms, NULL);
}

static void on_check(uv_check_t *c)
{
    (void)c;
    n_turns++;
}

/* Hundreds that fall due at once leave the loop its turns in between. */
static void test_slices(void **state)
{
    (void)state;
    struct sched s;
    uv_loop_t loop;
    uv_check_t check;
    open_all(&s, &loop, on_slow);
    uv_check_init(&loop, &check);
    uv_check_start(&check, on_check);
    for (size_t i = 0; i < 100; i++)
        sched_set(&s, &items[i].entry, clock_now());
    while (s.n) /* ONCE would sleep after the last idle callback, before libuv 1.44 */
        uv_run(&loop, UV_RUN_NOWAIT);
    assert_true(n_turns >= 10);
    assert_true(sched_lag(&s) > 0);
    uv_close((uv_handle_t *)&check, NULL);
    close_all(&s, &loop);
}

static void test_close_with_entries(void **state)
{
    (void)state;
    struct sched s;
    uv_loop_t loop;
    open_all(&s, &loop, on_fire);
    for (size_t i = 0; i < N; i++)
        sched_set(&s, &items[i].entry, clock_now() + NS_PER_S);
    close_all(&s, &loop);
    assert_int_equal(n_fired, 0);
    assert_int_equal(items[3].entry.pos, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_slices),
        cmocka_unit_test(test_close_with_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
