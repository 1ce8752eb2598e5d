/* proc_watch: see proc_watch.h. */
#include "process/proc_watch.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/str.h"

struct proc_watch {
    struct proc_watch *next;
    struct proc_watches *owner;
    struct proc_id id;
    uv_poll_t poll;
    int fd;
    bool ended, keep;
};

static void on_poll_closed(uv_handle_t *handle)
{
    struct proc_watch *watch = container_of((uv_poll_t *)handle, struct proc_watch, poll);
    struct proc_watches *w = watch->owner;
    free(watch);
    closer_drop(&w->closer);
}

/* It is off the list already. */
static void drop(struct proc_watch *watch)
{
    if (!watch->ended)
        watch->owner->n_alive--;
    uv_close((uv_handle_t *)&watch->poll, on_poll_closed);
    close(watch->fd);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct proc_watch *watch = container_of(poll, struct proc_watch, poll);
    struct proc_watches *w = watch->owner;
    uv_poll_stop(poll);
    watch->ended = true;
    w->n_alive--;
    if (w->n_alive + 1 == w->n_wanted)
        w->on_ended(w);
}

static struct proc_watch *find(const struct proc_watches *w, const struct proc_id *id)
{
    for (struct proc_watch *watch = w->list; watch; watch = watch->next)
        if (watch->id.pid == id->pid && watch->id.start == id->start && !watch->ended)
            return watch;
    return NULL;
}

/* Between the look at the process and the descriptor it may have ended, and its number may be
 * another's: looked at again, it must still be the same. False when it is not. */
static bool add(struct proc_watches *w, const char *root, const struct proc_id *id)
{
    struct proc_info info;
    int fd = proc_pidfd(id->pid);
    bool same = proc_look(root, id->pid, &info, NULL) == PROC_FOUND && info.id.start == id->start;
    struct proc_watch *watch = same && fd >= 0 ? calloc(1, sizeof *watch) : NULL;
    if (!watch || uv_poll_init(w->closer.self.loop, &watch->poll, fd) < 0) {
        if (fd >= 0)
            close(fd);
        free(watch);
        return same;
    }
    watch->owner = w;
    watch->id = *id;
    watch->fd = fd;
    watch->keep = true;
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    watch->next = w->list;
    w->list = watch;
    closer_hold(&w->closer);
    w->n_alive++;
    return true;
}

static void drop_unkept(struct proc_watches *w)
{
    struct proc_watch **at = &w->list;
    while (*at) {
        struct proc_watch *watch = *at;
        if (watch->keep) {
            watch->keep = false;
            at = &watch->next;
        } else {
            *at = watch->next;
            drop(watch);
        }
    }
}

size_t proc_watch_set(struct proc_watches *w, const char *root, const struct proc_id *ids, size_t n)
{
    size_t gone = 0;
    for (size_t i = 0; i < n && i < PROC_WATCH_MAX; i++) {
        struct proc_watch *watch = find(w, &ids[i]);
        if (watch)
            watch->keep = true;
        else
            gone += !add(w, root, &ids[i]);
    }
    drop_unkept(w);
    return gone;
}

size_t proc_watch_alive(const struct proc_watches *w, struct proc_id ids[PROC_WATCH_MAX])
{
    size_t n = 0;
    for (const struct proc_watch *watch = w->list; watch; watch = watch->next)
        if (!watch->ended && n < PROC_WATCH_MAX)
            ids[n++] = watch->id;
    return n;
}

void proc_watch_close(struct proc_watches *w)
{
    drop_unkept(w);
    closer_close(&w->closer);
}
