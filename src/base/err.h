/* err: why a fallible function failed, in words. A function returns 0 or -1 and fills a trailing
 * `struct err *`; callers add context as it climbs, and it is logged once, where it is handled.
 * A probed service that fails is data (see reason.h), never an err. */
#ifndef PROBE_BASE_ERR_H
#define PROBE_BASE_ERR_H

#define ERR_TEXT_MAX 512

struct err {
    char text[ERR_TEXT_MAX]; /* one line, no newline, cut when longer */
};

/* Sets the text; always returns -1, so `return err_set(e, ...)` reads well. `e` may be NULL. */
int err_set(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* As err_set, with ": " and the words for `errnum` (an errno value) added. */
int err_errno(struct err *e, int errnum, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts context in front: "context: old text"; always returns -1. */
int err_prefix(struct err *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
