/* file_id: tells whether a file that was read has changed since, so that it is read again only
 * then. */
#ifndef PROBE_BASE_FILE_ID_H
#define PROBE_BASE_FILE_ID_H

#include <stdbool.h>
#include <sys/stat.h>
#include <time.h>

struct file_id {
    dev_t dev;
    ino_t ino;
    off_t size;
    struct timespec modified, changed;
};

/* All zero where the path is NULL or nothing is there. Take it before the file is read. */
struct file_id file_id_of(const char *path);

/* Is it the same content, for sure? A file that was written within the clock's last step before it
 * was identified may have been written again since: that one is never the same. */
bool file_id_same(const struct file_id *before, const struct file_id *now);
/* Is it the same file with the same times? Its size is not compared. */
bool file_id_same_stamp(const struct file_id *before, const struct file_id *now);

#endif
