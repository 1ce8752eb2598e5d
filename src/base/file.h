/* file: opens the files that the program is given paths of. What a path leads to is looked at
 * before it is opened: a device, a FIFO or a socket is refused untouched, so that nothing blocks
 * and nothing is set off. A symbolic link is followed only where nobody gains by it. */
#ifndef PROBE_BASE_FILE_H
#define PROBE_BASE_FILE_H

#include <stddef.h>
#include <sys/stat.h>

#include "base/err.h"

enum file_found {
    FILE_OPEN,
    FILE_NONE,   /* nothing is there */
    FILE_WRONG,  /* it is not what may be read: no regular file, a stranger's link, too long */
    FILE_FAILED, /* we could not look */
};

enum {
    FILE_NO_LINK = 1, /* the last part of the path must not be a link */
};

/* Opens a regular file for reading. Links are followed that belong to root, to us, or to the owner
 * of the file (who gains nothing). Otherwise the words, which complete the path: "is a FIFO, ...".
 * `st` is the file's. */
enum file_found file_open(const char *path, int flags, int *fd, struct stat *st, struct err *e);

/* The whole of it, if that is at most `max` bytes; *data is malloc'd, with a NUL behind it. `st`
 * may be NULL. */
enum file_found file_read(const char *path, size_t max, char **data, size_t *len, struct stat *st,
                          struct err *e);

/* "a FIFO", "a directory", ... */
const char *file_kind(mode_t mode);

/* May others write the file, or a folder on the way to it, and so put another in its place? -1 with
 * who may: "/srv can be written by everybody". 0: only root and we may, or it cannot be told. */
int file_expect_safe(const char *path, struct err *e);

#endif
