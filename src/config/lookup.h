/* lookup: which key a word of the configuration is, over the common keys, those of [agent] and
 * those of every type, with one hash lookup; and which keys are near a word that is none. */
#ifndef PROBE_CONFIG_LOOKUP_H
#define PROBE_CONFIG_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/names.h"
#include "probe.h"

#define LOOKUP_NONE  -1
#define LOOKUP_TYPES 64 /* types at most */

struct key_word {
    char *name;
    bool twin;             /* KEY_file, whose file holds the value of KEY */
    int16_t common, agent; /* index in that table, or LOOKUP_NONE */
    int16_t *type;         /* by type, its index there, or LOOKUP_NONE */
    uint64_t types;        /* bit t: type t has it */
    uint64_t names_target; /* bit t: a scheme of type t sets it */
};

struct lookup {
    size_t n_types;
    struct key_word *words;
    size_t n_words, size_words;
    struct names names;
};

/* Over the registry; -1 out of memory. */
int lookup_init(struct lookup *l);
void lookup_fini(struct lookup *l);

const struct key_word *lookup_word(const struct lookup *l, const char *name); /* or NULL */

/* The index of the type with that name, or LOOKUP_NONE. */
int lookup_type(const char *name);

/* The nearest word to `name` among those of [agent] (`agent`), or the common ones and those of the
 * types in the mask; NULL where none is near. */
const char *lookup_nearest(const struct lookup *l, const char *name, bool agent, uint64_t types);

#endif
