/* secret: see secret.h. It never shows what it read. */
#include "config/secret.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"

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

int secret_read(const char *path, const char *shown, char **out, struct err *e)
{
    char *data;
    size_t len;
    struct err why;
    *out = NULL;
    if (file_read(path, SECRET_MAX + 2, &data, &len, NULL, &why) != FILE_OPEN)
        return err_set(e, "%s %s", shown, why.text);
    int rc = check(shown, data, len, e);
    if (rc == 0 && !(*out = strdup(data)))
        rc = err_set(e, "out of memory");
    explicit_bzero(data, len);
    free(data);
    return rc;
}
