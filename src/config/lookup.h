/* lookup: which key a word of the configuration is, over the common keys, those of [agent] and
 * those of every type; and which keys are near a word that is none. A word is looked for in all
 * tables once, when it is first asked for, and remembered: one hash lookup from then on, and a
 * command with one target does not pay for a hundred keys. */
#ifndef PROBE_CONFIG_LOOKUP_H
#define PROBE_CONFIG_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/names.h"
#include "probe.h"

#define LOOKUP_NONE  -1
#define LOOKUP_TYPES 16 /* types at most */

struct key_word {
    bool twin;                  /* KEY_file, whose file holds the value of KEY */
    int16_t common, agent;      /* index in that table, or LOOKUP_NONE */
    uint64_t types;             /* bit t: type t has it */
    uint64_t names_target;      /* bit t: a scheme of type t sets it */
    int16_t type[LOOKUP_TYPES]; /* by type, its index there, or LOOKUP_NONE */
};

struct lookup {
    size_t n_types;
    struct key_word **words; /* asked for so far, and found */
    size_t n_words, size_words;
    struct names names;
    struct key_word spare; /* the last found that could not be remembered */
};

/* Over the registry. */
void lookup_init(struct lookup *l);
void lookup_fini(struct lookup *l);

/* NULL: no key. The name must last as long as the lookup does; the word is valid until the next
 * call. */
const struct key_word *lookup_word(struct lookup *l, const char *name);

/* The types that have the key, "grpc and http"; "": none has. Returns out. */
char *lookup_types_of(const struct lookup *l, const struct key_word *w, char *out, size_t size);

/* The index of the type with that name, or LOOKUP_NONE. */
int lookup_type(const char *name);

/* The nearest word to `name` among those of [agent] (`agent`), or the common ones and those of the
 * types in the mask, malloc'd; NULL where none is near. */
char *lookup_nearest(const struct lookup *l, const char *name, bool agent, uint64_t types);

#endif
