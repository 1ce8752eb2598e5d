/* target: the words that stand for a probe on the command line, NAME, NAME=URL and URL, by the
 * schemes of the types. */
#ifndef PROBE_CONFIG_TARGET_H
#define PROBE_CONFIG_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "probe.h"

#define TARGET_NAME_MAX 63

/* Letters, digits, '.', '_' and '-', at most TARGET_NAME_MAX, the first a letter, digit or '_'. */
bool target_is_name(const char *text);

/* The type (its index in the registry) and scheme that the text begins with, the longest that
 * fits; false: it is no URL. */
bool target_scheme(const char *text, size_t *type, const struct probe_scheme **scheme);

/* What the scheme's key is set to. */
const char *target_value(const char *text, const struct probe_scheme *scheme);

/* NAME=URL: the length of NAME, or 0 when the text is not of that form. */
size_t target_name_len(const char *text);

/* For a word that is none of these: what may have been meant, or NULL; malloc'd. `names` are the
 * known probes. */
char *target_suggest(const char *text, const char *const *names, size_t n);

/* All schemes, "mongodb://, tcp://, ...", for messages; written to out, which it returns. */
char *target_schemes(char *out, size_t size);

#endif
