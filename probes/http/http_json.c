/* http_json: expect_json: the values that RFC 6901 pointers lead to, read in place: a hostile body
 * costs one pass and no memory. */
#include "http/http_json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/jsonr.h"
#include "base/jsonw.h"
#include "base/str.h"

#define SHOWN_MAX 80

/* A number for C that JSON does not have is a slip: 01, 1., .5, +1. */
static bool is_number_of_c(const char *value)
{
    char *end;
    if (strspn(value, "0123456789+-.eE") < strlen(value) || !strpbrk(value, "0123456789"))
        return false;
    strtod(value, &end);
    return !*end;
}

/* The value as JSON: a bare word is a string. NULL with the words. */
static char *value_of(const char *value, struct err *e)
{
    struct err why;
    switch (jsonr_find(value, strlen(value), NULL, 0, &why)) {
    case JSONR_FOUND:
        return strdup(value);
    case JSONR_TOO_COSTLY:
        err_set(e, "the value is too long");
        return NULL;
    case JSONR_NOT_JSON:
        break;
    }
    if (*value && (strchr("\"{['", *value) || is_number_of_c(value))) {
        err_set(e, "the value %.80s is not JSON: %s; for a text, write it in double quotes", value,
                *value == '\'' ? "strings are in double quotes"
                               : why.text + strcspn(why.text, ":") + 2);
        return NULL;
    }
    struct buf quoted;
    buf_init(&quoted, 8 * strlen(value) + 3);
    for (const char *p = value; *p;) {
        uint32_t c;
        size_t n = str_utf8_char(p, 4, &c);
        if (!n) {
            err_set(e, "the value %.80s is not UTF-8", value);
            buf_fini(&quoted);
            return NULL;
        }
        p += n;
    }
    jsonw_quote(&quoted, value);
    return buf_take(&quoted);
}

int json_rule_parse(struct json_rule *rule, const char *line, struct err *e)
{
    *rule = (struct json_rule){0};
    const char *eq = strstr(line, " = ");
    if (!eq)
        eq = strchr(line, '=');
    else
        eq++;
    if (!eq)
        return err_set(e, "'%s' is not of the form /json/pointer = value", line);
    size_t len = (size_t)(eq - line);
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    const char *value = eq + 1;
    while (isspace((unsigned char)*value))
        value++;

    err_set(e, "out of memory");
    rule->pointer = str_dup_n(line, len);
    if (rule->pointer && !jsonr_pointer_ok(rule->pointer))
        err_set(e, "'%s' is not a JSON pointer: expected /name/0/name, with ~1 for / and ~0 for ~",
                rule->pointer);
    else if (rule->pointer && (rule->value = value_of(value, e)))
        return 0;
    json_rule_fini(rule);
    return -1;
}

void json_rule_fini(struct json_rule *rule)
{
    free(rule->pointer);
    free(rule->value);
    *rule = (struct json_rule){0};
}

/* A long value is not shown where it might be an echo of a secret: masking needs all of it. */
static enum reason wrong_value(const char *where, const struct jsonr_path *found,
                               const char *expected, bool quiet, struct err *e)
{
    char is[SHOWN_MAX];
    bool whole = jsonr_compact(found->value, found->len, is, sizeof is);
    if (quiet && !whole)
        err_set(e, "JSON %s is something else than %s", where, expected);
    else
        err_set(e, "JSON %s is %s, expected %s", where, is, expected);
    return REASON_MISMATCH;
}

static enum reason check_rule(const struct json_rule *rule, const struct jsonr_path *found,
                              bool quiet, struct err *e)
{
    const char *where = *rule->pointer ? rule->pointer : "(the whole document)";
    char expected[SHOWN_MAX];
    size_t len = strlen(rule->value);
    jsonr_compact(rule->value, len, expected, sizeof expected);
    if (!found->value) {
        err_set(e, "JSON %s is missing, expected %s", where, expected);
        return REASON_MISMATCH;
    }
    switch (jsonr_compare(rule->value, len, found->value, found->len)) {
    case JSONR_EQUAL:
        return REASON_OK;
    case JSONR_DIFFERENT:
        return wrong_value(where, found, expected, quiet, e);
    case JSONR_HARD:
        break;
    }
    err_set(e, "cannot tell whether JSON %s is %s: it takes too long to compare", where, expected);
    return REASON_INTERNAL;
}

static enum reason not_json(const struct http_reply *reply, const struct err *why, struct err *e)
{
    char excerpt[HTTP_EXCERPT_MAX];
    if (reply->quiet)
        err_set(e, "the body is not JSON");
    else
        err_set(e, "the body is not JSON: %s%s", why->text, http_excerpt(reply, excerpt));
    return REASON_MISMATCH;
}

enum reason json_rules_check(const struct json_rule *rules, size_t n,
                             const struct http_reply *reply, struct err *e)
{
    struct err why;
    struct jsonr_path *paths = calloc(n, sizeof *paths);
    if (!paths) {
        err_set(e, "out of memory");
        return REASON_INTERNAL;
    }
    for (size_t i = 0; i < n; i++)
        paths[i].pointer = rules[i].pointer;
    enum reason reason = REASON_OK;
    switch (jsonr_find(reply->body.data ? reply->body.data : "", reply->body.len, paths, n, &why)) {
    case JSONR_FOUND:
        for (size_t i = 0; i < n && reason == REASON_OK; i++)
            reason = check_rule(&rules[i], &paths[i], reply->quiet, e);
        break;
    case JSONR_NOT_JSON:
        reason = not_json(reply, &why, e);
        break;
    case JSONR_TOO_COSTLY:
        err_set(e, "cannot tell what the body says: %s", why.text);
        reason = REASON_INTERNAL;
        break;
    }
    free(paths);
    return reason;
}
