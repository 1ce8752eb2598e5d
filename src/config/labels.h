/* labels: the labels of a probe, as they are shown in metrics, JSON and events. */
#ifndef PROBE_CONFIG_LABELS_H
#define PROBE_CONFIG_LABELS_H

#include "config/config.h"
#include "config/table.h"

/* Fills c->labels from the words NAME=VALUE; what is wrong is reported. -1: out of memory. */
int labels_fill(struct check_conf *c, const struct probe_value *v, struct source *s);

#endif
