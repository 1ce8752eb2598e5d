/* value: see value.h. */
#include "config/value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/duration.h"

#define SHOWN_MAX 96

/* The text in quotes for a message, cut; a secret is not shown. */
struct shown {
    char text[SHOWN_MAX];
};

static struct shown show(const struct probe_key *key, const char *text)
{
    struct shown s;
    if (key->flags & (KEY_SECRET | KEY_MAY_HIDE)) {
        snprintf(s.text, sizeof s.text, "the value");
        return s;
    }
    snprintf(s.text, sizeof s.text, "\"%.60s%s\"", text, strlen(text) > 60 ? "..." : "");
    str_printable(s.text, sizeof s.text - 1);
    return s;
}

static void range_of(const struct probe_key *key, int64_t *min, int64_t *max)
{
    bool own = key->min == 0 && key->max == 0;
    *min = key->min;
    *max = own && key->kind == KEY_PERCENT ? 100 : key->max ? key->max : INT64_MAX;
}

/* The bound as one would write it. */
static const char *bound(const struct probe_key *key, int64_t n, char out[DURATION_SIZE])
{
    if (key->kind == KEY_DURATION)
        return duration_format(n, out);
    snprintf(out, DURATION_SIZE, "%" PRId64 "%s", n, key->kind == KEY_PERCENT ? "%" : "");
    return out;
}

static int check_range(const struct probe_key *key, int64_t n, const char *text, struct err *e)
{
    int64_t min, max;
    range_of(key, &min, &max);
    if (n >= min && n <= max)
        return 0;
    char low[DURATION_SIZE], high[DURATION_SIZE];
    if (max == INT64_MAX)
        return err_set(e, "%s is out of range, expected at least %s", show(key, text).text,
                       bound(key, min, low));
    return err_set(e, "%s is out of range, expected %s to %s", show(key, text).text,
                   bound(key, min, low), bound(key, max, high));
}

/* Decimal digits with an optional sign, nothing else, then `rest`. */
static int parse_decimal(const char *text, int64_t *n, const char **rest)
{
    const char *digits = text + (*text == '-' || *text == '+');
    if (*digits < '0' || *digits > '9')
        return -1;
    char *end;
    errno = 0;
    *n = strtoll(text, &end, 10);
    *rest = end;
    return errno ? -1 : 0;
}

static int parse_bool(struct probe_value *v, const char *text)
{
    static const char *const words[] = {"no", "yes", "false", "true", "off", "on", "0", "1"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcasecmp(text, words[i]) == 0) {
            v->num = i % 2;
            return 0;
        }
    return -1;
}

static int parse_int(struct probe_value *v, const struct probe_key *key, const char *text,
                     const char *unit, struct err *e)
{
    const char *rest;
    if (parse_decimal(text, &v->num, &rest) < 0 || strcmp(rest, unit) != 0)
        return err_set(e, "%s is not a %s, expected %s", show(key, text).text,
                       *unit ? "percentage" : "whole number",
                       *unit ? "e.g. 10%" : "decimal digits");
    return check_range(key, v->num, text, e);
}

static int parse_size(struct probe_value *v, const struct probe_key *key, const char *text,
                      struct err *e)
{
    static const struct {
        const char *name;
        int shift;
    } units[] = {{"", 0},   {"B", 0},    {"k", 10}, {"K", 10},  {"KiB", 10},
                 {"M", 20}, {"MiB", 20}, {"G", 30}, {"GiB", 30}};
    const char *rest;
    if (parse_decimal(text, &v->num, &rest) == 0 && v->num >= 0)
        for (size_t i = 0; i < ARRAY_LEN(units); i++)
            if (strcmp(rest, units[i].name) == 0) {
                if (__builtin_mul_overflow(v->num, INT64_C(1) << units[i].shift, &v->num))
                    break;
                return check_range(key, v->num, text, e);
            }
    return err_set(e, "%s is not a size, expected bytes, or a number with k, M or G, e.g. 1MiB",
                   show(key, text).text);
}

static int parse_choice(struct probe_value *v, const struct probe_key *key, const char *text,
                        struct err *e)
{
    size_t n = 0;
    for (; key->choices[n]; n++)
        if (strcmp(text, key->choices[n]) == 0) {
            v->num = (int64_t)n;
            return 0;
        }
    char list[256] = "";
    for (size_t i = 0, at = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s",
                               i == 0       ? ""
                               : i + 1 == n ? " or "
                                            : ", ",
                               key->choices[i]);
    const char *near = str_nearest(text, key->choices, n);
    return err_set(e, "%s is unknown, expected %s%s%s%s", show(key, text).text, list,
                   near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static const char *const blanks = " \t\r\n\v\f";

/* Splits into items without blanks around them; pointers and bytes in one block. */
static int split(struct probe_value *v, const char *text, const char *separators, struct err *e)
{
    size_t len = strlen(text), max = 1;
    for (const char *p = text; *p; p++)
        max += strchr(separators, *p) != NULL;
    char **lines = malloc(max * sizeof *lines + len + 1);
    if (!lines)
        return err_set(e, "out of memory");
    char *bytes = (char *)(lines + max);
    memcpy(bytes, text, len + 1);
    v->lines = lines;
    for (char *p = bytes, *end = bytes + len; p < end;) {
        size_t n = strcspn(p, separators);
        p[n] = '\0';
        char *item = p + strspn(p, blanks);
        size_t item_len = strlen(item);
        while (item_len && strchr(blanks, item[item_len - 1]))
            item[--item_len] = '\0';
        if (item_len)
            lines[v->n_lines++] = item;
        p += n + 1;
    }
    return 0;
}

static int parse_kind(struct probe_value *v, const struct probe_key *key, const char *text,
                      struct err *e)
{
    struct err why;
    switch (key->kind) {
    case KEY_TEXT:
    case KEY_FILE:
        return 0;
    case KEY_BOOL:
        if (parse_bool(v, text) == 0)
            return 0;
        return err_set(e, "%s is neither yes nor no", show(key, text).text);
    case KEY_INT:
        return parse_int(v, key, text, "", e);
    case KEY_PERCENT:
        return parse_int(v, key, text, "%", e);
    case KEY_SIZE:
        return parse_size(v, key, text, e);
    case KEY_CHOICE:
        return parse_choice(v, key, text, e);
    case KEY_DURATION:
        if (duration_parse(text, &v->num, &why) < 0)
            return err_set(e, "%s: %s, expected a duration such as 500ms, 5s or 1m30s",
                           show(key, text).text, why.text);
        return check_range(key, v->num, text, e);
    case KEY_WORDS:
        return split(v, text, ", \t\r\n\v\f", e);
    case KEY_LINES:
        return split(v, text, "\n", e);
    }
    return err_set(e, "unknown kind of key");
}

static bool is_number(const struct probe_key *key)
{
    return key->kind == KEY_INT || key->kind == KEY_DURATION || key->kind == KEY_SIZE ||
           key->kind == KEY_PERCENT;
}

/* What the tables of the manual call `off`, `any` and `none`. */
static bool means_unset(const struct probe_key *key, const char *text)
{
    if (key->def)
        return false;
    if (!*text)
        return true;
    return is_number(key) &&
           (strcmp(text, "off") == 0 || strcmp(text, "any") == 0 || strcmp(text, "none") == 0);
}

bool value_has_comment(const char *text)
{
    for (const char *p = text; *p; p++)
        if ((*p == ' ' || *p == '\t') && (p[1] == '#' || p[1] == ';'))
            return true;
    return false;
}

int value_parse(struct probe_value *v, const struct probe_key *key, const char *text, struct err *e)
{
    *v = (struct probe_value){0};
    if (means_unset(key, text))
        return 0;
    if (!*text && key->kind != KEY_TEXT && key->kind != KEY_WORDS && key->kind != KEY_LINES)
        return err_set(e, "no value; the default is %s", key->def);
    if (parse_kind(v, key, text, e) < 0) {
        value_fini(v);
        struct err why = e ? *e : (struct err){0};
        return value_has_comment(text)
                   ? err_set(e, "%s; a comment needs a line of its own", why.text)
                   : -1;
    }
    v->text = strdup(text);
    if (!v->text) {
        value_fini(v);
        return err_set(e, "out of memory");
    }
    return 0;
}

bool value_fits(const struct probe_key *key, const char *text)
{
    struct probe_value v;
    if (value_parse(&v, key, text, NULL) < 0)
        return false;
    value_fini(&v);
    return true;
}

void value_fini(struct probe_value *v)
{
    free((char *)v->text);
    free(v->lines);
    free(v->file);
    str_wipe(v->inserted);
    *v = (struct probe_value){0};
}

int value_copy(struct probe_value *to, const struct probe_value *from)
{
    *to = *from;
    to->text = NULL;
    to->lines = NULL;
    to->file = NULL;
    to->inserted = NULL;
    to->n_lines = 0;
    struct buf joined;
    buf_init(&joined, SIZE_MAX / 2);
    for (size_t i = 0; i < from->n_lines; i++)
        buf_printf(&joined, "%s\n", from->lines[i]);
    bool ok = !joined.failed;
    if (from->text)
        ok = ok && (to->text = strdup(from->text));
    if (from->file)
        ok = ok && (to->file = strdup(from->file));
    if (from->n_lines)
        ok = ok && split(to, joined.data, "\n", NULL) == 0;
    buf_fini(&joined);
    if (!ok)
        value_fini(to);
    return ok ? 0 : -1;
}

bool value_equal(const struct probe_key *key, const struct probe_value *a,
                 const struct probe_value *b)
{
    if (!a->text || !b->text)
        return !a->text && !b->text;
    if (is_number(key) || key->kind == KEY_BOOL || key->kind == KEY_CHOICE)
        return a->num == b->num;
    if (key->kind != KEY_WORDS && key->kind != KEY_LINES)
        return strcmp(a->text, b->text) == 0;
    if (a->n_lines != b->n_lines)
        return false;
    for (size_t i = 0; i < a->n_lines; i++)
        if (strcmp(a->lines[i], b->lines[i]) != 0)
            return false;
    return true;
}
