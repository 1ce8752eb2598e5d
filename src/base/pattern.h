/* pattern: regular expressions of the configuration (POSIX extended), matched against what servers
 * send. Matching time is linear in the text: back-references are refused, for with them a hostile
 * reply could keep the matcher busy for ever, and so is what would compile to something huge. */
#ifndef PROBE_BASE_PATTERN_H
#define PROBE_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

struct pattern;

/* `^` and `$` are the ends of the whole text, `.` is any byte. Beyond POSIX, and alike on every
 * libc: \d \D (digits), \w \W \s \S, and \n \r \t for these bytes. NULL with the reason in words.
 */
struct pattern *pattern_new(const char *text, struct err *e);
void pattern_free(struct pattern *p); /* NULL is fine */

/* Does it match anywhere in the bytes? A NUL among them is seen as a space. False also when memory
 * is out: an expectation that could not be checked is not met. */
bool pattern_find(const struct pattern *p, const char *data, size_t len);

/* As it was written. */
const char *pattern_text(const struct pattern *p);

#endif
