/* file: see file.h. The path is walked part by part with O_PATH, which opens nothing; what is found
 * at its end is opened through /proc, so that nobody can put another in its place meanwhile. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as in the kernel */
#define PLAIN     (O_PATH | O_CLOEXEC)

struct walk {
    char rest[2 * PATH_MAX]; /* what is still to be walked */
    int at;                  /* O_PATH: what was reached */
    struct stat st;          /* of it */
    unsigned n_links;
    bool has_stranger;
    uid_t stranger; /* who owns a link on the way, neither root nor we */
    int flags;
    struct err *exposed; /* set to who may change something on the way; NULL: not asked */
};

const char *file_kind(mode_t mode)
{
    return S_ISREG(mode)    ? "a regular file"
           : S_ISLNK(mode)  ? "a symbolic link"
           : S_ISFIFO(mode) ? "a FIFO or pipe"
           : S_ISDIR(mode)  ? "a directory"
           : S_ISSOCK(mode) ? "a socket"
                            : "a device";
}

static bool is_trusted(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

/* A folder whose sticky bit is set lets nobody replace what is another's. */
static void note_exposure(struct walk *w)
{
    const struct stat *st = &w->st;
    bool sticky = S_ISDIR(st->st_mode) && (st->st_mode & S_ISVTX);
    char link[40], name[PATH_MAX];
    if (!w->exposed || w->exposed->text[0])
        return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", w->at);
    ssize_t n = readlink(link, name, sizeof name - 1);
    name[n < 0 ? 0 : n] = '\0';
    if (!is_trusted(st->st_uid))
        err_set(w->exposed, "%s belongs to user %u", name, (unsigned)st->st_uid);
    else if (!sticky && (st->st_mode & S_IWOTH))
        err_set(w->exposed, "%s can be written by everybody", name);
    else if (!sticky && (st->st_mode & S_IWGRP) && st->st_gid != 0 && st->st_gid != getegid())
        err_set(w->exposed, "%s can be written by group %u", name, (unsigned)st->st_gid);
}

/* Takes the descriptor. */
static int go_to(struct walk *w, int fd)
{
    if (w->at >= 0)
        close(w->at);
    w->at = fd;
    return fd < 0 ? -1 : fstat(fd, &w->st);
}

/* The link at `fd`, named `name` in the folder w->at. What /proc has as links are none: their text
 * is for people, and only the kernel can follow them. */
static int follow(struct walk *w, const char *name, int fd, const struct stat *link)
{
    char target[PATH_MAX], rest[sizeof w->rest];
    struct statfs fs;
    if (++w->n_links > LINKS_MAX) {
        errno = ELOOP;
        return -1;
    }
    if (!is_trusted(link->st_uid)) {
        if (w->has_stranger && w->stranger != link->st_uid) {
            errno = ELOOP;
            return -1;
        }
        w->has_stranger = true;
        w->stranger = link->st_uid;
    }
    if (fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC)
        return go_to(w, openat(w->at, name, PLAIN));
    ssize_t n = readlinkat(fd, "", target, sizeof target - 1);
    if (n < 0)
        return -1;
    target[n] = '\0';
    int len = snprintf(rest, sizeof rest, "%s%s", target, w->rest);
    if (len >= (int)sizeof rest) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(w->rest, rest, (size_t)len + 1);
    return target[0] == '/' ? go_to(w, open("/", PLAIN)) : 0;
}

/* Goes into the part `name`; w->rest is what follows it, with its slash. */
static int step(struct walk *w, const char *name)
{
    struct stat st;
    int fd = openat(w->at, name, PLAIN | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    int rc = fstat(fd, &st);
    bool may_follow = w->rest[0] || !(w->flags & FILE_NO_LINK);
    if (rc < 0 || !S_ISLNK(st.st_mode) || !may_follow) {
        if (rc == 0 && w->rest[0] && !S_ISDIR(st.st_mode)) {
            errno = ENOTDIR;
            rc = -1;
        }
        if (rc == 0)
            return go_to(w, fd);
    } else {
        rc = follow(w, name, fd, &st);
    }
    int errnum = errno;
    close(fd);
    errno = errnum;
    return rc;
}

/* By hand: an initialiser would clear the 8 KiB of `rest`, for nothing. */
static void walk_init(struct walk *w, int flags, struct err *exposed)
{
    w->rest[0] = '\0';
    w->at = -1;
    w->st = (struct stat){0};
    w->n_links = 0;
    w->has_stranger = false;
    w->flags = flags;
    w->exposed = exposed;
}

/* 0, or -1 with errno. w->at is to be closed in any case. */
static int walk(struct walk *w, const char *path)
{
    char name[NAME_MAX + 1];
    int len = snprintf(w->rest, sizeof w->rest, "%s", path);
    if (!path[0] || len >= PATH_MAX) {
        errno = path[0] ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    int rc = go_to(w, open(path[0] == '/' ? "/" : ".", PLAIN));
    while (rc == 0) {
        size_t blank = strspn(w->rest, "/"), n = strcspn(w->rest + blank, "/");
        if (!n)
            return 0;
        if (n > NAME_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, w->rest + blank, n);
        name[n] = '\0';
        memmove(w->rest, w->rest + blank + n, strlen(w->rest + blank + n) + 1);
        rc = step(w, name);
        if (rc == 0)
            note_exposure(w);
    }
    return rc;
}

/* A process without /proc opens it by its path, and sees whether that is still the same. */
static int reopen(const struct walk *w, const char *path)
{
    char name[40];
    struct stat st;
    int how = O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
    snprintf(name, sizeof name, "/proc/self/fd/%d", w->at);
    int fd = open(name, how);
    if (fd >= 0 || errno != ENOENT || access("/proc/self/fd", F_OK) == 0)
        return fd;
    fd = open(path, how);
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_dev == w->st.st_dev && st.st_ino == w->st.st_ino)
        return fd;
    if (fd >= 0)
        close(fd);
    errno = ESTALE;
    return -1;
}

static enum file_found fail(int errnum, struct err *e)
{
    err_errno(e, errnum, "cannot be read");
    return errnum == ENOENT || errnum == ENOTDIR ? FILE_NONE : FILE_FAILED;
}

static enum file_found open_reached(struct walk *w, const char *path, int *fd, struct err *e)
{
    if (!S_ISREG(w->st.st_mode)) {
        err_set(e, "is %s, expected a regular file", file_kind(w->st.st_mode));
        return FILE_WRONG;
    }
    if (w->has_stranger && w->stranger != w->st.st_uid) {
        err_set(e,
                "is reached by a symbolic link of user %u, expected one of root, or of the file's "
                "owner",
                (unsigned)w->stranger);
        return FILE_WRONG;
    }
    *fd = reopen(w, path);
    return *fd < 0 ? fail(errno, e) : FILE_OPEN;
}

enum file_found file_open(const char *path, int flags, int *fd, struct stat *st, struct err *e)
{
    struct walk w;
    walk_init(&w, flags, NULL);
    enum file_found found = walk(&w, path) < 0 ? fail(errno, e) : open_reached(&w, path, fd, e);
    *st = w.st;
    if (w.at >= 0)
        close(w.at);
    return found;
}

/* To the end of the file, which may grow meanwhile. */
static enum file_found read_all(int fd, size_t max, char **data, size_t *len, struct err *e)
{
    size_t size = 0;
    *len = 0;
    for (;;) {
        if (size - *len < 2) {
            size = size ? 2 * size : 4096;
            char *grown = realloc(*data, size);
            if (!grown) {
                err_set(e, "cannot be read: out of memory");
                return FILE_FAILED;
            }
            *data = grown;
        }
        ssize_t n = read(fd, *data + *len, size - *len - 1);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(e, errno, "cannot be read");
            return FILE_FAILED;
        }
        if (n == 0)
            break;
        *len += (size_t)n;
        if (*len > max) {
            err_set(e, "is longer than %zu KiB", max / 1024);
            return FILE_WRONG;
        }
    }
    (*data)[*len] = '\0';
    return FILE_OPEN;
}

enum file_found file_read(const char *path, size_t max, char **data, size_t *len, struct stat *st,
                          struct err *e)
{
    int fd;
    struct stat own;
    *data = NULL;
    *len = 0;
    enum file_found found = file_open(path, 0, &fd, st ? st : &own, e);
    if (found != FILE_OPEN)
        return found;
    found = read_all(fd, max, data, len, e);
    close(fd);
    if (found == FILE_OPEN)
        return found;
    if (*data)
        explicit_bzero(*data, *len); /* it may be a secret */
    free(*data);
    *data = NULL;
    return found;
}

int file_expect_safe(const char *path, struct err *e)
{
    struct walk w;
    walk_init(&w, 0, e);
    e->text[0] = '\0';
    int rc = walk(&w, path);
    if (w.at >= 0)
        close(w.at);
    return rc == 0 && e->text[0] ? -1 : 0;
}
