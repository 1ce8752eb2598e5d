/* table: see table.h. */
#include "config/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "config/expand.h"
#include "config/redact.h"
#include "config/secret.h"
#include "config/value.h"

void source_problem(struct source *s, bool is_error, int line, const char *key, const char *fmt,
                    ...)
{
    if (is_error)
        s->errors++;
    else if (s->no_warnings)
        return;
    char text[1024], where[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    bool with_key = key && s->file;
    snprintf(where, sizeof where, "%.180s%s%.64s", s->section, with_key ? "." : "",
             with_key ? key : "");
    config_report_add(s->report, is_error, s->file, line ? line : s->line, where, "%s", text);
}

void source_expect_safe(struct source *s, int line, const char *key, const char *path)
{
    struct err e;
    if (!s->no_warnings && !s->report->lint && file_expect_safe(path, &e) < 0)
        source_problem(s, false, line, key, "others can change %.200s: %s", path, e.text);
}

void table_problem(const struct table *t, size_t key, struct source *s, bool is_error,
                   const char *fmt, ...)
{
    char text[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const char *option = t->slots[key].option;
    if (option && config_report_has(s->report, option, text)) {
        s->errors += is_error; /* told of another target that it was meant for */
        return;
    }
    struct source of_option = {
        .report = s->report, .section = option, .no_warnings = s->no_warnings};
    source_problem(option ? &of_option : s, is_error, t->values[key].line, t->keys[key].name, "%s",
                   text);
    s->errors += of_option.errors;
}

int table_init(struct table *t, const struct probe_key *keys, size_t n)
{
    *t = (struct table){.keys = keys, .n = n};
    t->values = calloc(n + 1, sizeof *t->values);
    t->slots = calloc(n + 1, sizeof *t->slots);
    return t->values && t->slots ? 0 : -1;
}

int table_defaults(struct table *t, struct source *s)
{
    int rc = 0;
    for (size_t k = 0; k < t->n; k++) {
        const struct probe_key *key = &t->keys[k];
        struct err e;
        t->slots[k].owned = true;
        if (key->def && value_parse(&t->values[k], key, key->def, &e) < 0) {
            source_problem(s, true, 0, key->name, "its default: %s", e.text);
            rc = -1;
        }
    }
    return rc;
}

void table_fini(struct table *t)
{
    for (size_t k = 0; t->values && t->slots && k < t->n; k++)
        if (t->slots[k].owned)
            value_fini(&t->values[k]);
    free(t->values);
    free(t->slots);
    *t = (struct table){0};
}

void table_reset(struct table *t, const struct table *base)
{
    for (size_t k = 0; k < t->n; k++) {
        if (t->slots[k].owned)
            value_fini(&t->values[k]);
        t->slots[k] =
            (struct table_slot){.failed = base->slots[k].failed, .unfit = base->slots[k].unfit};
        t->values[k] = base->values[k];
    }
}

int table_copy(const struct table *t, struct probe_value **out)
{
    *out = calloc(t->n + 1, sizeof **out);
    if (!*out)
        return -1;
    for (size_t k = 0; k < t->n; k++)
        if (value_copy(&(*out)[k], &t->values[k]) < 0)
            return -1;
    return 0;
}

/* Does it want a ${file:...} that is not here? */
static bool lacks_file(const char *text)
{
    static const char open[] = "${file:";
    bool lacks = false;
    for (const char *at = text; !lacks && (at = strstr(at, open));) {
        at += sizeof open - 1;
        char *path = str_dup_n(at, strcspn(at, "}"));
        lacks = path && access(path, R_OK) < 0;
        free(path);
    }
    return lacks;
}

static char *expand_value(struct source *s, const char *key, int line, const char *text,
                          const struct expand_files *files)
{
    struct err e;
    char *out;
    if (!s->file || s->literal) {
        if (!(out = strdup(text)))
            source_problem(s, true, line, key, "out of memory");
        return out;
    }
    if (s->report->lint && lacks_file(text))
        return NULL;
    if (expand_with_files(text, files, &out, &e) == 0)
        return out;
    source_problem(s, true, line, key, "%s", e.text);
    return NULL;
}

char *source_expand(struct source *s, const char *key, int line, const char *text)
{
    return expand_value(s, key, line, text, NULL);
}

/* The secrets that ${file:...} puts into one value. */
struct inserted {
    struct source *s;
    const char *word;
    int line;
    char *text; /* one a line; NULL: none yet */
};

static int on_file(void *owner, const char *path, const char *content)
{
    struct inserted *i = owner;
    char *more = str_format("%s%s%s", i->text ? i->text : "", i->text ? "\n" : "", content);
    str_wipe(i->text);
    i->text = more;
    config_report_add_file(i->s->report, path);
    source_expect_safe(i->s, i->line, i->word, path);
    return more ? 0 : -1;
}

/* Each item of a value that is a secret and stands in the file itself. */
static void warn_of_secret(const struct probe_key *key, const struct probe_value *v,
                           const char *word, struct source *s)
{
    if (v->text && strcmp(key->name, "command") == 0 && redact_is_telling_command(v->text))
        source_problem(s, false, v->line, word,
                       "an argument is named like a secret, and everybody can read arguments, "
                       "expected it in the file of env_file");
    bool found = v->text && !v->n_lines && redact_holds_secret(key, v->text);
    for (size_t i = 0; i < v->n_lines; i++)
        found = found || redact_holds_secret(key, v->lines[i]);
    if (!found)
        return;
    s->has_secret = true;
    source_problem(s, false, v->line, word,
                   "a secret is written in the file, expected %s_file "
                   "with the path of a file that holds it",
                   key->name);
}

/* Parses the expanded text, or what is in the file that it names. `shown` is that name for a
 * message: where a path is expected a slip may have put the secret itself. */
static int parse_final(struct probe_value *v, const struct probe_key *key, bool twin,
                       const char *text, const char *shown, struct err *e)
{
    if (!twin || !*text)
        return value_parse(v, key, text, e);
    char *content;
    if (secret_read(text, shown, &content, e) < 0)
        return -1;
    int rc = value_parse(v, key, content, e);
    str_wipe(content);
    if (rc == 0 && !(v->file = strdup(text))) {
        value_fini(v);
        rc = err_set(e, "out of memory");
    }
    return rc;
}

static int make_value(struct probe_value *v, const struct probe_key *key, const char *word,
                      bool twin, const char *text, int line, struct source *s)
{
    struct err e;
    struct inserted inserted = {.s = s, .word = word, .line = line};
    const struct expand_files files = {
        .escapes = key->flags & KEY_ESCAPES, .on_file = on_file, .owner = &inserted};
    bool may_insert = !twin && (key->flags & KEY_SECRET);
    char *expanded = expand_value(s, word, line, text, may_insert ? &files : NULL);
    if (!expanded) {
        str_wipe(inserted.text);
        return -1;
    }
    bool names_file = *expanded && (twin || key->kind == KEY_FILE);
    if (names_file)
        config_report_add_file(s->report, expanded);
    if (names_file && s->report->lint && access(expanded, R_OK) < 0) {
        str_wipe(inserted.text);
        free(expanded);
        return -1;
    }
    bool literal = strcmp(text, expanded) == 0;
    const char *shown = !literal ? text : strchr(text, '/') ? text : "the file of that name";
    int rc = parse_final(v, key, twin, expanded, shown, &e);
    if (rc < 0) {
        source_problem(s, true, line, word, "%s", e.text);
        str_wipe(inserted.text);
    } else {
        v->inserted = inserted.text;
        v->given = true;
        v->line = line;
        if (s->file && !s->literal && !twin && literal)
            warn_of_secret(key, v, word, s);
        if (*expanded && (twin || key->kind == KEY_FILE))
            source_expect_safe(s, line, word, expanded);
    }
    free(expanded);
    return rc;
}

int table_set(struct table *t, size_t key, const char *word, bool twin, const char *text, int line,
              struct source *s)
{
    struct table_slot *slot = &t->slots[key];
    if (slot->word && strcmp(slot->word, word) == 0) {
        source_problem(s, true, line, word, "given twice, first on line %d", slot->line);
        return -1;
    }
    if (slot->word) {
        source_problem(s, true, line, word, "%s and %s are both given, expected one of them",
                       slot->word, word);
        return -1;
    }
    slot->word = word;
    slot->line = line;
    struct probe_value v;
    slot->failed = make_value(&v, &t->keys[key], word, twin, text, line, s) < 0;
    if (slot->failed)
        return -1;
    if (slot->owned)
        value_fini(&t->values[key]);
    slot->owned = true;
    t->values[key] = v;
    return 0;
}
