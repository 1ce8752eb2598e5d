/* duration: Go's time.ParseDuration grammar plus d (24 h) and w (7 d), as Compose has it. */
#ifndef PROBE_CONFIG_DURATION_H
#define PROBE_CONFIG_DURATION_H

#include <stdint.h>

#include "base/err.h"

/* "1m30s" -> ns. Signs, fractions and several units are Go's; -1 with the reason in words
 * ("missing unit", "unknown unit \"S\"", "too long"). */
int duration_parse(const char *text, int64_t *ns, struct err *e);

/* The shortest exact spelling, readable by duration_parse: "1m30s", "100ms", "0s". Returns out. */
#define DURATION_SIZE 48
char *duration_format(int64_t ns, char out[DURATION_SIZE]);

#endif
