/* prepare: what the `prepare` of a type works on: the values, the report, and whether anything was
 * wrong so far. It begins what a type knows besides. */
#ifndef PROBE_NET_PREPARE_H
#define PROBE_NET_PREPARE_H

#include <stdbool.h>
#include <stddef.h>

#include "probe.h"

struct prepare {
    const struct probe_value *values;
    struct probe_report *report;
    bool failed;
};

/* An error of the setting `key`. */
void prepare_fail(struct prepare *p, size_t key, const char *words);

/* The text of `key`, malloc'd; NULL: it is unset, or there was no memory, which was reported. */
char *prepare_copy(struct prepare *p, size_t key);

#endif
