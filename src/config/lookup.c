/* lookup: see lookup.h. */
#include "config/lookup.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/config.h"
#include "registry.h"

static struct key_word *add_word(struct lookup *l, const char *name, bool twin)
{
    uint32_t at = names_get(&l->names, name);
    if (at != NAMES_NONE)
        return &l->words[at];
    if (l->n_words == l->size_words) {
        size_t size = l->size_words ? 2 * l->size_words : 128;
        struct key_word *grown = realloc(l->words, size * sizeof *grown);
        if (!grown)
            return NULL;
        l->words = grown;
        l->size_words = size;
    }
    struct key_word *w = &l->words[l->n_words];
    *w = (struct key_word){.twin = twin, .common = LOOKUP_NONE, .agent = LOOKUP_NONE};
    w->name = strdup(name);
    w->type = malloc((l->n_types + 1) * sizeof *w->type);
    if (!w->name || !w->type || names_put(&l->names, w->name, (uint32_t)l->n_words) < 0) {
        free(w->name);
        free(w->type);
        return NULL;
    }
    for (size_t t = 0; t < l->n_types; t++)
        w->type[t] = LOOKUP_NONE;
    l->n_words++;
    return w;
}

static bool is_target_key(const struct probe_type *type, const char *name)
{
    for (const struct probe_scheme *s = type->schemes; s && s->prefix; s++)
        if (strcmp(s->key, name) == 0)
            return true;
    return false;
}

static int add_type_word(struct lookup *l, size_t t, size_t key, const char *name, bool twin)
{
    struct key_word *w = add_word(l, name, twin);
    if (!w)
        return -1;
    w->type[t] = (int16_t)key;
    w->types |= UINT64_C(1) << t;
    if (is_target_key(probe_types[t], probe_types[t]->keys[key].name))
        w->names_target |= UINT64_C(1) << t;
    return 0;
}

static int add_type(struct lookup *l, size_t t)
{
    const struct probe_type *type = probe_types[t];
    for (size_t k = 0; k < type->n_keys; k++) {
        const struct probe_key *key = &type->keys[k];
        if (add_type_word(l, t, k, key->name, false) < 0)
            return -1;
        if (!(key->flags & (KEY_SECRET | KEY_MAY_HIDE)))
            continue;
        char twin[80];
        size_t len = strlen(key->name);
        if (len + sizeof "_file" > sizeof twin)
            return -1;
        memcpy(twin, key->name, len);
        memcpy(twin + len, "_file", sizeof "_file");
        if (add_type_word(l, t, k, twin, true) < 0)
            return -1;
    }
    return 0;
}

int lookup_init(struct lookup *l)
{
    *l = (struct lookup){0};
    names_init(&l->names);
    while (l->n_types < LOOKUP_TYPES && probe_types[l->n_types])
        l->n_types++;
    bool ok = true;
    for (size_t k = 0; ok && k < config_n_common_keys; k++) {
        struct key_word *w = add_word(l, config_common_keys[k].name, false);
        if ((ok = w))
            w->common = (int16_t)k;
    }
    for (size_t k = 0; ok && k < config_n_agent_keys; k++) {
        struct key_word *w = add_word(l, config_agent_keys[k].name, false);
        if ((ok = w))
            w->agent = (int16_t)k;
    }
    for (size_t t = 0; ok && t < l->n_types; t++)
        ok = add_type(l, t) == 0;
    if (!ok)
        lookup_fini(l);
    return ok ? 0 : -1;
}

void lookup_fini(struct lookup *l)
{
    for (size_t i = 0; i < l->n_words; i++) {
        free(l->words[i].name);
        free(l->words[i].type);
    }
    free(l->words);
    names_fini(&l->names);
    *l = (struct lookup){0};
}

const struct key_word *lookup_word(const struct lookup *l, const char *name)
{
    uint32_t at = names_get(&l->names, name);
    return at == NAMES_NONE ? NULL : &l->words[at];
}

int lookup_type(const char *name)
{
    for (int t = 0; probe_types[t]; t++)
        if (strcmp(probe_types[t]->name, name) == 0)
            return t;
    return LOOKUP_NONE;
}

const char *lookup_nearest(const struct lookup *l, const char *name, bool agent, uint64_t types)
{
    const char **near = malloc((l->n_words + 1) * sizeof *near);
    if (!near)
        return NULL;
    size_t n = 0;
    for (size_t i = 0; i < l->n_words; i++) {
        const struct key_word *w = &l->words[i];
        if (agent ? w->agent != LOOKUP_NONE : w->common != LOOKUP_NONE || (w->types & types))
            near[n++] = w->name;
    }
    const char *word = str_nearest(name, near, n);
    free(near);
    return word;
}
