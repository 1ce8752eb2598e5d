/* output: see output.h. */
#include "base/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define KEPT_MAX (64 << 20)
#define LONGEST  (5 * NS_PER_S) /* of one flush, for a reader that takes a byte now and then */

enum way {
    WAY_UNKNOWN,
    WAY_PLAIN,  /* a file: never waits for a reader */
    WAY_SOCKET, /* asked not to wait with each write */
    WAY_OWN,    /* opened once more, without waiting */
    WAY_PIPE,   /* could not be opened: pieces that a pipe with room takes whole */
    WAY_TTY,    /* could not be opened: byte by byte, as there is no telling how many it takes */
};

static struct output {
    enum way way;
    dev_t dev; /* which stream that was found for */
    ino_t ino;
    int own; /* descriptor of WAY_OWN */
    int error;
    struct buf kept;
} outputs[2] = {{.own = -1}, {.own = -1}};

static struct output *output_of(int fd)
{
    return &outputs[fd == STDERR_FILENO];
}

static int open_again(int fd, const struct stat *st)
{
    char path[32];
    struct stat opened;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (own >= 0 &&
        (fstat(own, &opened) < 0 || opened.st_ino != st->st_ino || opened.st_dev != st->st_dev)) {
        close(own);
        own = -1;
    }
    return own;
}

/* Which way goes with the stream that `fd` is now. */
static struct output *look(int fd)
{
    struct output *o = output_of(fd);
    struct stat st = {0};
    fstat(fd, &st);
    if (o->way != WAY_UNKNOWN && st.st_dev == o->dev && st.st_ino == o->ino)
        return o;
    if (o->own >= 0)
        close(o->own);
    buf_fini(&o->kept);
    buf_init(&o->kept, KEPT_MAX);
    *o = (struct output){.dev = st.st_dev, .ino = st.st_ino, .own = -1, .kept = o->kept};
    bool pipe = S_ISFIFO(st.st_mode), tty = S_ISCHR(st.st_mode) && isatty(fd);
    if (pipe || tty)
        o->own = open_again(fd, &st);
    if (o->own >= 0)
        o->way = WAY_OWN;
    else
        o->way = pipe ? WAY_PIPE : tty ? WAY_TTY : S_ISSOCK(st.st_mode) ? WAY_SOCKET : WAY_PLAIN;
    return o;
}

static bool has_room(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    return poll(&p, 1, 0) == 1;
}

static ssize_t attempt(const struct output *o, int fd, const char *data, size_t n)
{
    if (o->way == WAY_SOCKET)
        return send(fd, data, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (o->way == WAY_OWN)
        return write(o->own, data, n);
    if (o->way == WAY_PIPE || o->way == WAY_TTY) {
        size_t most = o->way == WAY_PIPE ? PIPE_BUF : 1;
        errno = EAGAIN;
        return has_room(fd) ? write(fd, data, n < most ? n : most) : -1;
    }
    return write(fd, data, n);
}

/* How much of it was written. After an error none ever is. */
static size_t write_now(struct output *o, int fd, const char *data, size_t n)
{
    size_t done = 0;
    while (done < n && !o->error) {
        ssize_t rc = attempt(o, fd, data + done, n - done);
        if (rc > 0)
            done += (size_t)rc;
        else if (rc == 0 || errno == EAGAIN)
            break;
        else if (errno != EINTR)
            o->error = errno;
    }
    return done;
}

static void write_kept(struct output *o, int fd)
{
    if (o->kept.len)
        buf_consume(&o->kept, write_now(o, fd, o->kept.data, o->kept.len));
    if (o->error)
        buf_reset(&o->kept);
}

bool output_put(int fd, const char *data, size_t n)
{
    struct output *o = look(fd);
    if (!n)
        return true;
    write_kept(o, fd);
    size_t done = o->kept.len ? 0 : write_now(o, fd, data, n);
    if (done == n)
        return true;
    return !o->error && o->kept.len + n - done <= KEPT_MAX &&
           buf_add(&o->kept, data + done, n - done) == 0;
}

bool output_print(int fd, const char *fmt, ...)
{
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    bool done = n >= 0 && output_put(fd, line, (size_t)n);
    if (n >= 0)
        free(line);
    return done;
}

bool output_flush(int fd, int patience_ms)
{
    struct output *o = look(fd);
    int64_t end = time_add(clock_now(), LONGEST);
    write_kept(o, fd);
    while (o->kept.len && patience_ms > 0 && clock_now() < end) {
        struct pollfd p = {.fd = o->own >= 0 ? o->own : fd, .events = POLLOUT};
        size_t before = o->kept.len;
        int rc = poll(&p, 1, patience_ms);
        write_kept(o, fd);
        if (rc == 0 && o->kept.len == before)
            break;
    }
    return o->kept.len == 0;
}

int output_end(int fd, int patience_ms)
{
    struct output *o = output_of(fd);
    if (o->way == WAY_UNKNOWN)
        return 0;
    output_flush(fd, patience_ms);
    buf_fini(&o->kept);
    return o->error == EPIPE || o->error == EIO ? 0 : o->error;
}

void output_try(int fd, const char *data, size_t n)
{
    int saved = errno;
    const struct output *o = output_of(fd);
    if (o->way != WAY_UNKNOWN)
        (void)!attempt(o, fd, data, n);
    errno = saved;
}
