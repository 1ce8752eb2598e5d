/* shared: what the runs of one loop share, as host.h has it. */
#include <stddef.h>
#include <string.h>

#include "host.h"

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
