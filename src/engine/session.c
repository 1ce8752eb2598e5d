/* session: see session.h. */
#include "engine/session.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/loop.h"
#include "loop/signals.h"

static void on_last_signal(int signum)
{
    _exit(128 + signum);
}

static void on_uv_signal(uv_signal_t *handle, int signum)
{
    struct session *s = handle->data;
    s->on_signal(s, signum);
}

static int watch_signal(struct session *s, int signum)
{
    if (!s->on_signal) {
        struct sigaction action = {.sa_handler = on_last_signal};
        return sigaction(signum, &action, NULL);
    }
    assert(s->n_signals < SESSION_SIGNALS);
    uv_signal_t *handle = &s->signals[s->n_signals];
    int rc = uv_signal_init(&s->loop, handle);
    if (rc < 0)
        return rc;
    s->n_signals++;
    handle->data = s;
    return uv_signal_start(handle, on_uv_signal, signum);
}

/* What was ignored stays so (nohup, a shell's background), but for the two signals by which an
 * agent is stopped and reloaded whoever started it. */
static int watch_signals(struct session *s, bool agent, struct err *e)
{
    static const int wanted[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
        bool promised = agent && (wanted[i] == SIGTERM || wanted[i] == SIGHUP);
        if (!promised && signals_found_ignored(wanted[i]))
            continue;
        int rc = watch_signal(s, wanted[i]);
        if (rc < 0)
            return err_set(e, "cannot watch signals: %s", uv_strerror(rc));
    }
    for (int signum = 1; signals_is_pid_1() && signum < SIGNALS_END; signum++)
        if (signals_stop_images(signum) && watch_signal(s, signum) < 0)
            return err_set(e, "cannot watch signal %d", signum);
    return 0;
}

int session_open(struct session *s, struct config *config, bool agent,
                 const struct engine_hooks *hooks, void (*on_signal)(struct session *s, int signum),
                 struct err *e)
{
    *s = (struct session){.on_signal = on_signal};
    if (loop_init(&s->loop, e) < 0)
        return -1;
    if (engine_init(&s->engine, &s->loop, agent, config->agent.max_workers, hooks) < 0)
        return err_set(e, "out of memory");
    if (watch_signals(s, agent, e) < 0)
        return -1;
    return engine_load(&s->engine, config, e);
}

void session_watch_terminal(struct session *s)
{
    if (!signals_is_pid_1() || !signals_stop_images(SIGWINCH)) /* else it is watched */
        watch_signal(s, SIGWINCH);
    if (!signals_found_ignored(SIGTSTP))
        watch_signal(s, SIGTSTP);
}

static void on_stopped(struct engine *e)
{
    struct session *s = container_of(e, struct session, engine);
    for (unsigned i = 0; i < s->n_signals; i++)
        uv_close((uv_handle_t *)&s->signals[i], NULL);
}

void session_stop(struct session *s)
{
    engine_stop(&s->engine, on_stopped);
}

void session_run(struct session *s)
{
    uv_run(&s->loop, UV_RUN_DEFAULT);
    int rc = uv_loop_close(&s->loop);
    if (rc != 0) { /* a handle was forgotten: a defect that tests must see */
        uv_print_all_handles(&s->loop, stderr);
        abort();
    }
}
