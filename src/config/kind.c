/* kind: see kind.h. */
#include "config/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/expand.h"
#include "config/hints.h"
#include "config/target.h"
#include "config/value.h"
#include "registry.h"

static void list_types(char *out, size_t size)
{
    out[0] = '\0';
    for (size_t t = 0, at = 0; probe_types[t] && at < size; t++)
        at += (size_t)snprintf(out + at, size - at, "%s%s",
                               t == 0               ? ""
                               : probe_types[t + 1] ? ", "
                                                    : " or ",
                               probe_types[t]->name);
}

void kind_no_type(const char *type, int line, struct source *s)
{
    char types[256];
    list_types(types, sizeof types);
    const char *near = config_report_suggests(s->report) ? hints_type(type) : NULL;
    source_problem(s, true, line, "type", "\"%.60s\" is no type, expected %s%s%s%s%s", type, types,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                   value_has_comment(type) ? "; a comment needs a line of its own" : "");
}

static void kind_by_type(struct kind *k, const char *type, int line, struct source *s)
{
    k->type = lookup_type(type);
    if (k->type != LOOKUP_NONE)
        return;
    kind_no_type(type, line, s);
    k->failed = true;
}

static void kind_by_target(struct kind *k, const struct ini_entry *entry, struct source *s)
{
    size_t type;
    const struct probe_scheme *scheme;
    k->line = entry->line;
    k->target = source_expand(s, "target", entry->line, entry->value);
    k->failed = k->failed || !k->target;
    if (!k->target)
        return;
    k->expanded = strcmp(k->target, entry->value) != 0;
    if (!target_scheme(k->target, &type, &scheme)) {
        char schemes[512];
        source_problem(s, true, entry->line, "target", "not a URL that is known, expected %s...",
                       target_schemes(schemes, sizeof schemes));
        k->failed = true;
        return;
    }
    k->key = scheme->key;
    k->value = target_value(k->target, scheme);
    if (k->type != LOOKUP_NONE && (size_t)k->type != type) {
        source_problem(s, true, entry->line, "target", "is of type %s, but type says %s",
                       probe_types[type]->name, probe_types[k->type]->name);
        k->failed = true;
    }
    k->type = (int)type;
}

static int only_bit(uint64_t mask)
{
    return mask && !(mask & (mask - 1)) ? __builtin_ctzll(mask) : LOOKUP_NONE;
}

static int lowest_bit(uint64_t mask)
{
    return mask ? __builtin_ctzll(mask) : LOOKUP_NONE;
}

/* The types of the mask to one of whose URLs the value of such a key belongs; 0: it is none. */
static uint64_t types_of_value(const char *key, const char *value)
{
    char *url;
    size_t type;
    const struct probe_scheme *scheme;
    if (expand(value, &url, NULL) < 0)
        return 0; /* told when the key is set */
    bool known = target_scheme(url, &type, &scheme) && strcmp(scheme->key, key) == 0;
    free(url);
    return known ? UINT64_C(1) << type : 0;
}

/* By the key that names the target, else by keys that only one type has. Where types share the
 * former: the one whose URL it is, or the first of PROBE_TYPES that has all of the keys, so that a
 * file means the same when a type is added. */
static void kind_by_keys(struct kind *k, struct lookup *l, const struct ini_entry *entries,
                         size_t n, struct source *s)
{
    uint64_t named = 0, all = UINT64_MAX, by_value = 0;
    bool unknown = s->lossy;
    for (size_t i = 0; i < n; i++) {
        const struct key_word *w = lookup_word(l, entries[i].key);
        unknown = unknown || (!w && strcmp(entries[i].key, "target") != 0);
        if (!w || !w->types)
            continue;
        named |= w->names_target;
        all &= w->types;
        if (w->names_target && !w->twin)
            by_value |= types_of_value(entries[i].key, entries[i].value);
    }
    if (only_bit(named & by_value) != LOOKUP_NONE)
        named &= by_value;
    k->type = only_bit(named);
    if (k->type == LOOKUP_NONE)
        k->type = named ? lowest_bit(named & all) : only_bit(all);
    if (k->type != LOOKUP_NONE)
        return;
    k->failed = true;
    if (unknown) /* the key that is none, or a line that is, may name the target, and is reported */
        return;
    char types[256];
    list_types(types, sizeof types);
    source_problem(s, true, 0, "type", "%s, expected %s",
                   named ? "the keys name targets of several types" : "not given", types);
}

struct kind kind_find(struct lookup *l, const char *default_type, const struct ini_entry *entries,
                      size_t n, struct source *s)
{
    struct kind k = {.type = LOOKUP_NONE};
    const struct ini_entry *target = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(entries[i].key, "target") == 0 && !target)
            target = &entries[i];
        if (strcmp(entries[i].key, "type") != 0 || k.type != LOOKUP_NONE || k.failed)
            continue;
        char *type;
        if (expand(entries[i].value, &type, NULL) < 0) {
            k.failed = true; /* told when the key is set */
            continue;
        }
        if (*type)
            kind_by_type(&k, type, entries[i].line, s);
        free(type);
    }
    if (target)
        kind_by_target(&k, target, s);
    if (k.type == LOOKUP_NONE && !k.failed && default_type)
        k.type = lookup_type(default_type);
    if (k.type == LOOKUP_NONE && !k.failed && !default_type)
        kind_by_keys(&k, l, entries, n, s);
    return k;
}
