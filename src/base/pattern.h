/* pattern: regular expressions of the configuration, matched against what servers send: POSIX
 * extended, over bytes, alike on every libc. Matching goes through the text once, and gives up
 * rather than keep the loop busy: the reply of a hostile server costs no more than any other. */
#ifndef PROBE_BASE_PATTERN_H
#define PROBE_BASE_PATTERN_H

#include <stddef.h>

#include "base/err.h"

struct pattern;

/* `^` and `$` are the ends of the whole text, `.` is any byte. Beyond POSIX: \d \D (digits), \w \W
 * \s \S, \n \r \t, and a `{` that begins no repetition is itself. Back-references are refused. NULL
 * with the reason in words. */
struct pattern *pattern_new(const char *text, struct err *e);
void pattern_free(struct pattern *p); /* NULL is fine */

/* Does it match anywhere in the bytes? 1 or 0; -1: that could not be found out (no memory, or too
 * much work), which no caller may take for either. A NUL among them is seen as a space. */
int pattern_find(const struct pattern *p, const char *data, size_t len);

/* As it was written. */
const char *pattern_text(const struct pattern *p);

#endif
