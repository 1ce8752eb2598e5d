/* hints: what is meant by words that other programs use where probe has words of its own. */
#ifndef PROBE_CONFIG_HINTS_H
#define PROBE_CONFIG_HINTS_H

#include <stdbool.h>

#include "config/lookup.h"

/* The keys that a word of Docker, Kubernetes, curl, Consul, HAProxy or blackbox_exporter stands
 * for, "address or url", malloc'd; only those that every probe has, or one of the types in the
 * mask. NULL: there is none, or memory is short. */
char *hints_key(struct lookup *l, const char *word, uint64_t types);

/* Does the word switch a probe on or off elsewhere? */
bool hints_is_switch(const char *word);

/* The name of the type that a word means: near it, a scheme of it, or another name of what it
 * checks. NULL: none is known. */
const char *hints_type(const char *word);

#endif
