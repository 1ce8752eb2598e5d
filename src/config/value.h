/* value: one setting from text to its parsed form, by the key's table entry. */
#ifndef PROBE_CONFIG_VALUE_H
#define PROBE_CONFIG_VALUE_H

#include <stdbool.h>

#include "base/err.h"
#include "probe.h"

/* Parses `text` (expanded) as the key asks; 0 and *v owns its memory, or -1 with what is wrong and
 * what was expected; the words never repeat a secret. Nothing (and `off`, `any` or `none` for a
 * number without a default) is unset: v->text is NULL. `given` and `line` are left to the caller.
 */
int value_parse(struct probe_value *v, const struct probe_key *key, const char *text,
                struct err *e);
void value_fini(struct probe_value *v);

/* Would it parse? */
bool value_fits(const struct probe_key *key, const char *text);

/* A deep copy; -1 out of memory. */
int value_copy(struct probe_value *to, const struct probe_value *from);

/* Are the two the same setting, however they were spelled? */
bool value_equal(const struct probe_key *key, const struct probe_value *a,
                 const struct probe_value *b);

/* Is " #" or " ;" in the text, which may be meant as a comment? */
bool value_has_comment(const char *text);

#endif
