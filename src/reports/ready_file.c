/* ready_file: see ready_file.h. */
#include "reports/ready_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/str.h"

#define FIRST_WORDS "ready since "

/* Was it left by an agent? A file that holds anything else is somebody's own, and must stay. */
static int expect_leftover(const char *path, struct err *e)
{
    char text[sizeof FIRST_WORDS - 1];
    int fd;
    struct stat st;
    struct err why;
    enum file_found found = file_open(path, FILE_NO_LINK, &fd, &st, &why);
    if (found != FILE_OPEN)
        return found == FILE_NONE ? 0 : err_set(e, "%s %s", path, why.text);
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    if (n >= 0 && memcmp(text, FIRST_WORDS, (size_t)n) == 0)
        return 0;
    return err_set(e, "%s holds something else already, and is left alone", path);
}

/* 1: a regular file is there, 0: nothing, -1: what may not be touched. */
static int look(const char *path, struct stat *st, struct err *e)
{
    if (lstat(path, st) < 0)
        return errno == ENOENT ? 0 : err_errno(e, errno, "%s", path);
    if (S_ISREG(st->st_mode))
        return 1;
    return err_set(e, "%s is %s, expected a regular file or nothing there", path,
                   file_kind(st->st_mode));
}

/* A new, empty file at new_path; one that was left there half made goes first. */
static int create(const struct ready_file *f, struct err *e)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = open(f->new_path, flags, 0644);
    if (fd < 0 && errno == EEXIST) {
        if (expect_leftover(f->new_path, e) < 0)
            return -1;
        if (unlink(f->new_path) == 0)
            fd = open(f->new_path, flags, 0644);
    }
    return fd < 0 ? err_errno(e, errno, "cannot make %s", f->new_path) : fd;
}

static int make(struct ready_file *f, int64_t wall, struct err *e)
{
    struct stat st;
    char stamp[CLOCK_RFC3339_SIZE], text[96];
    if (look(f->path, &st, e) < 0)
        return -1;
    int fd = create(f, e);
    if (fd < 0)
        return -1;
    clock_rfc3339(wall, stamp);
    int n = snprintf(text, sizeof text, FIRST_WORDS "%s, pid %ld\n", stamp, (long)getpid());
    /* readable by everybody, whatever the umask is: it is there to be looked at */
    bool made = write(fd, text, (size_t)n) == n && fchmod(fd, 0644) == 0 && fstat(fd, &st) == 0;
    close(fd);
    if (made && rename(f->new_path, f->path) == 0) {
        f->there = true;
        f->dev = st.st_dev;
        f->ino = st.st_ino;
        return 0;
    }
    err_errno(e, errno, "cannot make %s", f->path);
    unlink(f->new_path);
    return -1;
}

static bool is_ours(const struct ready_file *f)
{
    struct stat st;
    /* a link may have the number of a file that somebody removed */
    return f->there && lstat(f->path, &st) == 0 && S_ISREG(st.st_mode) && st.st_dev == f->dev &&
           st.st_ino == f->ino;
}

/* Nothing is at the path, or what may go. */
static int expect_free(const char *path, struct err *e)
{
    struct stat st;
    int found = look(path, &st, e);
    return found > 0 ? expect_leftover(path, e) : found;
}

static int expect_folder(const char *path, struct err *e)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? str_format("%.*s/", (int)(slash - path), path) : strdup(".");
    int rc = !folder                            ? err_set(e, "out of memory")
             : access(folder, W_OK | X_OK) == 0 ? 0
                                                : err_errno(e, errno, "cannot make %s", path);
    free(folder);
    return rc;
}

int ready_file_try(const char *path, struct err *e)
{
    char *new_path = str_format("%s.new", path);
    int rc = !new_path                      ? err_set(e, "out of memory")
             : expect_free(path, e) < 0     ? -1
             : expect_free(new_path, e) < 0 ? -1
                                            : expect_folder(path, e);
    free(new_path);
    return rc;
}

int ready_file_look(const char *path, struct err *e)
{
    struct stat st;
    if (lstat(path, &st) < 0 || (S_ISREG(st.st_mode) && access(path, R_OK) < 0))
        return 0;
    return expect_free(path, e);
}

int ready_file_open(struct ready_file *f, const char *path, struct err *e)
{
    *f = (struct ready_file){.path = strdup(path), .new_path = str_format("%s.new", path)};
    if (!f->path || !f->new_path) {
        ready_file_close(f);
        return err_set(e, "out of memory");
    }
    int rc = ready_file_try(path, e);
    if (rc == 0 && unlink(path) < 0 && errno != ENOENT)
        rc = err_errno(e, errno, "cannot remove %s", path);
    int fd = rc < 0 ? -1 : create(f, e);
    if (fd < 0) {
        ready_file_close(f);
        return err_prefix(e, "ready_file");
    }
    close(fd);
    unlink(f->new_path);
    return 0;
}

void ready_file_tell(struct ready_file *f, bool ready, int64_t wall)
{
    struct err e;
    int rc = 0;
    if (!f->path)
        return;
    bool ours = is_ours(f);
    if (!ready) {
        if (ours && unlink(f->path) < 0)
            rc = err_errno(&e, errno, "cannot remove %s", f->path);
        f->there = ours && rc < 0;
    } else if (!ours || utimensat(AT_FDCWD, f->path, NULL, AT_SYMLINK_NOFOLLOW) < 0) {
        rc = make(f, wall, &e);
    }
    if (rc < 0 && !f->complained)
        log_warn("ready_file: %s", e.text);
    f->complained = rc < 0;
}

void ready_file_close(struct ready_file *f)
{
    if (f->path && is_ours(f))
        unlink(f->path);
    free(f->path);
    free(f->new_path);
    *f = (struct ready_file){0};
}
