/* mongo_work: see mongo_work.h. */
#include "mongo/mongo_work.h"

#include <stdlib.h>

struct work {
    uv_work_t req;
    struct scram_keys keys;
    const char *user, *password;
    int rc;
    void (*on_done)(void *owner, const struct scram_keys *keys, int rc);
    void *owner;
};

static void do_work(uv_work_t *req)
{
    struct work *w = (struct work *)req;
    w->rc = scram_salt(&w->keys, w->user, w->password);
}

static void on_worked(uv_work_t *req, int status)
{
    struct work *w = (struct work *)req;
    w->on_done(w->owner, &w->keys, status ? -1 : w->rc);
    scram_keys_wipe(&w->keys);
    free(w);
}

int mongo_work_start(uv_loop_t *loop, const struct scram_keys *keys, const char *user,
                     const char *password,
                     void (*on_done)(void *owner, const struct scram_keys *keys, int rc),
                     void *owner)
{
    struct work *w = malloc(sizeof *w);
    if (!w)
        return -1;
    *w = (struct work){
        .keys = *keys, .user = user, .password = password, .on_done = on_done, .owner = owner};
    int rc = uv_queue_work(loop, &w->req, do_work, on_worked);
    if (rc == 0)
        return 0;
    scram_keys_wipe(&w->keys);
    free(w);
    return -1;
}
