/* lookup: see lookup.h. */
#include "config/lookup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/str.h"
#include "config/config.h"
#include "registry.h"

#define TWIN      "_file"
#define WORD_SIZE 80

void lookup_init(struct lookup *l)
{
    *l = (struct lookup){0};
    names_init(&l->names);
    while (l->n_types < LOOKUP_TYPES && probe_types[l->n_types])
        l->n_types++;
}

void lookup_fini(struct lookup *l)
{
    for (size_t i = 0; i < l->n_words; i++)
        free(l->words[i]);
    free(l->words);
    names_fini(&l->names);
    *l = (struct lookup){0};
}

/* ---- Looking through the tables ---- */

static bool has_twin(const struct probe_key *key)
{
    return key->flags & (KEY_SECRET | KEY_MAY_HIDE);
}

static int16_t find_key(const struct probe_key *keys, size_t n, const char *name)
{
    for (size_t k = 0; k < n; k++)
        if (keys[k].name[0] == name[0] && strcmp(keys[k].name, name) == 0)
            return (int16_t)k;
    return LOOKUP_NONE;
}

/* The key whose KEY_file it is. */
static int16_t find_twin(const struct probe_key *keys, size_t n, const char *name)
{
    size_t len = strlen(name), tail = sizeof TWIN - 1;
    if (len <= tail || strcmp(name + len - tail, TWIN) != 0)
        return LOOKUP_NONE;
    for (size_t k = 0; k < n; k++)
        if (has_twin(&keys[k]) && strlen(keys[k].name) == len - tail &&
            strncmp(keys[k].name, name, len - tail) == 0)
            return (int16_t)k;
    return LOOKUP_NONE;
}

static bool is_target_key(const struct probe_type *type, const char *name)
{
    for (const struct probe_scheme *s = type->schemes; s && s->prefix; s++)
        if (strcmp(s->key, name) == 0)
            return true;
    return false;
}

static void find_in_type(struct key_word *w, size_t t, const char *name)
{
    const struct probe_type *type = probe_types[t];
    w->type[t] = find_key(type->keys, type->n_keys, name);
    if (w->type[t] == LOOKUP_NONE) {
        w->type[t] = find_twin(type->keys, type->n_keys, name);
        w->twin = w->twin || w->type[t] != LOOKUP_NONE;
    }
    if (w->type[t] == LOOKUP_NONE)
        return;
    w->types |= UINT64_C(1) << t;
    if (is_target_key(type, type->keys[w->type[t]].name))
        w->names_target |= UINT64_C(1) << t;
}

static bool find(const struct lookup *l, const char *name, struct key_word *w)
{
    *w = (struct key_word){.common = find_key(config_common_keys, config_n_common_keys, name),
                           .agent = find_key(config_agent_keys, config_n_agent_keys, name)};
    if (w->agent == LOOKUP_NONE) {
        w->agent = find_twin(config_agent_keys, config_n_agent_keys, name);
        w->twin = w->agent != LOOKUP_NONE;
    }
    for (size_t t = 0; t < l->n_types; t++)
        find_in_type(w, t, name);
    return w->common != LOOKUP_NONE || w->agent != LOOKUP_NONE || w->types;
}

/* ---- Remembering ---- */

const struct key_word *lookup_word(struct lookup *l, const char *name)
{
    uint32_t at = names_get(&l->names, name);
    if (at != NAMES_NONE)
        return l->words[at];
    if (!find(l, name, &l->spare))
        return NULL;
    bool room = array_room(&l->words, l->n_words, &l->size_words, sizeof *l->words);
    struct key_word *w = room ? malloc(sizeof *w) : NULL;
    if (!w || names_put(&l->names, name, (uint32_t)l->n_words) < 0) {
        free(w);
        return &l->spare; /* short of memory, it is looked for again next time */
    }
    *w = l->spare;
    l->words[l->n_words++] = w;
    return w;
}

char *lookup_types_of(const struct lookup *l, const struct key_word *w, char *out, size_t size)
{
    size_t at = 0;
    out[0] = '\0';
    for (size_t t = 0; t < l->n_types && at < size; t++)
        if (w->type[t] != LOOKUP_NONE)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? " and " : "",
                                   probe_types[t]->name);
    return out;
}

int lookup_type(const char *name)
{
    for (int t = 0; probe_types[t]; t++)
        if (strcmp(probe_types[t]->name, name) == 0)
            return t;
    return LOOKUP_NONE;
}

/* ---- What is near ---- */

struct nearby {
    const char **words;
    char (*twins)[WORD_SIZE]; /* the memory of those that are put together */
    size_t n, n_twins;
};

static void add_table(struct nearby *near, const struct probe_key *keys, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        near->words[near->n++] = keys[k].name;
        if (!has_twin(&keys[k]))
            continue;
        char *twin = near->twins[near->n_twins++];
        snprintf(twin, WORD_SIZE, "%s" TWIN, keys[k].name);
        near->words[near->n++] = twin;
    }
}

char *lookup_nearest(const struct lookup *l, const char *name, bool agent, uint64_t types)
{
    size_t most = config_n_agent_keys + config_n_common_keys;
    for (size_t t = 0; t < l->n_types; t++)
        most += probe_types[t]->n_keys;
    struct nearby near = {.words = calloc(2 * most, sizeof *near.words),
                          .twins = calloc(most, sizeof *near.twins)};
    char *word = NULL;
    if (near.words && near.twins) {
        if (agent)
            add_table(&near, config_agent_keys, config_n_agent_keys);
        else
            add_table(&near, config_common_keys, config_n_common_keys);
        for (size_t t = 0; !agent && t < l->n_types; t++)
            if (types & UINT64_C(1) << t)
                add_table(&near, probe_types[t]->keys, probe_types[t]->n_keys);
        const char *nearest = str_nearest(name, near.words, near.n);
        word = nearest ? strdup(nearest) : NULL;
    }
    free(near.words);
    free(near.twins);
    return word;
}
