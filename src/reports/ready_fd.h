/* ready_fd: s6's readiness notification: one newline on a descriptor that the supervisor gave us,
 * once, when the agent is ready for the first time. */
#ifndef PROBE_REPORTS_READY_FD_H
#define PROBE_REPORTS_READY_FD_H

#include <stdbool.h>

#include "base/err.h"

/* Is `fd` open for writing? To be asked before anything of ours is opened, which could have that
 * number. From then on no child inherits it. 0 or -1. */
int ready_fd_take(int fd, struct err *e);

/* Writes and closes; *fd is -1 then. A descriptor that cannot take a byte just now stays for the
 * next call. Never blocks. -1 is fine. */
void ready_fd_tell(int *fd);

void ready_fd_close(int *fd);

#endif
