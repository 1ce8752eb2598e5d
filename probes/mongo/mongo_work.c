/* mongo_work: see mongo_work.h. */
#include "mongo/mongo_work.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "loop/work.h"
#include "mongo/mongo_salt.h"

/* Each kind has its own: a look that hangs keeps nobody from a login. */
#define MOST_SALTS 4
#define MOST_LOOKS 4

struct mongo_work {
    struct work_job job;
    struct mongo_work_result result;
    char *user, *password, *address;
    int listener;
    void (*on_done)(void *owner, const struct mongo_work_result *result);
    void *owner;
};

static void free_work(struct work_job *job)
{
    struct mongo_work *w = container_of(job, struct mongo_work, job);
    scram_keys_wipe(&w->result.keys);
    free(w->user);
    str_wipe(w->password);
    free(w->address);
    free(w);
}

static void on_done(struct work_job *job)
{
    struct mongo_work *w = container_of(job, struct mongo_work, job);
    w->on_done(w->owner, &w->result);
    free_work(job);
}

static void salt(struct work_job *job)
{
    struct mongo_work *w = container_of(job, struct mongo_work, job);
    w->result.rc = mongo_salt(&w->result.keys, w->user, w->password);
}

static void look(struct work_job *job)
{
    struct mongo_work *w = container_of(job, struct mongo_work, job);
    w->result.guard = mongo_guard_look("/proc", w->address, w->listener);
}

static struct mongo_work *
new_work(void (*run)(struct work_job *job),
         void (*done)(void *owner, const struct mongo_work_result *result), void *owner)
{
    struct mongo_work *w = calloc(1, sizeof *w);
    if (w)
        *w = (struct mongo_work){.job = {.run = run, .on_done = on_done, .free = free_work},
                                 .on_done = done,
                                 .owner = owner};
    return w;
}

/* `whole`: all copies were made. */
static struct mongo_work *start(struct mongo_work *w, bool whole, struct probe_env *env,
                                const char *kind, size_t most, struct err *e)
{
    struct work *threads = whole ? probe_work(env, kind, most, e) : NULL;
    if (!whole)
        err_set(e, "out of memory");
    if (threads && work_start(threads, &w->job, e) == 0)
        return w;
    if (w)
        free_work(&w->job);
    return NULL;
}

struct mongo_work *mongo_work_salt(
    struct probe_env *env, const struct scram_keys *keys, const char *user, const char *password,
    void (*done)(void *owner, const struct mongo_work_result *result), void *owner, struct err *e)
{
    struct mongo_work *w = new_work(salt, done, owner);
    bool whole = w && (w->user = strdup(user)) && (w->password = strdup(password));
    if (w)
        w->result.keys = *keys;
    return start(w, whole, env, "mongo login", MOST_SALTS, e);
}

struct mongo_work *mongo_work_look(struct probe_env *env, const char *address, int listener,
                                   void (*done)(void *owner,
                                                const struct mongo_work_result *result),
                                   void *owner, struct err *e)
{
    struct mongo_work *w = new_work(look, done, owner);
    bool whole = w && (w->address = strdup(address));
    if (w)
        w->listener = listener;
    return start(w, whole, env, "mongo look", MOST_LOOKS, e);
}

void mongo_work_abandon(struct mongo_work *w)
{
    work_abandon(&w->job);
}
