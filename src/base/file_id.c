/* file_id: see file_id.h. */
#include "base/file_id.h"

#include "base/clock.h"

#define STEP_NS (20 * NS_PER_MS) /* of a file system's clock, and more */
/* Of one that keeps whole seconds, or, as FAT, every other. */
#define COARSE_STEP_NS (2 * NS_PER_S + STEP_NS)

struct file_id file_id_of(const char *path)
{
    struct stat st;
    struct file_id id = {0};
    struct timespec now;
    if (!path || stat(path, &st) < 0)
        return id;
    clock_gettime(CLOCK_REALTIME, &now);
    int64_t age =
        ((int64_t)now.tv_sec - st.st_ctim.tv_sec) * NS_PER_S + now.tv_nsec - st.st_ctim.tv_nsec;
    int64_t step = st.st_ctim.tv_nsec ? STEP_NS : COARSE_STEP_NS;
    id.dev = st.st_dev;
    id.ino = st.st_ino;
    id.size = age >= 0 && age < step ? -1 : st.st_size;
    id.modified = st.st_mtim;
    id.changed = st.st_ctim;
    return id;
}

static bool same_time(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool file_id_same_stamp(const struct file_id *before, const struct file_id *now)
{
    return before->dev == now->dev && before->ino == now->ino &&
           same_time(before->modified, now->modified) && same_time(before->changed, now->changed);
}

bool file_id_same(const struct file_id *before, const struct file_id *now)
{
    return before->size >= 0 && before->size == now->size && file_id_same_stamp(before, now);
}
