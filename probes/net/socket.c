/* socket: see socket.h. */
#include "net/socket.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "base/clock.h"

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

int64_t socket_round_trips(const uv_handle_t *handle, int n, int64_t most)
{
    struct tcp_info info;
    socklen_t len = sizeof info;
    uv_os_fd_t fd;
    if (uv_handle_get_type(handle) != UV_TCP || uv_fileno(handle, &fd) != 0 ||
        getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
        return 0;
    int64_t ns = n * (int64_t)info.tcpi_rtt * NS_PER_US;
    return ns < most ? ns : most;
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
