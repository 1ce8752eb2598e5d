/* Jobs on threads: done in line, abandoned in every state, hanging, and where no thread can be
 * made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

#include "base/str.h"
#include "loop/work.h"
#include "no_threads.h"

struct item {
    struct work_job job;
    sem_t *gate;      /* waited for inside; NULL: none */
    sem_t *begun;     /* posted inside; NULL: none */
    unsigned *n_done; /* counted on the loop */
};

static uv_loop_t loop;
static struct work *work;
static atomic_uint n_runs, n_freed, n_signals_open;

static void run(struct work_job *job)
{
    struct item *item = container_of(job, struct item, job);
    sigset_t set;
    pthread_sigmask(SIG_SETMASK, NULL, &set);
    n_signals_open += !sigismember(&set, SIGTERM);
    if (item->begun)
        sem_post(item->begun);
    while (item->gate && sem_wait(item->gate) < 0)
        ;
    n_runs++;
}

static void free_item(struct work_job *job)
{
    free(container_of(job, struct item, job));
    n_freed++;
}

static void on_done(struct work_job *job)
{
    struct item *item = container_of(job, struct item, job);
    ++*item->n_done;
    free_item(job);
}

static struct item *item_new(unsigned *n_done)
{
    struct item *item = calloc(1, sizeof *item);
    assert_non_null(item);
    item->job = (struct work_job){.run = run, .on_done = on_done, .free = free_item};
    item->n_done = n_done;
    return item;
}

static void open_all(size_t most)
{
    struct err e;
    n_runs = n_freed = 0;
    assert_int_equal(uv_loop_init(&loop), 0);
    work = work_new(&loop, most, &e);
    assert_non_null(work);
}

static void close_all(void)
{
    work_close(work);
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void turn_until(const unsigned *n, unsigned wanted)
{
    while (*n < wanted)
        uv_run(&loop, UV_RUN_ONCE);
}

/* A thread that has nothing to do ends, which nobody is told. */
static void await_threads(void)
{
    while (work_any_running())
        sched_yield();
}

static void test_many(void **state)
{
    (void)state;
    struct err e;
    unsigned n_done = 0;
    open_all(3);
    for (int i = 0; i < 200; i++)
        assert_int_equal(work_start(work, &item_new(&n_done)->job, &e), 0);
    assert_int_equal(n_done, 0); /* never from inside */
    turn_until(&n_done, 200);
    assert_int_equal(n_runs, 200);
    assert_int_equal(n_signals_open, 0);
    close_all();
    await_threads();
}

/* One hangs: the others go on beside it; abandoned, it frees itself whenever it comes back, also
 * when the loop is long gone. */
static void test_one_hangs(void **state)
{
    (void)state;
    struct err e;
    unsigned n_done = 0, n_stuck = 0;
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    open_all(2);
    struct item *stuck = item_new(&n_stuck);
    stuck->gate = &gate;
    stuck->begun = &begun;
    assert_int_equal(work_start(work, &stuck->job, &e), 0);
    sem_wait(&begun);
    for (int i = 0; i < 20; i++)
        assert_int_equal(work_start(work, &item_new(&n_done)->job, &e), 0);
    turn_until(&n_done, 20);
    work_abandon(&stuck->job);
    assert_int_equal(n_freed, 20);
    close_all();
    assert_true(work_any_running());
    sem_post(&gate);
    await_threads();
    assert_int_equal(n_freed, 21);
    assert_int_equal(n_stuck, 0);
}

/* All places hang: who comes after waits in line, can leave it, and is told to be waiting. */
static void test_all_hang(void **state)
{
    (void)state;
    struct err e;
    unsigned n_done = 0;
    sem_t gate, begun;
    sem_init(&gate, 0, 0);
    sem_init(&begun, 0, 0);
    open_all(2);
    struct item *stuck[2], *waiting[3];
    for (int i = 0; i < 2; i++) {
        stuck[i] = item_new(&n_done);
        stuck[i]->gate = &gate;
        stuck[i]->begun = &begun;
        assert_int_equal(work_start(work, &stuck[i]->job, &e), 0);
    }
    sem_wait(&begun);
    sem_wait(&begun);
    for (int i = 0; i < 3; i++) {
        waiting[i] = item_new(&n_done);
        assert_int_equal(work_start(work, &waiting[i]->job, &e), 0);
        assert_true(work_is_waiting(&waiting[i]->job));
    }
    assert_false(work_is_waiting(&stuck[0]->job));
    work_abandon(&waiting[1]->job);
    work_abandon(&waiting[2]->job);
    assert_int_equal(n_freed, 2);
    sem_post(&gate);
    sem_post(&gate);
    turn_until(&n_done, 3);
    assert_int_equal(n_runs, 3);
    close_all();
    await_threads();
}

/* Done, but not yet told: nobody is told any more. */
static void test_abandoned_when_done(void **state)
{
    (void)state;
    struct err e;
    unsigned n_done = 0;
    open_all(1);
    struct item *never = item_new(&n_done), *item = item_new(&n_done);
    work_abandon(&never->job);
    assert_int_equal(work_start(work, &item->job, &e), 0);
    await_threads();
    work_abandon(&item->job);
    uv_run(&loop, UV_RUN_NOWAIT);
    assert_int_equal(n_done, 0);
    assert_int_equal(n_freed, 2);
    close_all();
}

static int play_refused(int errnum)
{
    struct err e;
    unsigned n_done = 0;
    if (uv_loop_init(&loop) < 0 || !(work = work_new(&loop, 2, &e)))
        return 1;
    refuse_threads(errnum);
    struct item *item = item_new(&n_done);
    if (work_start(work, &item->job, &e) == 0 || !strstr(e.text, "cannot make a thread: "))
        return 2;
    if (work_start(work, &item->job, &e) == 0) /* and again: the job is still ours */
        return 3;
    work_abandon(&item->job);
    work_close(work);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 && n_freed == 1 && n_done == 0 ? 0 : 4;
}

static void test_no_thread(void **state)
{
    (void)state;
    static const int errnums[] = {EAGAIN, EPERM, ENOMEM};
    n_freed = 0;
    for (size_t i = 0; i < ARRAY_LEN(errnums); i++) {
        pid_t child = fork();
        if (child == 0)
            _exit(play_refused(errnums[i]));
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
            print_message("SKIPPED: no seccomp filter can be set\n");
            skip();
        }
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),      cmocka_unit_test(test_one_hangs),
        cmocka_unit_test(test_all_hang),  cmocka_unit_test(test_abandoned_when_done),
        cmocka_unit_test(test_no_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
