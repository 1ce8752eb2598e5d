#include "loop/loop.h"

#include <sys/resource.h>

#define DESCRIPTORS_MIN 12 /* the three that stand open, and what libuv opens */

int loop_init(uv_loop_t *loop, struct err *e)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_MIN)
        return err_set(e,
                       "cannot make an event loop: at most %lu open files are allowed "
                       "(RLIMIT_NOFILE), %d are needed",
                       (unsigned long)limit.rlim_cur, DESCRIPTORS_MIN);
    int rc = uv_loop_init(loop);
    return rc < 0 ? err_set(e, "cannot make an event loop: %s", uv_strerror(rc)) : 0;
}
