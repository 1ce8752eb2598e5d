/* spawn: starts a child with pipes, in a process group of its own, so that it can be killed with
 * all that it starts. Of our environment it gets only what is named. */
#ifndef PROBE_LOOP_SPAWN_H
#define PROBE_LOOP_SPAWN_H

#include <uv.h>

struct spawn {
    const char *file;
    char **args;             /* ends with NULL */
    const char *const *kept; /* names of the variables that it gets; ends with NULL */
    uv_pipe_t *in, *out;     /* initialised; of its stdin and stdout; NULL: that is /dev/null */
    uv_exit_cb on_exit;
};

/* 0, or libuv's error. `process`, zeroed before, is a handle to be closed once it has a loop, which
 * it may have after an error too. */
int spawn_start(uv_loop_t *loop, uv_process_t *process, const struct spawn *s);

#endif
