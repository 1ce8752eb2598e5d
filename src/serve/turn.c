/* turn: the API's share of the loop. While something is to be done an idle handle calls for a slice
 * of work in every turn; what is due later is called for by one timer. */
#include "base/str.h"
#include "serve/internal.h"

void turn_init(struct turn *t, uv_loop_t *loop, void (*on_closed)(struct closer *c))
{
    closer_init(&t->closer, loop, on_closed);
    uv_idle_init(loop, &t->idle);
    closer_add(&t->closer, &t->idle);
    uv_timer_init(loop, &t->timer);
    closer_add(&t->closer, &t->timer);
    t->tick_due = TIME_NEVER;
}

static void on_turn(uv_idle_t *idle)
{
    struct turn *t = container_of(idle, struct turn, idle);
    t->started = clock_now();
    t->inside = true;
    bool more = t->work(t);
    t->inside = false;
    if (!more)
        uv_idle_stop(idle);
}

void turn_want(struct turn *t)
{
    if (!t->closer.closing)
        uv_idle_start(&t->idle, on_turn);
}

bool turn_budget_left(const struct turn *t)
{
    return clock_now() - t->started < TURN_BUDGET;
}

static void on_tick(uv_timer_t *timer)
{
    struct turn *t = container_of(timer, struct turn, timer);
    t->tick_due = TIME_NEVER;
    t->tick(t, clock_now());
    turn_want(t);
}

void turn_want_tick(struct turn *t, int64_t due)
{
    if (due >= t->tick_due || t->closing)
        return;
    t->tick_due = due;
    int64_t left = due - clock_now();
    uint64_t ms = left <= 0 ? 1 : (uint64_t)((left + NS_PER_MS - 1) / NS_PER_MS);
    uv_timer_start(&t->timer, on_tick, ms, 0);
}
