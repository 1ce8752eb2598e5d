/* sets: see sets.h. */
#include "config/sets.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "config/ini_reader.h"
#include "config/redact.h"
#include "config/target.h"
#include "config/value.h"
#include "registry.h"

/* ---- The word ---- */

static bool is_key(const char *text, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    return len > 0 && len <= INI_KEY_MAX && strspn(text, letters) >= len;
}

int sets_parse(const char *word, struct config_set *out, struct err *e)
{
    *out = (struct config_set){0};
    const char *equals = strchr(word, '='), *key = word;
    if (!equals)
        return err_set(e, "expected KEY=VALUE or NAME.KEY=VALUE");
    for (const char *at = word; at < equals; at++)
        key = *at == '.' ? at + 1 : key;
    if (!is_key(key, (size_t)(equals - key)))
        return err_set(e, "not a key before the =, expected KEY=VALUE or NAME.KEY=VALUE");
    if (key > word)
        out->name = str_dup_n(word, (size_t)(key - 1 - word));
    out->key = str_dup_n(key, (size_t)(equals - key));
    out->value = strdup(equals + 1);
    int rc = 0;
    if (!out->key || !out->value || (key > word && !out->name))
        rc = err_set(e, "out of memory");
    else if (out->name && !target_is_name(out->name))
        rc = err_set(e, "not a name before the key, expected NAME.KEY=VALUE; NAME=URL gives a "
                        "target its name");
    if (rc < 0)
        sets_fini_one(out);
    return rc;
}

void sets_fini_one(struct config_set *set)
{
    free(set->name);
    free(set->key);
    free(set->value);
    *set = (struct config_set){0};
}

/* ---- All of them, before any probe is built ---- */

static void problem(struct sets_one *one, struct config_report *report, const char *text)
{
    config_report_add(report, true, NULL, 0, one->option, "%s", text);
    one->failed = true;
}

/* Of several types that have it, the first that the value fits; else the first. */
static const struct probe_key *key_of(const struct lookup *l, const struct key_word *w,
                                      const char *value)
{
    const struct probe_key *first = NULL;
    if (w->common != LOOKUP_NONE)
        return &config_common_keys[w->common];
    for (size_t t = 0; t < l->n_types; t++) {
        const struct probe_key *key = NULL;
        if (w->type[t] != LOOKUP_NONE)
            key = &probe_types[t]->keys[w->type[t]];
        if (key && value_fits(key, value))
            return key;
        first = first ? first : key;
    }
    return first;
}

static void unknown_key(struct sets_one *one, const struct lookup *l, const struct key_word *w,
                        struct config_report *report)
{
    const char *key = one->given->key;
    if (strcmp(key, "target") == 0) {
        problem(one, report, "the target itself says it, expected it there");
        return;
    }
    if (w) {
        problem(one, report, "it belongs to [agent], expected a key of a probe");
        return;
    }
    char *near = config_report_suggests(report) ? lookup_nearest(l, key, false, UINT64_MAX) : NULL;
    char *text = near ? str_format("unknown key, did you mean %s?", near) : NULL;
    problem(one, report, text ? text : "unknown key");
    free(text);
    free(near);
}

static bool is_same(const struct config_set *a, const struct config_set *b)
{
    bool same_name = a->name && b->name ? strcmp(a->name, b->name) == 0 : a->name == b->name;
    return same_name && strcmp(a->key, b->key) == 0;
}

/* Given before: a list grows by it, of all else there is one. -1 out of memory. */
static int join(struct sets *sets, size_t i, const struct probe_key *key,
                struct config_report *report)
{
    struct sets_one *one = &sets->list[i];
    for (size_t k = 0; k < i; k++) {
        struct sets_one *first = &sets->list[k];
        if (first->joined || !is_same(first->given, one->given))
            continue;
        one->joined = true;
        if (key->kind != KEY_LINES && key->kind != KEY_WORDS) {
            problem(one, report, "given twice");
            return 0;
        }
        char *both = str_format("%s\n%s", first->value, one->value);
        if (!both)
            return -1;
        free(first->value);
        first->value = both;
        first->failed = first->failed || one->failed;
        return 0;
    }
    return 0;
}

static void check_value(struct sets_one *one, const struct probe_key *key, bool twin,
                        struct config_report *report)
{
    struct probe_value v;
    struct err e;
    if (strcmp(key->name, "type") == 0) {
        problem(one, report, "the target itself says it, expected it there");
        return;
    }
    if (twin)
        return; /* its file is read with the probe */
    if (redact_holds_secret(key, one->value)) {
        char *text = str_format("every user of the machine can read a secret on the command line, "
                                "expected --set %s%s%s_file=PATH",
                                one->given->name ? one->given->name : "",
                                one->given->name ? "." : "", key->name);
        problem(one, report, text ? text : "out of memory");
        free(text);
        return;
    }
    if (value_parse(&v, key, one->value, &e) < 0)
        problem(one, report, e.text);
    else
        value_fini(&v);
}

static int check_one(struct sets *sets, size_t i, struct lookup *lookup,
                     struct config_report *report)
{
    struct sets_one *one = &sets->list[i];
    const struct key_word *w = lookup_word(lookup, one->given->key);
    const struct probe_key *key = w ? key_of(lookup, w, one->value) : NULL;
    if (!key) {
        unknown_key(one, lookup, w, report);
        return 0;
    }
    check_value(one, key, w->common == LOOKUP_NONE && w->twin, report);
    return join(sets, i, key, report);
}

int sets_init(struct sets *sets, const struct config_set *given, size_t n, struct lookup *lookup,
              struct config_report *report)
{
    *sets = (struct sets){.list = calloc(n + 1, sizeof *sets->list)};
    if (!sets->list)
        return -1;
    for (size_t i = 0; i < n; i++) {
        struct sets_one *one = &sets->list[sets->n++];
        one->given = &given[i];
        snprintf(one->option, sizeof one->option, "--set %.63s%s%.24s",
                 given[i].name ? given[i].name : "", given[i].name ? "." : "", given[i].key);
        if (!(one->value = strdup(given[i].value)) || check_one(sets, i, lookup, report) < 0)
            return -1;
    }
    return 0;
}

void sets_fini(struct sets *sets)
{
    for (size_t i = 0; i < sets->n; i++)
        free(sets->list[i].value);
    free(sets->list);
    *sets = (struct sets){0};
}

/* ---- One probe ---- */

static void set_one(struct sets_one *one, struct table *t, size_t key, bool twin,
                    struct config_report *report, size_t *errors)
{
    struct source s = {.report = report, .section = one->option, .errors = 0};
    struct table_slot *slot = &t->slots[key];
    slot->option = one->option;
    if (one->failed)
        slot->failed = true;
    else
        one->failed = table_set(t, key, one->given->key, twin, one->value, 0, &s) < 0;
    *errors += s.errors;
}

/* What a level below gave is forgotten; but a URL stays what it was made a probe by. */
static void clear(struct table *t, size_t key)
{
    struct table_slot *slot = &t->slots[key];
    if (slot->word && strcmp(slot->word, "target") != 0)
        slot->word = NULL;
}

void sets_apply(struct sets *sets, struct lookup *lookup, const char *name, int type,
                struct table *common, struct table *own, struct config_report *report,
                size_t *errors)
{
    /* Two passes over those without a name, then two over those with one. The first of two forgets
     * what was given before, so that only two settings of the same level contradict each other. */
    for (int pass = 0; pass < 4; pass++)
        for (size_t i = 0; i < sets->n; i++) {
            struct sets_one *one = &sets->list[i];
            const struct config_set *given = one->given;
            bool named = given->name;
            if (one->joined || named != (pass > 1) || (named && strcmp(given->name, name) != 0))
                continue;
            one->met = true;
            const struct key_word *w = lookup_word(lookup, given->key);
            bool mine = type != LOOKUP_NONE && w && w->type[type] != LOOKUP_NONE;
            if (!w || (w->common == LOOKUP_NONE && !mine))
                continue;
            struct table *t = w->common != LOOKUP_NONE ? common : own;
            size_t key = (size_t)(w->common != LOOKUP_NONE ? w->common : w->type[type]);
            one->used = true;
            if (t == own && probe_types[type]->only_configured) {
                problem(one, report, "a key of this type can stand in a configuration only");
                (*errors)++;
                continue;
            }
            if (pass % 2 == 0)
                clear(t, key);
            else
                set_one(one, t, key, t == own && w->twin, report, errors);
        }
}

static void expect_used(struct sets_one *one, struct lookup *lookup, struct config_report *report)
{
    const char *name = one->given->name;
    if (!one->met) {
        char *text = str_format("no target is named %s", name ? name : "");
        if (name)
            problem(one, report, text ? text : "out of memory");
        free(text);
        return;
    }
    char types[120], text[200];
    const struct key_word *w = lookup_word(lookup, one->given->key);
    if (!w)
        return;
    snprintf(text, sizeof text, "%s, it is a key of type %s",
             name ? "the target has no such key" : "no target has such a key",
             lookup_types_of(lookup, w, types, sizeof types));
    problem(one, report, text);
}

void sets_expect_used(struct sets *sets, struct lookup *lookup, struct config_report *report)
{
    for (size_t i = 0; i < sets->n; i++) {
        struct sets_one *one = &sets->list[i];
        if (!one->used && !one->failed && !one->joined)
            expect_used(one, lookup, report);
    }
}
