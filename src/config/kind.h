/* kind: of which type a section's probe is: by `type`, by the URL of `target`, by the type of
 * [defaults], or by the key that names what is probed. */
#ifndef PROBE_CONFIG_KIND_H
#define PROBE_CONFIG_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "config/ini_reader.h"
#include "config/lookup.h"
#include "config/table.h"

struct kind {
    int type;          /* index in the registry, or LOOKUP_NONE */
    bool failed;       /* what is wrong is reported, or will be when the key is set */
    char *target;      /* the value of `target`, expanded; the caller's to free */
    bool expanded;     /* it is not as it was written */
    const char *key;   /* the key that it sets; NULL: none */
    const char *value; /* to this, in target */
    int line;
};

/* Reports that the text is no type's name, with the types that there are. */
void kind_no_type(const char *type, int line, struct source *s);

/* `default_type`: of [defaults], or NULL. */
struct kind kind_find(struct lookup *l, const char *default_type, const struct ini_entry *entries,
                      size_t n, struct source *s);

#endif
