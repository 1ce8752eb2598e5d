/* session: a loop with an engine and signals on it, for the commands that run checks. It ends by
 * session_stop, with every handle closed and uv_loop_close() == 0. */
#ifndef PROBE_ENGINE_SESSION_H
#define PROBE_ENGINE_SESSION_H

#include <stdbool.h>
#include <uv.h>

#include "config/config.h"
#include "engine/engine.h"

#define SESSION_SIGNALS 48

struct session {
    uv_loop_t loop;
    struct engine engine;
    uv_signal_t signals[SESSION_SIGNALS];
    unsigned n_signals;
    void (*on_signal)(struct session *s, int signum);
    int caught; /* the signal that ended it; 0: none */
};

/* Takes the checks of `config` (the caller frees the rest). SIGINT, SIGTERM, SIGHUP and SIGQUIT go
 * to `on_signal`; with NULL they end the process at once, with the exit code for that, and nothing
 * on the loop is in the way. One that was ignored when the program started stays so, but an agent
 * always takes SIGTERM and SIGHUP. As process 1, to which no signal has a default, those too that
 * images are stopped by (see signals.h). 0 or -1. */
int session_open(struct session *s, struct config *config, bool agent,
                 const struct engine_hooks *hooks, void (*on_signal)(struct session *s, int signum),
                 struct err *e);

/* What concerns the terminal goes to `on_signal` too: SIGWINCH, and SIGTSTP, which then stops
 * nothing by itself. Without them the picture is wrong for a while, that is all. */
void session_watch_terminal(struct session *s);

/* May be called from any hook, more than once. */
void session_stop(struct session *s);

/* Turns the loop until everything is closed. */
void session_run(struct session *s);

#endif
