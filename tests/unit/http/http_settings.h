/* http_settings: settings of a type, http unless SETTINGS_TYPE says another, out of pairs of text,
 * as the configuration would hand them to it. Included by one file a program. */
#ifndef TEST_HTTP_SETTINGS_H
#define TEST_HTTP_SETTINGS_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "probe.h"

#ifndef SETTINGS_TYPE
#define SETTINGS_TYPE probe_type_http
#endif

extern const struct probe_type SETTINGS_TYPE;

struct probe_report {
    char text[4096];
    int errors, warnings;
};

static void report_add(struct probe_report *report, size_t key, const char *fmt, va_list ap)
{
    size_t used = strlen(report->text);
    used += (size_t)snprintf(report->text + used, sizeof report->text - used,
                             "%s: ", SETTINGS_TYPE.keys[key].name);
    used += (size_t)vsnprintf(report->text + used, sizeof report->text - used, fmt, ap);
    snprintf(report->text + used, sizeof report->text - used, "\n");
}

void probe_error(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, key, fmt, ap);
    va_end(ap);
    report->errors++;
}

void probe_warn(struct probe_report *report, size_t key, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    report_add(report, key, fmt, ap);
    va_end(ap);
    report->warnings++;
}

/* Each setting of these tests is as given. */
bool probe_is_missing(const struct probe_report *report, size_t key)
{
    (void)report;
    (void)key;
    return false;
}

/* There is no [defaults]. */
bool probe_leave_out(struct probe_report *report, size_t key)
{
    (void)report;
    (void)key;
    return false;
}

static void value_lines(struct probe_value *v)
{
    for (const char *p = v->text; *p;) {
        size_t n = strcspn(p, "\n");
        v->lines = realloc(v->lines, (v->n_lines + 1) * sizeof *v->lines);
        v->lines[v->n_lines++] = str_dup_n(p, n);
        p += n + (p[n] == '\n');
    }
}

static void value_set(struct probe_value *v, const struct probe_key *key, const char *text)
{
    v->text = text;
    char *unit;
    switch (key->kind) {
    case KEY_BOOL:
        v->num = strcmp(text, "yes") == 0;
        break;
    case KEY_CHOICE:
        while (strcmp(key->choices[v->num], text) != 0)
            v->num++;
        break;
    case KEY_INT:
    case KEY_SIZE:
        v->num = strtoll(text, &unit, 10);
        v->num <<= strcmp(unit, "MiB") == 0 ? 20 : strcmp(unit, "KiB") == 0 ? 10 : 0;
        break;
    case KEY_LINES:
        value_lines(v);
        break;
    default:
        break;
    }
}

/* Pairs of key and value, ended by NULL; NULL when refused, with the report filled. */
static void *make_conf(const char *const *pairs, struct probe_report *report, char **target)
{
    const struct probe_type *type = &SETTINGS_TYPE;
    struct probe_value *values = calloc(type->n_keys, sizeof *values);
    memset(report, 0, sizeof *report);
    *target = NULL;
    for (size_t k = 0; k < type->n_keys; k++) {
        const char *text = type->keys[k].def;
        for (size_t i = 0; pairs[i]; i += 2)
            if (strcmp(pairs[i], type->keys[k].name) == 0) {
                text = pairs[i + 1];
                values[k].given = true;
            }
        if (text)
            value_set(&values[k], &type->keys[k], text);
    }
    void *conf = type->prepare(values, report, target);
    for (size_t k = 0; k < type->n_keys; k++) {
        for (size_t i = 0; i < values[k].n_lines; i++)
            free(values[k].lines[i]);
        free(values[k].lines);
    }
    free(values);
    return conf;
}

#endif
