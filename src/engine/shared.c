/* shared: what the runs of one loop share, as host.h has it. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "host.h"
#include "loop/work.h"

struct probe_shared *probe_shared_find(const struct probe_env *env, const char *name)
{
    struct probe_shared *s = env->shared;
    while (s && strcmp(s->name, name) != 0)
        s = s->next;
    return s;
}

void probe_shared_add(struct probe_env *env, struct probe_shared *shared)
{
    shared->next = env->shared;
    env->shared = shared;
}

void probe_env_close(struct probe_env *env)
{
    while (env->shared) {
        struct probe_shared *s = env->shared;
        env->shared = s->next;
        s->close(s);
    }
}

struct shared_work {
    struct probe_shared shared;
    struct work *work;
};

static void close_work(struct probe_shared *shared)
{
    struct shared_work *s = container_of(shared, struct shared_work, shared);
    work_close(s->work);
    free(s);
}

struct work *probe_work(struct probe_env *env, const char *name, size_t most, struct err *e)
{
    struct probe_shared *shared = probe_shared_find(env, name);
    if (shared)
        return container_of(shared, struct shared_work, shared)->work;
    struct shared_work *s = calloc(1, sizeof *s);
    if (!s) {
        err_set(e, "out of memory");
        return NULL;
    }
    if (!(s->work = work_new(env->loop, most, e))) {
        free(s);
        return NULL;
    }
    s->shared = (struct probe_shared){.name = name, .close = close_work};
    probe_shared_add(env, &s->shared);
    return s->work;
}
