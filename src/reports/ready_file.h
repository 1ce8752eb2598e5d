/* ready_file: a file that is there while the agent is ready, for whoever can only look at a file.
 * It follows no symbolic link at its path and replaces nothing but a regular file. */
#ifndef PROBE_REPORTS_READY_FILE_H
#define PROBE_REPORTS_READY_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

struct ready_file {
    char *path;     /* NULL: off */
    char *new_path; /* beside it: where the file is made before it is moved into its place */
    bool there;     /* ours is at the path, as far as we know: it has this device and inode */
    dev_t dev;
    ino_t ino;
    bool complained; /* the present trouble was logged */
};

/* Could this process, as an agent, keep its file there? Touches nothing. 0, or -1 with the words.
 */
int ready_file_try(const char *path, struct err *e);

/* The same as far as another user can say, before the agent's folder is made: only what is at the
 * path counts. */
int ready_file_look(const char *path, struct err *e);

/* Takes away what an earlier agent left, and sees that the file could be made. -1: something else
 * is at the path, or it cannot be written there. */
int ready_file_open(struct ready_file *f, const char *path, struct err *e);

/* Makes it, or renews its time, or takes it away. What fails is logged once, and tried again at the
 * next call. `wall`: the time to show. */
void ready_file_tell(struct ready_file *f, bool ready, int64_t wall);

/* Takes it away, if it is still ours. Fine where it is off. */
void ready_file_close(struct ready_file *f);

#endif
