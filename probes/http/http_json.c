/* http_json: expect_json: the values that RFC 6901 pointers lead to, read in place: a hostile body
 * costs one pass and no memory. */
#include "http/http_json.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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
        err_set(e, "the value cannot be compared: %s", why.text);
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

/* ---- Reading a rule ---- */

struct op_word {
    const char *word;
    enum json_op op;
    bool bare; /* it may stand without blanks around it */
};

/* Of two that begin alike the longer one comes first. */
static const struct op_word op_words[] = {
    {"!=", JSON_IS_NOT, true},  {"<=", JSON_AT_MOST, true},     {">=", JSON_AT_LEAST, true},
    {"=", JSON_IS, true},       {"<", JSON_LESS, true},         {">", JSON_GREATER, true},
    {"~", JSON_MATCHES, false}, {"exists", JSON_EXISTS, false}, {"absent", JSON_ABSENT, false},
    {"length", JSON_IS, false},
};

static const char *word_of(enum json_op op)
{
    for (size_t i = 0; i < ARRAY_LEN(op_words); i++)
        if (op_words[i].op == op)
            return op_words[i].word;
    return "";
}

static bool is_blank(char c)
{
    return isspace((unsigned char)c);
}

/* The first operator with blanks around it; NULL: none. */
static const char *spaced_op(const char *line, const struct op_word **op)
{
    for (const char *p = line; *p; p++) {
        if (p > line && !is_blank(p[-1]))
            continue;
        for (size_t i = 0; i < ARRAY_LEN(op_words); i++) {
            size_t n = strlen(op_words[i].word);
            if (strncmp(p, op_words[i].word, n) == 0 && (!p[n] || is_blank(p[n]))) {
                *op = &op_words[i];
                return p;
            }
        }
    }
    return NULL;
}

/* The first that stands without them. */
static const char *bare_op(const char *line, const struct op_word **op)
{
    for (const char *p = line; *p; p++)
        for (size_t i = 0; i < ARRAY_LEN(op_words); i++)
            if (op_words[i].bare && str_starts(p, op_words[i].word)) {
                *op = &op_words[i];
                return p;
            }
    return NULL;
}

static const char *skip_blanks(const char *p)
{
    while (is_blank(*p))
        p++;
    return p;
}

static bool orders(const struct json_rule *rule)
{
    return rule->op == JSON_LESS || rule->op == JSON_AT_MOST || rule->op == JSON_GREATER ||
           rule->op == JSON_AT_LEAST;
}

/* What stands behind the operator. -1 with the words. */
static int take_value(struct json_rule *rule, const char *text, struct err *e)
{
    if (rule->op == JSON_EXISTS || rule->op == JSON_ABSENT) {
        if (*text)
            return err_set(e, "something follows %s", word_of(rule->op));
        return 0;
    }
    if (rule->op == JSON_MATCHES)
        return (rule->pattern = pattern_new(text, e)) ? 0 : -1;
    if (!(rule->value = value_of(text, e)))
        return -1;
    bool needs_number = rule->of_length || orders(rule);
    size_t len = strlen(rule->value);
    if (needs_number && jsonr_order(rule->value, len, rule->value, len) == JSONR_NO_ORDER)
        return err_set(e, "%s%s compares numbers, and %.80s is none",
                       rule->of_length ? "length " : "", word_of(rule->op), rule->value);
    return 0;
}

static int parse_rule(struct json_rule *rule, const char *line, struct err *e)
{
    const struct op_word *op = NULL, *bare = NULL;
    const char *at = spaced_op(line, &op), *plain = bare_op(line, &bare);
    if (!at || (!op->bare && plain && plain < at)) { /* "/a=it exists" */
        at = plain;
        op = bare;
    }
    if (!at)
        return err_set(e, "'%s' is not of the form /json/pointer = value", line);
    size_t len = (size_t)(at - line);
    while (len && is_blank(line[len - 1]))
        len--;
    if (!(rule->pointer = str_dup_n(line, len)))
        return err_set(e, "out of memory");
    if (!jsonr_pointer_ok(rule->pointer))
        return err_set(e,
                       "'%s' is not a JSON pointer: expected /name/0/name, with ~1 for / and "
                       "~0 for ~",
                       rule->pointer);
    at = skip_blanks(at + strlen(op->word));
    if (strcmp(op->word, "length") == 0) {
        const char *number = at;
        rule->of_length = true;
        at = bare_op(number, &op);
        if (at != number)
            return err_set(e, "expected a comparison after length, such as length >= 1");
        at = skip_blanks(at + strlen(op->word));
    }
    rule->op = op->op;
    return take_value(rule, at, e);
}

int json_rule_parse(struct json_rule *rule, const char *line, struct err *e)
{
    *rule = (struct json_rule){0};
    err_set(e, "out of memory");
    if (parse_rule(rule, line, e) == 0)
        return 0;
    json_rule_fini(rule);
    return -1;
}

void json_rule_fini(struct json_rule *rule)
{
    free(rule->pointer);
    free(rule->value);
    pattern_free(rule->pattern);
    *rule = (struct json_rule){0};
}

/* ---- Holding rules against a body ---- */

/* What the rule asks for, in words that complete "expected ". */
static const char *expected(const struct json_rule *rule, char out[SHOWN_MAX + 16])
{
    char value[SHOWN_MAX];
    if (rule->op == JSON_EXISTS || rule->op == JSON_ABSENT) {
        snprintf(out, SHOWN_MAX + 16, "%s", rule->op == JSON_EXISTS ? "it to exist" : "it absent");
    } else if (rule->op == JSON_MATCHES) {
        snprintf(out, SHOWN_MAX + 16, "a match of /%.*s/", SHOWN_MAX, pattern_text(rule->pattern));
    } else {
        bool plain = rule->op == JSON_IS && !rule->of_length;
        jsonr_compact(rule->value, strlen(rule->value), value, sizeof value);
        snprintf(out, SHOWN_MAX + 16, "%s%s%s%s", rule->of_length ? "length " : "",
                 plain ? "" : word_of(rule->op), plain ? "" : " ", value);
    }
    return out;
}

static const char *place(const struct json_rule *rule)
{
    return *rule->pointer ? rule->pointer : "(the whole document)";
}

/* A long value is not shown where it might be an echo of a secret: masking needs all of it. */
static enum reason wrong_value(const struct json_rule *rule, const struct jsonr_path *found,
                               bool quiet, struct err *e)
{
    char is[SHOWN_MAX], words[SHOWN_MAX + 16];
    bool whole = jsonr_compact(found->value, found->len, is, sizeof is);
    if (quiet && !whole)
        err_set(e, "JSON %s is something else than %s", place(rule), expected(rule, words));
    else
        err_set(e, "JSON %s is %s, expected %s", place(rule), is, expected(rule, words));
    return REASON_MISMATCH;
}

/* What a comparison comes to. UNSURE: it cannot be told; `e` says why. */
enum holds { HOLDS_NOT, HOLDS, UNSURE };

static enum holds holds_order(enum json_op op, enum jsonr_order order, struct err *e)
{
    switch (order) {
    case JSONR_LESS:
        return op == JSON_LESS || op == JSON_AT_MOST || op == JSON_IS_NOT ? HOLDS : HOLDS_NOT;
    case JSONR_SAME:
        return op == JSON_AT_MOST || op == JSON_AT_LEAST || op == JSON_IS ? HOLDS : HOLDS_NOT;
    case JSONR_GREATER:
        return op == JSON_GREATER || op == JSON_AT_LEAST || op == JSON_IS_NOT ? HOLDS : HOLDS_NOT;
    case JSONR_NO_ORDER:
        return HOLDS_NOT;
    case JSONR_TOO_BIG:
        break;
    }
    err_set(e, "its exponent is too big to compare");
    return UNSURE;
}

static enum holds holds_equal(const struct json_rule *rule, const struct jsonr_path *found,
                              struct err *e)
{
    switch (jsonr_compare(rule->value, strlen(rule->value), found->value, found->len)) {
    case JSONR_EQUAL:
        return rule->op == JSON_IS ? HOLDS : HOLDS_NOT;
    case JSONR_DIFFERENT:
        return rule->op == JSON_IS ? HOLDS_NOT : HOLDS;
    case JSONR_HARD:
        break;
    }
    err_set(e, "it takes too long to compare");
    return UNSURE;
}

/* A string by its characters, a number or a word as it is written; what has brackets never. */
static enum holds holds_match(const struct json_rule *rule, const struct jsonr_path *found,
                              struct pattern_budget *budget, struct err *e)
{
    struct buf text;
    struct pattern_result is = {PATTERN_NO_MATCH};
    uint32_t c;
    char utf8[4];
    if (*found->value == '{' || *found->value == '[')
        return HOLDS_NOT;
    buf_init(&text, 4 * found->len + 1);
    if (*found->value != '"')
        buf_add(&text, found->value, found->len);
    else
        for (const char *at = found->value + 1; jsonr_char(&at, &c);)
            buf_add(&text, utf8, str_utf8_put(c, utf8));
    if (text.failed)
        err_set(e, "out of memory");
    else
        is = pattern_find_once(rule->pattern, text.data, text.len, true, budget, e);
    enum holds holds = text.failed || is.is == PATTERN_UNKNOWN ? UNSURE
                       : is.is == PATTERN_MATCH                ? HOLDS
                                                               : HOLDS_NOT;
    buf_fini(&text);
    return holds;
}

/* NULL: what stands there has no length; else its length. */
static const char *length_of(const struct jsonr_path *found, char out[24])
{
    size_t n;
    if (!jsonr_length(found->value, found->len, &n))
        return NULL;
    snprintf(out, 24, "%zu", n);
    return out;
}

static enum reason check_rule(const struct json_rule *rule, const struct jsonr_path *found,
                              bool quiet, struct pattern_budget *budget, struct err *e)
{
    char words[SHOWN_MAX + 16], number[24];
    const char *length = NULL;
    struct err why;
    enum holds holds = HOLDS;
    if (!found->value && rule->op != JSON_ABSENT) {
        err_set(e, "JSON %s is missing, expected %s", place(rule), expected(rule, words));
        return REASON_MISMATCH;
    }
    if (rule->of_length)
        length = length_of(found, number);
    if (rule->of_length)
        holds =
            length
                ? holds_order(rule->op,
                              jsonr_order(length, strlen(length), rule->value, strlen(rule->value)),
                              &why)
                : HOLDS_NOT;
    else if (rule->op == JSON_ABSENT)
        holds = found->value ? HOLDS_NOT : HOLDS;
    else if (rule->op == JSON_MATCHES)
        holds = holds_match(rule, found, budget, &why);
    else if (orders(rule))
        holds = holds_order(rule->op,
                            jsonr_order(found->value, found->len, rule->value, strlen(rule->value)),
                            &why);
    else if (rule->op != JSON_EXISTS)
        holds = holds_equal(rule, found, &why);
    if (holds == HOLDS)
        return REASON_OK;
    if (holds == UNSURE) {
        err_set(e, "cannot tell whether JSON %s is %s: %s", place(rule), expected(rule, words),
                why.text);
        return REASON_INTERNAL;
    }
    if (!length)
        return wrong_value(rule, found, quiet, e);
    err_set(e, "JSON %s has length %s, expected %s", place(rule), length, expected(rule, words));
    return REASON_MISMATCH;
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
                             const struct http_reply *reply, struct pattern_budget *budget,
                             struct err *e)
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
            reason = check_rule(&rules[i], &paths[i], reply->quiet, budget, e);
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
