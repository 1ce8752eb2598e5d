/* socket: see socket.h. */
#include "net/socket.h"

#include <sys/socket.h>

int socket_eof_or_error(const uv_handle_t *handle)
{
    uv_os_fd_t fd;
    int errnum = 0;
    socklen_t len = sizeof errnum;
    if (uv_fileno(handle, &fd) < 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &errnum, &len) < 0)
        return UV_EOF;
    return errnum ? -errnum : UV_EOF;
}

void socket_reset_at_close(const uv_handle_t *handle)
{
    const struct linger at_once = {.l_onoff = 1};
    uv_os_fd_t fd;
    if (uv_fileno(handle, &fd) == 0 && uv_handle_get_type(handle) == UV_TCP)
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

int socket_listener_pid(const uv_handle_t *handle)
{
    struct ucred peer;
    socklen_t len = sizeof peer;
    uv_os_fd_t fd;
    if (uv_fileno(handle, &fd) != 0 || getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return 0;
    return peer.pid > 0 ? peer.pid : 0;
}
