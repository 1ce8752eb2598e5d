/* after: do the names that probes wait for exist, and do none of them wait for each other? */
#ifndef PROBE_CONFIG_AFTER_H
#define PROBE_CONFIG_AFTER_H

#include <stddef.h>

#include "config/config.h"
#include "config/names.h"
#include "config/report.h"

/* A probe of the file. */
struct loaded {
    char *name;
    struct check_conf *conf; /* maybe in error: its name and `after` are there; NULL: no memory */
    int line;                /* of its section */
    int after_line;          /* of its `after`; 0: none in its section */
};

/* Reports every unknown name that the probe `which` waits for. `names` maps to indexes of `probes`.
 */
void after_check_names(const struct loaded *probes, size_t n, size_t which,
                       const struct names *names, const char *file, struct config_report *report);

/* Reports each circle once. */
void after_check_circles(const struct loaded *probes, size_t n, const struct names *names,
                         const char *file, struct config_report *report);

#endif
