/* builder: what all checks of one load share, see build.h: tables at their defaults, the values of
 * [defaults], the command line's overrides. A type's tables are made when a check needs them. */
#include <stdio.h>
#include <stdlib.h>

#include "base/str.h"
#include "config/advice.h"
#include "config/build.h"
#include "config/expand.h"
#include "config/hints.h"
#include "config/kind.h"
#include "config/value.h"
#include "registry.h"

static int tables_init(struct builder_tables *t, const struct probe_key *keys, size_t n,
                       struct config_report *report)
{
    struct source s = {.report = report, .section = "built-in keys"};
    if (table_init(&t->plain, keys, n) < 0 || table_init(&t->base, keys, n) < 0 ||
        table_init(&t->scratch, keys, n) < 0 || table_defaults(&t->plain, &s) < 0)
        return -1;
    table_reset(&t->base, &t->plain);
    table_reset(&t->scratch, &t->base);
    return 0;
}

static void tables_fini(struct builder_tables *t)
{
    table_fini(&t->scratch);
    table_fini(&t->base);
    table_fini(&t->plain);
}

int builder_init(struct builder *b, struct config_report *report)
{
    lookup_init(&b->lookup);
    b->report = report;
    b->types = calloc(b->lookup.n_types + 1, sizeof *b->types);
    return b->types ? tables_init(&b->common, config_common_keys, config_n_common_keys, report)
                    : -1;
}

struct builder_tables *builder_type(struct builder *b, size_t type)
{
    struct builder_tables *t = &b->types[type];
    const struct probe_type *its = probe_types[type];
    if (!t->scratch.values && tables_init(t, its->keys, its->n_keys, b->report) < 0) {
        tables_fini(t);
        return NULL;
    }
    return t;
}

void builder_fini(struct builder *b)
{
    tables_fini(&b->common);
    for (size_t i = 0; b->types && i < b->lookup.n_types; i++)
        tables_fini(&b->types[i]);
    free(b->types);
    sets_fini(&b->sets);
    lookup_fini(&b->lookup);
}

/* Can the text be that type's? What else may be wrong with it is told when it is set. */
static bool fits(const struct key_word *w, size_t type, const struct ini_entry *entry)
{
    const struct probe_key *key = &probe_types[type]->keys[w->type[type]];
    char *text;
    if (w->twin || key->flags & KEY_SECRET || expand(entry->value, &text, NULL) < 0)
        return true;
    bool does = value_fits(key, text);
    free(text);
    return does;
}

/* A key of several types is read for each; what is wrong with it is told once. A value that fits
 * some of them is no error before a check of another one would have it. */
static void set_for_types(struct builder *b, const struct key_word *w,
                          const struct ini_entry *entry, struct source *s)
{
    struct source once = *s;
    bool fits_one = false;
    for (size_t t = 0; t < b->lookup.n_types; t++)
        fits_one = fits_one || (w->type[t] != LOOKUP_NONE && fits(w, t, entry));
    for (size_t t = 0; t < b->lookup.n_types; t++) {
        if (w->type[t] == LOOKUP_NONE)
            continue;
        struct builder_tables *own = builder_type(b, t);
        if (!own)
            source_problem(&once, true, entry->line, entry->key, "out of memory");
        else if (once.errors > s->errors)
            own->base.slots[w->type[t]].failed = true;
        else if (fits_one && !fits(w, t, entry))
            own->base.slots[w->type[t]].unfit = entry;
        else
            table_set(&own->base, (size_t)w->type[t], entry->key, w->twin, entry->value,
                      entry->line, &once);
        once.no_warnings = true;
    }
    once.no_warnings = s->no_warnings;
    *s = once;
}

void builder_defaults(struct builder *b, const struct ini_entry *entries, size_t n,
                      struct source *s)
{
    for (size_t i = 0; i < n; i++) {
        const struct ini_entry *entry = &entries[i];
        const struct key_word *w = lookup_word(&b->lookup, entry->key);
        if (w && w->common != LOOKUP_NONE)
            table_set(&b->common.base, (size_t)w->common, entry->key, false, entry->value,
                      entry->line, s);
        else if (w && w->types)
            set_for_types(b, w, entry, s);
        else
            build_unknown_key(b, entry, false, UINT64_MAX, s);
    }
    b->defaults = *s;
    advice_on_timeout(&b->common.base, s);
    const struct probe_value *type = &b->common.base.values[COMMON_TYPE];
    if (type->text && lookup_type(type->text) == LOOKUP_NONE)
        kind_no_type(type->text, type->line, s);
}

void builder_overrides(struct builder *b, const struct config_override *overrides,
                       struct config_report *report)
{
    for (const struct config_override *o = overrides; o && o->key; o++) {
        char option[80];
        snprintf(option, sizeof option, "--%.70s", o->key);
        struct source s = {.report = report, .section = option};
        const struct key_word *w = lookup_word(&b->lookup, o->key);
        struct probe_value v;
        struct err e;
        if (!w || w->common == LOOKUP_NONE)
            source_problem(&s, true, 0, NULL, "not a key of every probe");
        else if (value_parse(&v, &config_common_keys[w->common], o->value, &e) < 0)
            source_problem(&s, true, 0, NULL, "%s", e.text);
        else
            value_fini(&v);
        if (s.errors)
            return;
    }
    b->overrides = overrides;
}

void build_unknown_key(struct builder *b, const struct ini_entry *entry, bool agent, uint64_t types,
                       struct source *s)
{
    const struct key_word *w = lookup_word(&b->lookup, entry->key);
    if (!config_report_suggests(s->report)) {
        source_problem(s, true, entry->line, entry->key, "unknown key");
        return;
    }
    char *near = agent ? NULL : hints_key(&b->lookup, entry->key, types);
    if (!near)
        near = lookup_nearest(&b->lookup, entry->key, agent, types);
    char whose[160] = "";
    if (w)
        lookup_types_of(&b->lookup, w, whose, sizeof whose);
    if (*whose)
        source_problem(s, true, entry->line, entry->key, "unknown key here, it is one of type %s",
                       whose);
    else if (w && w->agent != LOOKUP_NONE)
        source_problem(s, true, entry->line, entry->key, "unknown key here, it belongs to [agent]");
    else if (w && w->common != LOOKUP_NONE)
        source_problem(s, true, entry->line, entry->key,
                       "unknown key here, it belongs to [defaults] or [probe NAME]");
    else if (!agent && hints_is_switch(entry->key))
        source_problem(s, true, entry->line, entry->key,
                       "unknown key; a probe is off where its section is not in the file, and "
                       "reported but not counted with required = no");
    else if (near)
        source_problem(s, true, entry->line, entry->key, "unknown key, did you mean %s?", near);
    else
        source_problem(s, true, entry->line, entry->key, "unknown key");
    free(near);
}
