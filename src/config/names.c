/* names: see names.h. Open addressing over FNV-1a, at most half full. */
#include "config/names.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 8

uint32_t names_hash(const char *s)
{
    uint32_t h = 2166136261u;
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 16777619u;
    return h;
}

void names_init(struct names *t)
{
    *t = (struct names){0};
}

void names_fini(struct names *t)
{
    free(t->slots);
    names_init(t);
}

/* The slot of the name, or the free one where it belongs. */
static struct names_slot *find(const struct names *t, const char *name, uint32_t hash)
{
    for (size_t i = hash & (t->size - 1);; i = (i + 1) & (t->size - 1)) {
        struct names_slot *slot = &t->slots[i];
        if (!slot->name || (slot->hash == hash && strcmp(slot->name, name) == 0))
            return slot;
    }
}

uint32_t names_get(const struct names *t, const char *name)
{
    if (!t->n)
        return NAMES_NONE;
    const struct names_slot *slot = find(t, name, names_hash(name));
    return slot->name ? slot->value : NAMES_NONE;
}

static int grow(struct names *t)
{
    struct names bigger = {.size = t->size ? 2 * t->size : FIRST_SIZE, .n = t->n};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        return -1;
    for (size_t i = 0; i < t->size; i++)
        if (t->slots[i].name)
            *find(&bigger, t->slots[i].name, t->slots[i].hash) = t->slots[i];
    free(t->slots);
    *t = bigger;
    return 0;
}

int names_put(struct names *t, const char *name, uint32_t value)
{
    if (2 * (t->n + 1) > t->size && grow(t) < 0)
        return -1;
    uint32_t hash = names_hash(name);
    *find(t, name, hash) = (struct names_slot){.name = name, .hash = hash, .value = value};
    t->n++;
    return 0;
}
