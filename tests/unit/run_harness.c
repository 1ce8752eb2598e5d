/* run_harness: see run_harness.h. */
#include "run_harness.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/str.h"

#define RELEASE_LIMIT (5 * NS_PER_S)

static struct harness *current; /* one at a time: tests are one thread */

void harness_open(struct harness *h)
{
    memset(h, 0, sizeof *h);
    assert_int_equal(uv_loop_init(&h->loop), 0);
    h->env = (struct probe_env){.loop = &h->loop, .max_workers = 2};
    assert_int_equal(uv_timer_init(&h->loop, &h->deadline), 0);
    current = h;
}

void harness_close(struct harness *h)
{
    assert_null(h->run);
    if (h->memory)
        h->memory->free(h->memory);
    probe_env_close(&h->env);
    uv_close((uv_handle_t *)&h->deadline, NULL);
    while (uv_run(&h->loop, UV_RUN_DEFAULT))
        ;
    assert_int_equal(uv_loop_close(&h->loop), 0);
    current = NULL;
}

static void forget(struct harness *h)
{
    h->finished = h->released = h->gone = h->cancelled = h->deadline_passed = false;
    h->detail[0] = h->note[0] = h->warning[0] = '\0';
    h->not_after = 0;
    h->describe = NULL;
    memset(h->phases, 0, sizeof h->phases);
}

struct probe_run *harness_run_new(struct harness *h, size_t size)
{
    forget(h);
    assert_null(h->run);
    h->run = calloc(1, size);
    assert_non_null(h->run);
    h->run->env = &h->env;
    h->run->started = clock_now();
    h->run->deadline = h->run->started + 30 * NS_PER_S;
    return h->run;
}

void harness_start(struct harness *h, const struct probe_type *type, const void *conf,
                   struct probe_kept *kept)
{
    struct probe_run *run = harness_run_new(h, type->run_size);
    h->type = type;
    run->conf = conf;
    run->kept = kept;
    type->start(run);
}

static void on_deadline(uv_timer_t *timer)
{
    struct harness *h = container_of(timer, struct harness, deadline);
    h->deadline_passed = true;
}

const char *harness_note(struct harness *h)
{
    if (h->describe && !h->released)
        h->describe(h->run, h->note);
    return h->note;
}

void harness_cancel(struct harness *h)
{
    if (!h->released) {
        h->cancelled = true;
        h->type->cancel(h->run);
    }
    int64_t limit = clock_now() + RELEASE_LIMIT;
    uv_timer_start(&h->deadline, on_deadline, 100, 100);
    while (!h->released && clock_now() < limit)
        uv_run(&h->loop, UV_RUN_ONCE);
    uv_timer_stop(&h->deadline);
    assert_true(h->released);
}

void harness_wait(struct harness *h, int timeout_ms)
{
    if (h->run)
        h->run->deadline = h->run->started + timeout_ms * NS_PER_MS;
    uv_timer_start(&h->deadline, on_deadline, (uint64_t)timeout_ms, 0);
    while (!h->released && !h->deadline_passed)
        uv_run(&h->loop, UV_RUN_ONCE);
    uv_timer_stop(&h->deadline);
    if (h->released)
        return;
    if (!h->finished) {
        h->finished = true;
        h->reason = REASON_TIMEOUT;
        snprintf(h->detail, sizeof h->detail, "%s", harness_note(h));
    }
    harness_cancel(h);
}

struct probe_kept *harness_kept_open(struct harness *h, const struct probe_type *type,
                                     const void *conf)
{
    struct probe_kept *kept = calloc(1, type->kept_size);
    assert_non_null(kept);
    *kept = (struct probe_kept){.conf = conf, .env = &h->env, .owner = h};
    type->kept_open(kept);
    return kept;
}

void harness_kept_close(struct harness *h, const struct probe_type *type, struct probe_kept *kept)
{
    h->kept_closed = false;
    type->kept_close(kept);
    uv_timer_start(&h->deadline, on_deadline, 5000, 0);
    h->deadline_passed = false;
    while (!h->kept_closed && !h->deadline_passed)
        uv_run(&h->loop, UV_RUN_ONCE);
    uv_timer_stop(&h->deadline);
    assert_true(h->kept_closed);
}

void probe_phase(struct probe_run *run, enum probe_phase phase)
{
    if (run != current->run)
        return; /* a run of nobody */
    current->phases[phase] = true;
}

void probe_note(struct probe_run *run, const char *fmt, ...)
{
    if (run != current->run)
        return; /* a run of nobody */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(current->note, sizeof current->note, fmt, ap);
    va_end(ap);
    current->describe = NULL;
}

void probe_note_later(struct probe_run *run,
                      void (*describe)(struct probe_run *run, char out[PROBE_DETAIL_MAX]))
{
    if (run != current->run)
        return; /* a run of nobody */
    current->describe = describe;
}

void probe_http_status(struct probe_run *run, unsigned status)
{
    (void)run;
    (void)status;
}

void probe_cert_expiry(struct probe_run *run, int64_t not_after, int64_t earliest)
{
    (void)earliest;
    if (run != current->run)
        return; /* a run of nobody */
    current->not_after = not_after;
}

void probe_gone(struct probe_run *run)
{
    if (run != current->run)
        return; /* a run of nobody */
    current->gone = true;
}

void probe_members(struct probe_run *run, const struct probe_member *members, size_t n)
{
    (void)run;
    for (size_t i = 0; i < n; i++)
        assert_true(members[i].name && members[i].state);
}

void probe_degraded(struct probe_run *run, const char *fmt, ...)
{
    if (run != current->run)
        return; /* a run of nobody */
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(current->warning, sizeof current->warning, fmt, ap);
    va_end(ap);
}

void probe_finish(struct probe_run *run, enum reason reason, const char *fmt, ...)
{
    (void)run;
    if (current->finished)
        return;
    current->finished = true;
    current->reason = reason;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(current->detail, sizeof current->detail, fmt, ap);
    va_end(ap);
}

void probe_release(struct probe_run *run)
{
    assert_ptr_equal(run, current->run);
    assert_false(current->released);
    assert_true(current->finished || current->cancelled);
    current->released = true;
    current->run = NULL;
    uv_stop(&current->loop); /* a turn that began with a timer would go on to wait for sockets */
    free(run);
}

bool probe_remembers(const struct probe_run *run)
{
    bool failed = current->finished && current->reason != REASON_OK;
    return run == current->run && current->remembers && !failed;
}

struct probe_memory *probe_recall(const struct probe_run *run)
{
    return probe_remembers(run) ? current->memory : NULL;
}

void probe_remember(struct probe_run *run, struct probe_memory *memory)
{
    if (!probe_remembers(run)) {
        memory->free(memory);
        return;
    }
    if (current->memory)
        current->memory->free(current->memory);
    current->memory = memory;
}

void probe_rely(struct probe_run *run)
{
    (void)run;
    current->relied++;
}

void probe_wake(struct probe_kept *kept)
{
    ((struct harness *)kept->owner)->wakes++;
}

void probe_kept_closed(struct probe_kept *kept)
{
    ((struct harness *)kept->owner)->kept_closed = true;
    uv_stop(&current->loop);
    free(kept);
}
