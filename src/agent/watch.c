/* watch: see watch.h. */
#include "agent/watch.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file_id.h"
#include "base/str.h"

#define POLL_NS   (10 * NS_PER_S)
#define SETTLE_NS (300 * NS_PER_MS) /* after a hint: a writer writes more than once */
#define REST_NS   NS_PER_S          /* between two looks */
#define WATCHED                                                                                    \
    (IN_CLOSE_WRITE | IN_MODIFY | IN_ATTRIB | IN_CREATE | IN_DELETE | IN_MOVED_FROM |              \
     IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF)

/* All that the thread reads and writes. */
struct watch_look {
    struct work_job job;
    struct file_watch *watch;
    int fd; /* its own duplicate of inotify's; -1: none */
    size_t n;
    struct config_file *files;
};

static void look_free(struct watch_look *k)
{
    for (size_t i = 0; k && i < k->n; i++)
        free(k->files[i].path);
    if (!k)
        return;
    if (k->fd >= 0)
        close(k->fd);
    free(k->files);
    free(k);
}

static void free_job(struct work_job *job)
{
    look_free(container_of(job, struct watch_look, job));
}

static struct watch_look *look_new(struct file_watch *w, const struct config_file *files, size_t n)
{
    struct watch_look *k = calloc(1, sizeof *k);
    if (!k)
        return NULL;
    k->watch = w;
    k->fd = -1;
    k->files = calloc(n + 1, sizeof *k->files);
    for (; k->files && k->n < n; k->n++) {
        k->files[k->n] = files[k->n];
        if (!(k->files[k->n].path = strdup(files[k->n].path)))
            break;
    }
    if (k->files && k->n == n)
        return k;
    look_free(k);
    return NULL;
}

/* ---- On the thread ---- */

static void watch_folder(int fd, const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = !slash          ? strdup(".")
                   : slash == path ? strdup("/")
                                   : str_dup_n(path, (size_t)(slash - path));
    if (folder)
        inotify_add_watch(fd, folder, WATCHED);
    free(folder);
}

/* Errors are left out: a file that cannot be watched is polled. */
static void watch_file(int fd, const char *path)
{
    char real[PATH_MAX];
    watch_folder(fd, path);
    inotify_add_watch(fd, path, WATCHED); /* a bind mount of the file has another folder */
    if (realpath(path, real) && strcmp(real, path) != 0)
        watch_folder(fd, real);
}

static void run_look(struct work_job *job)
{
    struct watch_look *k = container_of(job, struct watch_look, job);
    for (size_t i = 0; i < k->n; i++) {
        if (k->fd >= 0)
            watch_file(k->fd, k->files[i].path);
        k->files[i].id = file_id_of(k->files[i].path);
    }
}

/* ---- On the loop ---- */

static void move(struct file_watch *w, enum watch_state to)
{
    static const unsigned from[] = {
        [WATCH_OFF] = 1 << WATCH_OFF | 1 << WATCH_QUIET | 1 << WATCH_HINTED | 1 << WATCH_LOOKING,
        [WATCH_QUIET] = 1 << WATCH_OFF | 1 << WATCH_LOOKING,
        [WATCH_HINTED] = 1 << WATCH_QUIET,
        [WATCH_LOOKING] = 1 << WATCH_QUIET | 1 << WATCH_HINTED,
        [WATCH_CLOSED] = 1 << WATCH_OFF | 1 << WATCH_QUIET | 1 << WATCH_HINTED | 1 << WATCH_LOOKING,
    };
    assert(from[to] & 1U << w->state);
    w->state = to;
}

static void on_looked(struct work_job *job);

/* Once the writer is done; and not too often, for a folder may be busy with other files. */
static void look_soon(struct file_watch *w)
{
    int64_t soon = time_add(clock_now(), SETTLE_NS), rested = time_add(w->looked_at, REST_NS);
    move(w, WATCH_HINTED);
    sched_set(&w->engine->sched, &w->due, soon > rested ? soon : rested);
}

/* A look that cannot be begun is tried again after POLL_NS. */
static void look(struct file_watch *w)
{
    struct watch_look *k = look_new(w, w->last->files, w->last->n);
    if (k) {
        k->fd = w->fd >= 0 ? dup(w->fd) : -1;
        k->job = (struct work_job){.run = run_look, .on_done = on_looked, .free = free_job};
        if (!w->work)
            w->work = work_new(w->engine->loop, 1, NULL);
    }
    if (!k || !w->work || work_start(w->work, &k->job, NULL) < 0) {
        look_free(k);
        sched_set(&w->engine->sched, &w->due, time_add(clock_now(), POLL_NS));
        return;
    }
    move(w, WATCH_LOOKING);
    w->again = false;
    w->look = k;
}

static void on_due(struct sched_entry *entry, int64_t now)
{
    (void)now;
    look(container_of(entry, struct file_watch, due));
}

/* Not file_id_same, to which a file that was just written is never the same: a new one would be
 * told as changed. But where times are whole seconds, another may have been written in that second:
 * once it is over, the file is taken for changed. */
static bool is_same(const struct file_id *before, const struct file_id *now)
{
    bool size = before->size == now->size || before->size < 0 || now->size < 0;
    bool unsure = before->size < 0 && now->size >= 0 && now->changed.tv_nsec == 0;
    return size && !unsure && file_id_same_stamp(before, now);
}

/* The place of the first that differs; n: none does. */
static size_t find_changed(const struct watch_look *before, const struct watch_look *now)
{
    size_t i = 0;
    while (i < now->n && is_same(&before->files[i].id, &now->files[i].id))
        i++;
    return i;
}

static void on_looked(struct work_job *job)
{
    struct watch_look *k = container_of(job, struct watch_look, job), *before;
    struct file_watch *w = k->watch;
    w->look = NULL;
    move(w, WATCH_QUIET);
    w->looked_at = clock_now();
    sched_set(&w->engine->sched, &w->due, time_add(w->looked_at, POLL_NS));
    if (w->again)
        look_soon(w);
    before = w->last;
    w->last = k;
    size_t changed = find_changed(before, k);
    char *path = changed < k->n ? strdup(k->files[changed].path) : NULL;
    look_free(before);
    if (changed < k->n)
        w->on_change(w, path ? path : "");
    free(path);
}

/* What inotify says does not matter: the files are looked at. */
static void on_hint(uv_poll_t *poll, int status, int events)
{
    char said[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    struct file_watch *w = container_of(poll, struct file_watch, poll);
    (void)events;
    if (status < 0 || read(w->fd, said, sizeof said) <= 0)
        return;
    if (w->state == WATCH_QUIET)
        look_soon(w);
    else
        w->again = w->again || w->state == WATCH_LOOKING;
}

void watch_open(struct file_watch *w)
{
    w->due.fire = on_due;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0)
        return;
    if (uv_poll_init(w->engine->loop, &w->poll, w->fd) < 0) {
        close(w->fd);
        w->fd = -1;
        return;
    }
    w->open = true;
    uv_poll_start(&w->poll, UV_READABLE, on_hint);
}

static void forget(struct file_watch *w)
{
    sched_clear(&w->engine->sched, &w->due);
    if (w->look)
        work_abandon(&w->look->job);
    w->look = NULL;
    look_free(w->last);
    w->last = NULL;
}

void watch_set(struct file_watch *w, const struct config_file *files, size_t n)
{
    if (w->state == WATCH_CLOSED)
        return;
    forget(w);
    move(w, WATCH_OFF);
    w->last = n ? look_new(w, files, n) : NULL;
    if (!w->last)
        return;
    move(w, WATCH_QUIET);
    look(w);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct file_watch *w = container_of(handle, struct file_watch, poll);
    close(w->fd);
    w->fd = -1;
}

void watch_close(struct file_watch *w)
{
    if (w->state == WATCH_CLOSED || !w->engine)
        return;
    forget(w);
    move(w, WATCH_CLOSED);
    if (w->work)
        work_close(w->work);
    w->work = NULL;
    if (w->open)
        uv_close((uv_handle_t *)&w->poll, on_poll_closed);
    w->open = false;
}
