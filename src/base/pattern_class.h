/* pattern_class: sets of characters (code points), as the parser of patterns builds them. */
#ifndef PROBE_BASE_PATTERN_CLASS_H
#define PROBE_BASE_PATTERN_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAR_MAX_POINT 0x10ffffu

struct pattern_range {
    uint32_t first, last;
};

struct pattern_class {
    struct pattern_range *ranges; /* after class_tidy: ascending, none touches another */
    size_t n, size;
    bool failed; /* out of memory: what it holds is worth nothing */
};

void class_fini(struct pattern_class *set);
void class_add(struct pattern_class *set, uint32_t first, uint32_t last);
void class_add_all(struct pattern_class *set, const struct pattern_class *other);

/* Those of \d, \s or \w. */
void class_add_perl(struct pattern_class *set, char lower);

/* Those of [:name:]; false: there is no such name. */
bool class_add_posix(struct pattern_class *set, const char *name, size_t len);

/* Those of \p{name}: a general category, its first letter or its long name, a script, or Any,
 * ASCII, Assigned; case, blanks, `_` and `-` do not matter. `set` is empty before. false: no such
 * name. */
bool class_add_unicode(struct pattern_class *set, const char *name, size_t len);

/* Sorted and merged; what follows here does that as well. */
void class_tidy(struct pattern_class *set);
void class_invert(struct pattern_class *set);
void class_fold(struct pattern_class *set); /* adds all that is equal but for case */

#endif
