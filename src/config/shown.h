/* shown: a setting as a line of a configuration, without its secrets. */
#ifndef PROBE_CONFIG_SHOWN_H
#define PROBE_CONFIG_SHOWN_H

#include <stddef.h>

#include "base/buf.h"
#include "probe.h"

/* "key = value", or KEY_file; a default behind a `;`. What is hidden gets a comment above. */
void shown_add_value(struct buf *out, const struct probe_key *key, const struct probe_value *v);

/* Those of the table that are given, without any comment. */
void shown_add_given(struct buf *out, const struct probe_key *keys,
                     const struct probe_value *values, size_t n);

#endif
