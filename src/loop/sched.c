/* sched: see sched.h. A binary heap under one uv_timer. A turn of due entries is cut after a slice
 * of time, so that thousands that fall due at once never keep the loop from its sockets. */
#include "loop/sched.h"

#include <assert.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/str.h"

#define SLICE_NS  (2 * NS_PER_MS)
#define MINUTE_NS (60 * NS_PER_S)

/* Used from one turn to the next it is no stall: the loop was kept busy, by whatever one target
 * sent. */
#define BUSY_NS (50 * NS_PER_MS)

static void on_timer(uv_timer_t *timer);
static void on_idle(uv_idle_t *idle);

static int64_t cpu_used(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

static void on_all_closed(struct closer *c)
{
    struct sched *s = container_of(c, struct sched, closer);
    free(s->heap);
    s->heap = NULL;
    s->on_closed(s);
}

void sched_init(struct sched *s, uv_loop_t *loop)
{
    *s = (struct sched){.armed = TIME_NEVER, .cpu = cpu_used()};
    closer_init(&s->closer, loop, on_all_closed);
    uv_timer_init(loop, &s->timer);
    closer_add(&s->closer, &s->timer);
    uv_idle_init(loop, &s->rest);
    closer_add(&s->closer, &s->rest);
}

int sched_reserve(struct sched *s, size_t n)
{
    if (n <= s->size)
        return 0;
    struct sched_entry **heap = realloc(s->heap, n * sizeof *heap);
    if (!heap)
        return -1;
    s->heap = heap;
    s->size = n;
    return 0;
}

static void place(struct sched *s, struct sched_entry *e, size_t pos)
{
    s->heap[pos - 1] = e;
    e->pos = pos;
}

static void sift_up(struct sched *s, struct sched_entry *e, size_t pos)
{
    while (pos > 1 && s->heap[pos / 2 - 1]->due > e->due) {
        place(s, s->heap[pos / 2 - 1], pos);
        pos /= 2;
    }
    place(s, e, pos);
}

static void sift_down(struct sched *s, struct sched_entry *e, size_t pos)
{
    for (;;) {
        size_t child = 2 * pos;
        if (child > s->n)
            break;
        if (child < s->n && s->heap[child]->due < s->heap[child - 1]->due)
            child++;
        if (s->heap[child - 1]->due >= e->due)
            break;
        place(s, s->heap[child - 1], pos);
        pos = child;
    }
    place(s, e, pos);
}

/* uv timers count whole milliseconds from the loop's cached time: round up, so that the timer is
 * never early and hardly late. */
static void arm(struct sched *s)
{
    if (s->closer.closing)
        return;
    int64_t due = s->n ? s->heap[0]->due : TIME_NEVER;
    if (due == s->armed)
        return;
    s->armed = due;
    if (due == TIME_NEVER) {
        uv_timer_stop(&s->timer);
        return;
    }
    uv_update_time(s->timer.loop);
    int64_t wait = due - (int64_t)uv_now(s->timer.loop) * NS_PER_MS;
    /* The loop's clock is cut to ms: what is due already would wait one more. */
    uint64_t ms =
        wait <= 0 || due <= clock_now() ? 0 : (uint64_t)((wait + NS_PER_MS - 1) / NS_PER_MS);
    uv_timer_start(&s->timer, on_timer, ms, 0);
}

static void take_out(struct sched *s, struct sched_entry *e)
{
    size_t pos = e->pos;
    assert(pos >= 1 && pos <= s->n && s->heap[pos - 1] == e);
    struct sched_entry *moved = s->heap[--s->n];
    e->pos = 0;
    if (moved == e)
        return;
    if (pos > 1 && s->heap[pos / 2 - 1]->due > moved->due)
        sift_up(s, moved, pos);
    else
        sift_down(s, moved, pos);
}

void sched_set(struct sched *s, struct sched_entry *e, int64_t due)
{
    if (e->pos)
        take_out(s, e);
    assert(s->n < s->size); /* room is made by sched_reserve, before there is anything to lose */
    e->due = due;
    s->n++;
    sift_up(s, e, s->n);
    if (!s->firing)
        arm(s);
}

void sched_clear(struct sched *s, struct sched_entry *e)
{
    if (!e->pos)
        return;
    take_out(s, e);
    if (!s->firing)
        arm(s);
}

/* In the turn before, or since. */
static bool was_busy(struct sched *s, int64_t lag)
{
    int64_t before = s->cpu;
    s->cpu = cpu_used();
    return s->cpu - before >= BUSY_NS && s->cpu - before >= lag / 10;
}

static void note_lag(struct sched *s, int64_t now, int64_t lag)
{
    if (now - s->lag_epoch >= MINUTE_NS) {
        s->lag_before = now - s->lag_epoch < 2 * MINUTE_NS ? s->lag : 0;
        s->lag = 0;
        s->lag_epoch = now;
    }
    if (lag > s->lag)
        s->lag = lag;
    if (!was_busy(s, lag) && lag >= SCHED_STALL_NS) {
        s->stall_end = now;
        s->stall = lag;
    }
}

static void turn(struct sched *s)
{
    int64_t begin = clock_now(), now = begin;
    s->firing = true;
    s->armed = TIME_NEVER;
    if (s->n)
        note_lag(s, now, now - s->heap[0]->due);
    while (s->n && s->heap[0]->due <= now && !s->closer.closing) {
        struct sched_entry *e = s->heap[0];
        take_out(s, e);
        e->fire(e, now);
        now = clock_now();
        if (now - begin > SLICE_NS)
            break;
    }
    s->firing = false;
    if (s->closer.closing)
        return;
    if (s->n && s->heap[0]->due <= now)
        uv_idle_start(&s->rest, on_idle);
    else
        arm(s);
}

static void on_timer(uv_timer_t *timer)
{
    turn(container_of(timer, struct sched, timer));
}

/* A timer set to 0 from its own callback would be run again before the sockets are looked at; the
 * rest of a long turn waits here for its next one. */
static void on_idle(uv_idle_t *idle)
{
    uv_idle_stop(idle);
    turn(container_of(idle, struct sched, rest));
}

int64_t sched_lag(const struct sched *s)
{
    return s->lag > s->lag_before ? s->lag : s->lag_before;
}

void sched_close(struct sched *s, void (*done)(struct sched *s))
{
    for (size_t i = 0; i < s->n; i++)
        s->heap[i]->pos = 0;
    s->n = 0;
    s->on_closed = done;
    closer_close(&s->closer);
}
