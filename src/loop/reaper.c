/* reaper: see reaper.h.
 *
 * libuv waits for its own children by pid, and never hears of one that somebody else took. So the
 * dead child that is first in line is only looked at (WNOWAIT), and taken if no process handle of
 * the loop stands for it. libuv's own are taken by libuv in the same turn; the line is looked at
 * again after that. */
#include "loop/reaper.h"

#include <stdbool.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/signals.h"

/* Zombies taken in one turn; the rest waits for the next. */
#define BATCH 64

/* When the first dead child in line is libuv's, which takes it in this turn, look again a bit
 * later. */
#define AGAIN_MS 10

struct search {
    pid_t pid;
    bool found;
};

static void look_for(uv_handle_t *handle, void *arg)
{
    struct search *s = arg;
    if (uv_handle_get_type(handle) == UV_PROCESS &&
        uv_process_get_pid((uv_process_t *)handle) == s->pid)
        s->found = true;
}

static void on_again(uv_timer_t *timer);

static void reap(struct reaper *r)
{
    for (int i = 0; i < BATCH; i++) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        struct search s = {.pid = info.si_pid};
        uv_walk(r->signal.loop, look_for, &s);
        if (s.found)
            break;
        waitpid(info.si_pid, NULL, WNOHANG);
    }
    uv_timer_start(&r->again, on_again, AGAIN_MS, 0);
}

static void on_again(uv_timer_t *timer)
{
    reap(container_of(timer, struct reaper, again));
}

static void on_child(uv_signal_t *signal, int signum)
{
    (void)signum;
    reap(container_of(signal, struct reaper, signal));
}

int reaper_open(struct reaper *r, uv_loop_t *loop)
{
    r->open = false;
    if (!signals_is_pid_1())
        return 0;
    int rc = uv_signal_init(loop, &r->signal);
    if (rc < 0)
        return rc;
    uv_timer_init(loop, &r->again);
    r->open = true;
    rc = uv_signal_start(&r->signal, on_child, SIGCHLD);
    if (rc == 0)
        reap(r); /* what died before we looked */
    return rc;
}

void reaper_close(struct reaper *r)
{
    if (!r->open)
        return;
    r->open = false;
    uv_close((uv_handle_t *)&r->signal, NULL);
    uv_close((uv_handle_t *)&r->again, NULL);
}
