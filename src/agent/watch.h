/* watch: tells when a file that the configuration was read from has changed: the file itself, a
 * secret, a CA. inotify says when to look, at the files and at the folders that they stand in (a
 * Kubernetes ConfigMap is swapped by its folder's link); where it says nothing, for example on a
 * network file system, they are looked at every POLL. Whether one changed is told by what the files
 * are then, on a thread: a file system that hangs holds up nothing but this. */
#ifndef PROBE_AGENT_WATCH_H
#define PROBE_AGENT_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

#include "config/report.h"
#include "engine/engine.h"
#include "loop/work.h"

struct watch_look;

/*  state         what is awaited                          next
 *  WATCH_OFF     watch_set                                QUIET, CLOSED
 *  WATCH_QUIET   a hint, or the next poll                 HINTED, LOOKING, OFF, CLOSED
 *  WATCH_HINTED  that the writer is done                  LOOKING, OFF, CLOSED
 *  WATCH_LOOKING a thread looks at the files              QUIET, OFF, CLOSED
 *  WATCH_CLOSED  nothing
 */
enum watch_state { WATCH_OFF, WATCH_QUIET, WATCH_HINTED, WATCH_LOOKING, WATCH_CLOSED };

/* Embedded in the agent; zero at first. */
struct file_watch {
    struct engine *engine;
    /* `path` is one that changed; valid during the call. watch_set may be called from inside. */
    void (*on_change)(struct file_watch *w, const char *path);
    /* Private. */
    enum watch_state state;
    int fd; /* of inotify; -1: there is none, all is polled */
    bool open;
    bool again;        /* a hint came while a thread looked */
    int64_t looked_at; /* when the last look ended */
    uv_poll_t poll;
    struct sched_entry due;
    struct work *work;       /* NULL before the first look */
    struct watch_look *look; /* under way; NULL: none */
    struct watch_look *last; /* what the files were; NULL: none is watched */
};

/* The caller has filled what stands above "Private". Without inotify it polls. */
void watch_open(struct file_watch *w);

/* From now on these files (n 0: none), as they were when they were read. They are copied. Short of
 * memory nothing is watched until the next call. */
void watch_set(struct file_watch *w, const struct config_file *files, size_t n);

/* Before the engine is stopped; the handle closes in the loop's next turn. */
void watch_close(struct file_watch *w);

#endif
