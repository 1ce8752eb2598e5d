/* socket: what is asked of the descriptor below a uv handle. */
#ifndef PROBE_NET_SOCKET_H
#define PROBE_NET_SOCKET_H

#include <stdint.h>
#include <uv.h>

/* libuv says EOF of a connection that was reset after the bytes it has just read: UV_EOF, or the
 * error that it was. */
int socket_eof_or_error(const uv_handle_t *handle);

/* A TCP connection will be closed by RST, which leaves no TIME_WAIT. */
void socket_reset_at_close(const uv_handle_t *handle);

/* How long `n` round trips take, in ns, as the kernel has it, `most` at most; 0: no TCP, or it is
 * not told. */
int64_t socket_round_trips(const uv_handle_t *handle, int n, int64_t most);

/* The process that listens at the other end of a Unix socket; 0: it is not seen from here. */
int socket_listener_pid(const uv_handle_t *handle);

#endif
