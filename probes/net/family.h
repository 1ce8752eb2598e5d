/* family: the choices of the key `family`, which every type that connects has, and what they mean.
 */
#ifndef PROBE_NET_FAMILY_H
#define PROBE_NET_FAMILY_H

#include "probe.h"

/* The key. */
#define FAMILY_KEY(words)                                                                          \
    {                                                                                              \
        .name = "family", .kind = KEY_CHOICE, .def = "any", .choices = family_choices,             \
        .doc = words                                                                               \
    }
#define FAMILY_DOC "The family of addresses to use: any, 4 or 6."

/* "any", "4", "6", NULL */
extern const char *const family_choices[];

/* 0 for any, 4 or 6; `v` is of a key with these choices. */
int family_of(const struct probe_value *v);

#endif
