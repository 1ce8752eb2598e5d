/* notify: systemd's service notification protocol (sd_notify(3)), spoken without its library: one
 * datagram of KEY=VALUE lines to $NOTIFY_SOCKET. Without that variable every call does nothing. */
#ifndef PROBE_LOOP_NOTIFY_H
#define PROBE_LOOP_NOTIFY_H

#include <stdint.h>

struct notify {
    int fd;              /* connected datagram socket; -1: nobody to tell */
    int64_t watchdog_ns; /* how often `notify_alive` is due, half of WatchdogSec=; 0: never */
};

/* Reads and removes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID: no child is to inherit them. */
void notify_open(struct notify *n);
void notify_close(struct notify *n);

void notify_ready(const struct notify *n, const char *status);
void notify_reloading(const struct notify *n);
void notify_stopping(const struct notify *n);
void notify_status(const struct notify *n, const char *status);
void notify_alive(const struct notify *n);

#endif
