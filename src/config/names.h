/* names: a hash table from names to numbers, so that tens of thousands of probes load without a
 * quadratic scan. It keeps the caller's pointers and copies nothing. */
#ifndef PROBE_CONFIG_NAMES_H
#define PROBE_CONFIG_NAMES_H

#include <stddef.h>
#include <stdint.h>

#define NAMES_NONE UINT32_MAX

struct names {
    struct names_slot {
        const char *name; /* NULL: free */
        uint32_t hash, value;
    } * slots;
    size_t size, n;
};

/* FNV-1a of 32 bits. */
uint32_t names_hash(const char *s);

void names_init(struct names *t);
void names_fini(struct names *t);

/* The value put under the name, or NAMES_NONE. */
uint32_t names_get(const struct names *t, const char *name);

/* Puts a name that is not there yet; 0, or -1 out of memory. */
int names_put(struct names *t, const char *name, uint32_t value);

#endif
