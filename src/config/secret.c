/* secret: see secret.h. Never blocks (a FIFO is refused) and never shows what it read. */
#include "config/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int read_all(int fd, const char *path, char *data, size_t *len, struct err *e)
{
    *len = 0;
    for (;;) {
        ssize_t n = read(fd, data + *len, SECRET_MAX + 3 - *len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_errno(e, errno, "cannot read %s", path);
        if (n == 0)
            return 0;
        *len += (size_t)n;
        if (*len > SECRET_MAX + 2)
            return err_set(e, "%s is longer than %d bytes", path, SECRET_MAX);
    }
}

static int check(const char *path, char *data, size_t len, struct err *e)
{
    if (len && data[len - 1] == '\n')
        len--;
    if (len && data[len - 1] == '\r')
        len--;
    if (!len)
        return err_set(e, "%s is empty", path);
    if (len > SECRET_MAX)
        return err_set(e, "%s is longer than %d bytes", path, SECRET_MAX);
    if (memchr(data, '\0', len))
        return err_set(e, "%s holds a NUL byte", path);
    data[len] = '\0';
    return 0;
}

int secret_read(const char *path, char **out, struct err *e)
{
    *out = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return err_errno(e, errno, "cannot open %s", path);
    int rc = -1;
    size_t len;
    char *data = malloc(SECRET_MAX + 4);
    struct stat st;
    if (!data)
        err_set(e, "out of memory");
    else if (fstat(fd, &st) < 0)
        err_errno(e, errno, "cannot read %s", path);
    else if (!S_ISREG(st.st_mode))
        err_set(e, "%s is not a regular file", path);
    else if (read_all(fd, path, data, &len, e) == 0)
        rc = check(path, data, len, e);
    if (rc == 0 && !(*out = strdup(data)))
        rc = err_set(e, "out of memory");
    if (data)
        explicit_bzero(data, SECRET_MAX + 4);
    free(data);
    close(fd);
    return rc;
}
