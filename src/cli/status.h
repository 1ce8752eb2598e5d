/* status: what the commands that show an agent's document share. */
#ifndef PROBE_CLI_STATUS_H
#define PROBE_CLI_STATUS_H

#include <jansson.h>

#include "cli/cli.h"
#include "term/grid.h"
#include "term/term.h"

/* The agent's document of that path, the caller's to json_decref; NULL: the reason is in `e`. It is
 * waited for as long as the command line says, else for `budget`. */
json_t *status_fetch(const struct cli *cli, const char *agent, const char *path, int64_t budget,
                     struct err *e);

/* The probe of that name in the document; NULL: none. */
json_t *status_find(const json_t *document, const char *name);

/* Says so when a name was given that the document does not have: EXIT_USAGE, else 0. */
int status_check_names(const struct cli *cli, const json_t *document);

/* One row a probe, by the table's columns (view.h): the named ones, or all; `age` (ns) is how old
 * the document is by now, < 0: it is what a lost agent said last, and nothing is known any more.
 * Returns each row's badness (view_badness), the caller's to free; NULL when out of memory. Names
 * that the document does not have are left out. */
int *status_rows(struct grid *t, const struct cli *cli, const json_t *document, int64_t age);

/* "not ready: 3 probes, 2 healthy, 1 starting" in the terminal's width; returns the lines. */
size_t status_summary(struct buf *out, const struct cli *cli, const json_t *document,
                      const struct term *term);

#endif
