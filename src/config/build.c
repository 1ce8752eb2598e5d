/* build: see build.h. The type first, since it says which keys there are; then every key, the
 * overrides, what only several keys together show, and the type's own checks. */
#include "config/build.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"
#include "config/advice.h"
#include "config/hints.h"
#include "config/kind.h"
#include "config/labels.h"
#include "config/mask.h"
#include "config/names.h"
#include "config/shown.h"
#include "config/target.h"
#include "config/value.h"
#include "registry.h"

struct probe_report {
    struct source *source;
    const struct probe_type *type;
    struct table *table;
    const struct table *plain; /* the type's own defaults */
    bool unknown;      /* the section has keys that are none: any that is not given may be meant */
    bool partial;      /* some are missing, so what is unwise cannot be said */
    struct buf *files; /* those of probe_file, for the fingerprint */
};

static bool names_target(const struct probe_report *r, size_t key)
{
    for (const struct probe_scheme *s = r->type->schemes; s && s->prefix; s++)
        if (strcmp(s->key, r->table->keys[key].name) == 0)
            return true;
    return false;
}

/* What the type says of a URL of another type is not what helps: which key takes it, does. */
static void add_hint(const struct probe_report *r, size_t key, const char *value, char *text,
                     size_t size)
{
    size_t type, len = strlen(text);
    const struct probe_scheme *s;
    const struct probe_key *k = &r->table->keys[key];
    if (names_target(r, key) && target_scheme(value, &type, &s) && probe_types[type] != r->type)
        snprintf(text, size,
                 s->strip ? "%s is of type %s, expected target = %s... or %s = what follows it"
                          : "%s is of type %s, expected target = %s... or %s = with it",
                 s->prefix, probe_types[type]->name, s->prefix, s->key);
    else if (r->source->file && k->kind == KEY_TEXT && !(k->flags & KEY_SECRET) &&
             value_has_comment(value))
        snprintf(text + len, size - len, "; a comment needs a line of its own");
}

static void report_add(struct probe_report *r, bool is_error, size_t key, const char *fmt,
                       va_list ap)
{
    char text[768];
    const char *value = key < r->table->n ? r->table->values[key].text : NULL;
    if (!is_error && r->partial)
        return;
    vsnprintf(text, sizeof text, fmt, ap);
    if (is_error && value)
        add_hint(r, key, value, text, sizeof text);
    char *shown = mask_apply_url(value ? value : "", strdup(text));
    const char *words = shown ? shown : "out of memory";
    if (key < r->table->n)
        table_problem(r->table, key, r->source, is_error, "%s", words);
    else
        source_problem(r->source, is_error, 0, NULL, "%s", words);
    free(shown);
}

void probe_error(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, true, key, fmt, ap);
    va_end(ap);
}

void probe_warn(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, false, key, fmt, ap);
    va_end(ap);
}

bool probe_is_missing(const struct probe_report *r, size_t key)
{
    return r->table->slots[key].failed || (r->unknown && !r->table->values[key].given);
}

bool probe_leave_out(struct probe_report *r, size_t key)
{
    struct table *t = r->table;
    if (t->slots[key].owned || !t->values[key].given)
        return false;
    t->values[key] = r->plain->values[key];
    return true;
}

bool probe_file(struct probe_report *r, const char *path)
{
    struct config_report *all = r->source->report;
    config_report_add_file(all, path);
    build_add_file(r->files, path);
    return !all->lint || access(path, R_OK) == 0;
}

/* ---- The keys ---- */

/* False for a key that is none of this probe's. */
static bool set_entry(struct builder *b, const struct kind *k, const struct ini_entry *entry,
                      struct source *s)
{
    const struct key_word *w = lookup_word(&b->lookup, entry->key);
    uint64_t mine = k->type == LOOKUP_NONE ? UINT64_MAX : UINT64_C(1) << k->type;
    if (w && w->common != LOOKUP_NONE)
        table_set(&b->common.scratch, (size_t)w->common, entry->key, false, entry->value,
                  entry->line, s);
    else if (!w || !(w->types & mine))
        build_unknown_key(b, entry, false, mine, s);
    else if (k->type != LOOKUP_NONE)
        table_set(&b->types[k->type].scratch, (size_t)w->type[k->type], entry->key, w->twin,
                  entry->value, entry->line, s);
    return w && (w->common != LOOKUP_NONE || w->types & mine);
}

/* False where it does not say what is probed. */
static bool set_target(struct builder *b, const struct kind *k, const struct ini_entry *entry,
                       struct source *s)
{
    if (entry->line != k->line) {
        source_problem(s, true, entry->line, "target", "given twice, first on line %d", k->line);
        return true;
    }
    const struct key_word *w = k->key ? lookup_word(&b->lookup, k->key) : NULL;
    if (!w || k->failed)
        return false;
    s->literal = k->expanded;
    int rc = table_set(&b->types[k->type].scratch, (size_t)w->type[k->type], "target", false,
                       k->value, entry->line, s);
    s->literal = false;
    return rc == 0;
}

/* Sets all keys of the section; false if it is not known of all what they are. */
static bool set_all(struct builder *b, const struct kind *k, const struct ini_entry *entries,
                    size_t n, struct source *s)
{
    bool all_known = !s->lossy;
    for (size_t i = 0; i < n; i++) {
        bool known = strcmp(entries[i].key, "target") == 0 ? set_target(b, k, &entries[i], s)
                                                           : set_entry(b, k, &entries[i], s);
        all_known = all_known && known;
    }
    return all_known;
}

static void set_overrides(struct builder *b, struct source *s)
{
    for (const struct config_override *o = b->overrides; o && o->key; o++) {
        const struct key_word *w = lookup_word(&b->lookup, o->key);
        struct table *t = &b->common.scratch;
        struct source option = {.report = s->report, .section = o->key};
        t->slots[w->common].word = NULL;
        table_set(t, (size_t)w->common, o->key, false, o->value, 0, &option);
    }
}

/* Values of [defaults] that are other types' stand here: an error there, told once. */
static void expect_fit(struct builder *b, struct builder_tables *own)
{
    for (size_t k = 0; k < own->base.n; k++) {
        struct table_slot *slot = &own->scratch.slots[k];
        const struct ini_entry *entry = slot->unfit;
        if (!entry || slot->word)
            continue;
        own->base.slots[k].unfit = NULL;
        table_set(&own->base, k, entry->key, false, entry->value, entry->line, &b->defaults);
        slot->failed = true;
    }
}

static void check_required(const struct probe_report *r)
{
    const struct table *t = r->table;
    for (size_t k = 0; k < t->n; k++) {
        const struct probe_value *v = &t->values[k];
        bool twin = t->keys[k].flags & (KEY_SECRET | KEY_MAY_HIDE);
        if (!(t->keys[k].flags & KEY_REQUIRED) || (v->text && *v->text) || probe_is_missing(r, k))
            continue;
        source_problem(r->source, true, v->line, t->keys[k].name, "%s, expected it%s%s%s here",
                       v->given ? "has no value" : "not given", twin ? " or " : "",
                       twin ? t->keys[k].name : "", twin ? "_file" : "");
    }
}

/* ---- The policy ---- */

static void fill_policy(struct check_conf *c, const struct probe_value *v)
{
    c->policy = (struct health_policy){
        .interval = v[COMMON_INTERVAL].num,
        .timeout = v[COMMON_TIMEOUT].num,
        .start_period = v[COMMON_START_PERIOD].num,
        .start_interval = v[COMMON_START_INTERVAL].num,
        .fail_interval = v[COMMON_FAIL_INTERVAL].num,
        .initial_delay = v[COMMON_INITIAL_DELAY].num,
        .retries = (uint32_t)v[COMMON_RETRIES].num,
        .success_threshold = (uint32_t)v[COMMON_SUCCESS_THRESHOLD].num,
        .jitter_percent = (uint32_t)v[COMMON_JITTER].num,
    };
    c->required = v[COMMON_REQUIRED].num;
    c->history = v[COMMON_HISTORY].num;
    c->warn_after = v[COMMON_WARN_AFTER].num;
    c->timeout_given = v[COMMON_TIMEOUT].given;
}

static void fill_levels(struct check_conf *c, const struct table *t, struct source *s)
{
    const struct probe_value *v = &t->values[COMMON_LEVEL];
    for (size_t i = 0; i < v->n_lines; i++) {
        if (strcmp(v->lines[i], "alive") == 0)
            c->levels |= LEVEL_ALIVE;
        else if (strcmp(v->lines[i], "ready") == 0)
            c->levels |= LEVEL_READY;
        else if (strcmp(v->lines[i], "both") == 0)
            c->levels |= LEVEL_ALIVE | LEVEL_READY;
        else
            table_problem(t, COMMON_LEVEL, s, true,
                          "\"%.60s\" is unknown, expected alive, ready or both", v->lines[i]);
    }
    if (!v->n_lines)
        table_problem(t, COMMON_LEVEL, s, true, "has no value, expected alive, ready or both");
}

/* -1 out of memory. That the names exist is checked once all are known. */
static int fill_after(struct check_conf *c, const struct table *t, struct source *s)
{
    const struct probe_value *v = &t->values[COMMON_AFTER];
    if (!v->n_lines || (v->n_lines == 1 && strcmp(v->lines[0], "none") == 0))
        return 0;
    struct names seen;
    names_init(&seen);
    c->after = calloc(v->n_lines, sizeof *c->after);
    int rc = c->after ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < v->n_lines; i++) {
        if (names_get(&seen, v->lines[i]) != NAMES_NONE)
            continue;
        if (strcmp(v->lines[i], c->name) == 0) {
            table_problem(t, COMMON_AFTER, s, true, "names this probe itself");
            continue;
        }
        char *name = strdup(v->lines[i]);
        rc = name ? names_put(&seen, v->lines[i], 0) : -1;
        if (name)
            c->after[c->n_after++] = name;
    }
    names_fini(&seen);
    return rc;
}

/* ---- The check ---- */

/* NULL out of memory. */
static char *settings_of(const struct table *common, const struct table *own, const char *type)
{
    struct buf b;
    buf_init(&b, SIZE_MAX / 2);
    buf_printf(&b, "type = %s\n", type);
    shown_add_given(&b, own->keys, own->values, own->n);
    shown_add_given(&b, common->keys + 1, common->values + 1, common->n - 1); /* not its type */
    return buf_take(&b);
}

static void prepare(struct check_conf *c, struct builder_tables *tables, bool all_known,
                    struct source *s, struct buf *files)
{
    struct table *own = &tables->scratch;
    struct probe_report report = {.source = s,
                                  .type = c->type,
                                  .table = own,
                                  .plain = &tables->plain,
                                  .unknown = !all_known,
                                  .files = files};
    report.partial = report.unknown;
    for (size_t k = 0; k < own->n; k++)
        report.partial = report.partial || own->slots[k].failed;
    check_required(&report);
    c->conf = c->type->prepare(own->values, &report, &c->target);
    if (!c->conf && !s->errors && !report.partial)
        source_problem(s, true, 0, NULL, "cannot be used: out of memory");
    for (size_t k = 0; c->conf && k < own->n; k++)
        if (s->file && !own->values[k].file && own->values[k].given && own->values[k].text &&
            names_target(&report, k) && value_has_comment(own->values[k].text))
            probe_warn(&report, k,
                       "what follows the blank is part of the value: a comment needs a "
                       "line of its own");
    if (c->target)
        str_printable(c->target, strlen(c->target)); /* a path may hold any byte */
}

/* 0, or -1 out of memory; what is wrong with the settings is counted in the source. */
static int fill(struct builder *b, struct check_conf *c, struct builder_tables *own,
                const struct kind *k, bool all_known, struct source *s)
{
    const struct table *common = &b->common.scratch;
    fill_policy(c, common->values);
    fill_levels(c, common, s);
    advice_on_start_interval(common, s);
    advice_on_timeout(common, s);
    advice_on_warn_after(common, s);
    if (fill_after(c, common, s) < 0 ||
        labels_read(&c->labels, &common->values[COMMON_LABELS], s) < 0)
        return -1;
    if (!own)
        return 0; /* its type is not known, which is reported */
    struct buf files;
    buf_init(&files, SIZE_MAX / 2);
    if (!k->failed)
        prepare(c, own, all_known, s, &files);
    c->fingerprint = s->errors ? NULL : build_fingerprint(&b->common, own, c->type->name, &files);
    buf_fini(&files);
    if (s->errors)
        return 0;
    if (!c->fingerprint)
        return -1;
    if (!c->target && !(c->target = strdup(c->name)))
        return -1;
    const struct table *mine = &own->scratch;
    if (mask_init(&c->mask, mine->keys, mine->values, mine->n) < 0)
        return -1;
    if (b->keep_settings && !(c->settings = settings_of(common, mine, c->type->name)))
        return -1;
    if (!b->keep_values)
        return 0;
    if (table_copy(common, &c->common) < 0 || table_copy(mine, &c->values) < 0)
        return -1;
    const char **type = &c->common[COMMON_TYPE].text;
    return *type || (*type = strdup(c->type->name)) ? 0 : -1;
}

static struct check_conf *new_check(const char *name, const struct probe_type *type)
{
    struct check_conf *c = calloc(1, sizeof *c);
    if (!c || !(c->name = strdup(name))) {
        free(c);
        return NULL;
    }
    c->refs = 1;
    c->type = type;
    return c;
}

struct check_conf *build_check(struct builder *b, const char *name, const struct ini_entry *entries,
                               size_t n, struct source *s)
{
    struct kind k = kind_find(&b->lookup, b->common.base.values[COMMON_TYPE].text, entries, n, s);
    table_reset(&b->common.scratch, &b->common.base);
    struct builder_tables *own = NULL;
    if (k.type != LOOKUP_NONE) {
        own = builder_type(b, (size_t)k.type);
        if (!own) {
            source_problem(s, true, 0, NULL, "out of memory");
            free(k.target);
            return NULL;
        }
        table_reset(&own->scratch, &own->base);
    }
    bool all_known = set_all(b, &k, entries, n, s);
    if (!s->no_sets)
        sets_apply(&b->sets, &b->lookup, name, k.type, &b->common.scratch,
                   own ? &own->scratch : NULL, s->report, &s->errors);
    set_overrides(b, s);
    if (own)
        expect_fit(b, own);
    struct check_conf *c = new_check(name, own ? probe_types[k.type] : NULL);
    if (!c || fill(b, c, own, &k, all_known, s) < 0)
        source_problem(s, true, 0, NULL, "out of memory");
    free(k.target);
    return c;
}
