/* err: formats error texts into a fixed buffer; never allocates, so it works out of memory. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void format(struct err *e, const char *fmt, va_list ap, const char *more)
{
    vsnprintf(e->text, sizeof e->text, fmt, ap);
    size_t used = strlen(e->text);
    if (more)
        snprintf(e->text + used, sizeof e->text - used, ": %s", more);
}

int err_set(struct err *e, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (e)
        format(e, fmt, ap, NULL);
    va_end(ap);
    return -1;
}

int err_errno(struct err *e, int errnum, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    if (e)
        format(e, fmt, ap, strerror(errnum));
    va_end(ap);
    return -1;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
    const struct err old = *e;
    va_list ap;
    va_start(ap, fmt);
    format(e, fmt, ap, old.text);
    va_end(ap);
    return -1;
}
