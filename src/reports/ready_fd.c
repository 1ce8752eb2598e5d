/* ready_fd: see ready_fd.h. */
#include "reports/ready_fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

int ready_fd_take(int fd, struct err *e)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0)
        return err_set(e,
                       "agent.ready_fd: descriptor %d is not open, expected one that the "
                       "supervisor made (s6: the number in notification-fd)",
                       fd);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return err_set(e, "agent.ready_fd: descriptor %d is open for reading only", fd);
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

void ready_fd_tell(int *fd)
{
    struct pollfd p = {.fd = *fd, .events = POLLOUT};
    if (*fd < 0 || poll(&p, 1, 0) == 0)
        return;
    if (write(*fd, "\n", 1) != 1)
        log_warn("ready_fd: cannot write to descriptor %d: %s", *fd, strerror(errno));
    ready_fd_close(fd);
}

void ready_fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}
