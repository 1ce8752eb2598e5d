/* digest: a table for whoever keeps only so much of it. */
#ifndef PROBE_TERM_DIGEST_H
#define PROBE_TERM_DIGEST_H

#include "term/grid.h"

/* Docker keeps 4,096 bytes of a health check's output; what is cut there is the end. */
#define DIGEST_DOCKER 4096

/* Appends a line a row in the table's order, at most `limit` bytes in all. Where not all fit, the
 * rows that are `bad` come before the others, at need with less text, and a last line says how many
 * more there are. The table has been laid out without a width. */
void digest(const struct grid *t, const int *bad, size_t limit, struct buf *out);

#endif
