/* http_json: expect_json: RFC 6901 pointers into what jansson reads. A number too big for 64 bits
 * is read as a real rather than refused: the body is a stranger's and need not fit our types. */
#include "http/http_json.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

#define SHOWN_MAX 80

/* "~" stands only before 0 or 1. */
static bool pointer_ok(const char *p)
{
    if (*p && *p != '/')
        return false;
    for (; *p; p++)
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    return true;
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

    rule->pointer = str_dup_n(line, len);
    if (rule->pointer && !pointer_ok(rule->pointer)) {
        err_set(e, "'%s' is not a JSON pointer: expected /name/0/name, with ~1 for / and ~0 for ~",
                rule->pointer);
        json_rule_fini(rule);
        return -1;
    }
    rule->value = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!rule->value) /* a bare word is a string; what is not UTF-8 is neither */
        rule->value = json_string(value);
    if (rule->pointer && rule->value)
        return 0;
    json_rule_fini(rule);
    return err_set(e, "the value of %.*s is not UTF-8", (int)len, line);
}

void json_rule_fini(struct json_rule *rule)
{
    json_decref(rule->value);
    free(rule->pointer);
    *rule = (struct json_rule){0};
}

/* An index: digits, no leading zero. */
static json_t *array_at(json_t *array, const char *token)
{
    size_t digits = strspn(token, "0123456789");
    if (!digits || token[digits] || digits > 9 || (token[0] == '0' && digits > 1))
        return NULL;
    return json_array_get(array, strtoul(token, NULL, 10));
}

/* What the pointer leads to, or NULL. */
static json_t *resolve(json_t *at, const char *pointer)
{
    char *token = malloc(strlen(pointer) + 1);
    while (at && token && *pointer) {
        size_t len = 0;
        for (pointer++; *pointer && *pointer != '/'; pointer++) {
            char c = *pointer;
            if (c == '~')
                c = *++pointer == '1' ? '/' : '~';
            token[len++] = c;
        }
        token[len] = '\0';
        at = json_is_array(at) ? array_at(at, token) : json_object_get(at, token);
    }
    if (!token)
        at = NULL;
    free(token);
    return at;
}

/* 1 and 1.0 are the same number in JSON, not in jansson. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b) && json_typeof(a) != json_typeof(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

/* As compact JSON; false when it was cut. */
static bool show(const json_t *value, char out[SHOWN_MAX])
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    bool whole = text && strlen(text) < SHOWN_MAX;
    snprintf(out, SHOWN_MAX, whole ? "%s" : "%.76s...", text ? text : "?");
    free(text);
    return whole;
}

static json_t *parse_body(const struct http_reply *reply, json_error_t *error)
{
    const char *body = reply->body.data ? reply->body.data : "";
    size_t len = reply->body.len;
    /* A byte order mark is not JSON, but common (RFC 8259 section 8.1 lets a reader ignore it). */
    if (len >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0) {
        body += 3;
        len -= 3;
    }
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *doc = json_loadb(body, len, flags, error);
    if (!doc && json_error_code(error) == json_error_numeric_overflow)
        doc = json_loadb(body, len, flags | JSON_DECODE_INT_AS_REAL, error);
    return doc;
}

/* A long value is not shown where it might be an echo of a secret: masking needs all of it. */
static int wrong_value(const char *where, const json_t *found, const char *expected, bool quiet,
                       struct err *e)
{
    char is[SHOWN_MAX];
    bool whole = show(found, is);
    if (quiet && !whole)
        return err_set(e, "JSON %s is something else than %s", where, expected);
    return err_set(e, "JSON %s is %s, expected %s", where, is, expected);
}

int json_rules_check(const struct json_rule *rules, size_t n, const struct http_reply *reply,
                     struct err *e)
{
    json_error_t error;
    json_t *doc = parse_body(reply, &error);
    if (!doc) {
        char excerpt[HTTP_EXCERPT_MAX];
        if (reply->quiet) /* jansson's words quote the text */
            return err_set(e, "the body is not JSON");
        str_printable(error.text, sizeof error.text - 1);
        return err_set(e, "the body is not JSON: line %d: %.120s%s", error.line, error.text,
                       http_excerpt(reply, excerpt));
    }
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const char *where = *rules[i].pointer ? rules[i].pointer : "(the whole document)";
        char expected[SHOWN_MAX];
        show(rules[i].value, expected);
        json_t *found = resolve(doc, rules[i].pointer);
        if (!found)
            rc = err_set(e, "JSON %s is missing, expected %s", where, expected);
        else if (!same_value(found, rules[i].value))
            rc = wrong_value(where, found, expected, reply->quiet, e);
    }
    json_decref(doc);
    return rc;
}
