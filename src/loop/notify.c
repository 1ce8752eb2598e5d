/* notify: see notify.h. Sending never blocks; a message that cannot be sent is lost. */
#include "loop/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"

/* The socket at an absolute path, or in the abstract namespace where the name begins with '@'. */
static int connect_to(const char *name)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof addr.sun_path)
        return -1;
    memcpy(addr.sun_path, name, len);
    if (name[0] == '@')
        addr.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (connect(fd, (struct sockaddr *)&addr, size) == 0)
        return fd;
    close(fd);
    return -1;
}

/* Half the time the service manager allows, as sd_watchdog_enabled(3) advises; 0 when the watchdog
 * is off or meant for another process. */
static int64_t watchdog_interval(const char *usec, const char *pid)
{
    if (pid && strtoll(pid, NULL, 10) != (long long)getpid())
        return 0;
    char *end;
    errno = 0;
    long long us = usec ? strtoll(usec, &end, 10) : 0;
    if (!usec || errno || *end || us <= 0 || us > INT64_MAX / NS_PER_US)
        return 0;
    return us * NS_PER_US / 2;
}

void notify_open(struct notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");
    n->fd = name ? connect_to(name) : -1;
    n->watchdog_ns =
        n->fd < 0 ? 0 : watchdog_interval(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void notify_close(struct notify *n)
{
    if (n->fd >= 0)
        close(n->fd);
    n->fd = -1;
}

static void send_text(const struct notify *n, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static void send_text(const struct notify *n, const char *fmt, ...)
{
    if (n->fd < 0)
        return;
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    int len = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (len > 0)
        send(n->fd, text, strlen(text), MSG_NOSIGNAL);
}

void notify_ready(const struct notify *n, const char *status)
{
    send_text(n, "READY=1\nSTATUS=%s", status);
}

void notify_reloading(const struct notify *n)
{
    send_text(n, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, clock_now() / NS_PER_US);
}

void notify_stopping(const struct notify *n)
{
    send_text(n, "STOPPING=1");
}

void notify_status(const struct notify *n, const char *status)
{
    send_text(n, "STATUS=%s", status);
}

void notify_alive(const struct notify *n)
{
    send_text(n, "WATCHDOG=1");
}
