/* spawn: see spawn.h. */
#include "loop/spawn.h"

#include <stdlib.h>

#include "base/str.h"

/* "NAME=value" of those that are set. NULL: no memory. */
static char **make_env(const char *const *kept)
{
    size_t n = 0, used = 0;
    while (kept[n])
        n++;
    char **env = calloc(n + 1, sizeof *env);
    for (size_t i = 0; env && i < n; i++) {
        const char *value = getenv(kept[i]);
        if (value && !(env[used++] = str_format("%s=%s", kept[i], value))) {
            while (used--)
                str_wipe(env[used]);
            free(env);
            return NULL;
        }
    }
    return env;
}

static uv_stdio_container_t stdio_of(uv_pipe_t *pipe, uv_stdio_flags direction)
{
    uv_stdio_container_t c = {.flags = UV_IGNORE};
    if (pipe) {
        c.flags = UV_CREATE_PIPE | direction;
        c.data.stream = (uv_stream_t *)pipe;
    }
    return c;
}

int spawn_start(uv_loop_t *loop, uv_process_t *process, const struct spawn *s)
{
    char **env = make_env(s->kept);
    uv_stdio_container_t stdio[] = {stdio_of(s->in, UV_READABLE_PIPE),
                                    stdio_of(s->out, UV_WRITABLE_PIPE),
                                    {.flags = UV_IGNORE}};
    const uv_process_options_t options = {
        .file = s->file,
        .args = s->args,
        .env = env,
        .flags = UV_PROCESS_DETACHED,
        .stdio = stdio,
        .stdio_count = ARRAY_LEN(stdio),
        .exit_cb = s->on_exit,
    };
    int rc = env ? uv_spawn(loop, process, &options) : UV_ENOMEM;
    for (size_t i = 0; env && env[i]; i++)
        str_wipe(env[i]);
    free(env);
    return rc;
}
