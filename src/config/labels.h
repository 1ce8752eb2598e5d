/* labels: those of a probe and of the agent, as they are shown in metrics, JSON and events. */
#ifndef PROBE_CONFIG_LABELS_H
#define PROBE_CONFIG_LABELS_H

#include "config/config.h"
#include "config/table.h"

#define IDENTITY_HOST 256

/* Fills empty labels from the words NAME=VALUE; what is wrong is reported. -1: out of memory, and
 * what there is of them is the caller's to end all the same. */
int labels_read(struct labels *l, const struct probe_value *v, struct source *s);
void labels_fini(struct labels *l);

/* The name that was given, else the machine's or container's, written into `host`. Never NULL. */
const char *identity_name(const struct identity *id, char host[IDENTITY_HOST]);
void identity_fini(struct identity *id);

#endif
