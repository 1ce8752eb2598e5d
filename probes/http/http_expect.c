/* http_expect: see http_expect.h. The JSON part is in http_json.c. */
#include "http/http_expect.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "http/http_json.h"
#include "net/http_wire.h"

/* Of a body without Content-Length and chunks, whose end a FIN alone is behind TLS. */
#define OPEN_WORDS "the body may be cut: the server ended TLS without close_notify"

/* One code, class or range of the list: `*low` to `*high`. Returns what follows it, or NULL. */
static const char *status_item(const char *p, int *low, int *high)
{
    int *bounds[2] = {low, high};
    for (int i = 0; i < 2; i++) {
        if (!isdigit((unsigned char)p[0]))
            return NULL;
        bool is_class = (p[1] == 'x' || p[1] == 'X') && p[2] == p[1];
        if (is_class) {
            *low = (p[0] - '0') * 100;
            *high = *low + 99;
            return i == 0 ? p + 3 : NULL;
        }
        if (!isdigit((unsigned char)p[1]) || !isdigit((unsigned char)p[2]))
            return NULL;
        *bounds[i] = (p[0] - '0') * 100 + (p[1] - '0') * 10 + (p[2] - '0');
        p += 3;
        if (i == 0) {
            *high = *low;
            const char *dash = p + strspn(p, " \t");
            if (*dash != '-')
                return p;
            p = dash + 1 + strspn(dash + 1, " \t");
        }
    }
    return p;
}

int status_set_parse(struct status_set *set, const char *text, struct err *e)
{
    static const char blanks[] = ", \t\n";
    *set = (struct status_set){{0}};
    const char *p = text + strspn(text, blanks);
    if (!*p)
        return err_set(e, "it is empty; expected codes and ranges such as 200,301-303 or 2xx");
    while (*p) {
        int low, high;
        const char *next = status_item(p, &low, &high);
        if (!next || (*next && !strchr(blanks, *next)))
            return err_set(e,
                           "'%.*s' is not a status: expected codes and ranges such as "
                           "200,301-303 or 2xx",
                           (int)strcspn(p, blanks), p);
        if (low < 100 || high > 599)
            return err_set(e, "'%.*s' is not a status: they go from 100 to 599", (int)(next - p),
                           p);
        if (low > high)
            return err_set(e, "the range %.*s is the wrong way round", (int)(next - p), p);
        for (int status = low; status <= high; status++)
            set->bits[status / 8] |= (uint8_t)(1u << (status % 8));
        p = next + strspn(next, blanks);
    }
    return 0;
}

bool status_set_has(const struct status_set *set, int status)
{
    return status >= 0 && status < HTTP_STATUS_END && (set->bits[status / 8] >> (status % 8)) & 1;
}

bool http_expect_reads_body(const struct http_expect *x)
{
    return x->body.n || x->reject_body.n || x->n_json;
}

int http_patterns_add(struct http_patterns *list, const char *text, bool is_header, struct err *e)
{
    struct http_pattern *grown = realloc(list->items, (list->n + 1) * sizeof *grown);
    if (!grown)
        return err_set(e, "out of memory");
    list->items = grown;
    struct http_pattern p = {.pattern =
                                 is_header ? http_header_pattern(text, e) : pattern_new(text, e)};
    if (!p.pattern)
        return -1;
    if (!(p.text = strdup(text))) {
        pattern_free(p.pattern);
        return err_set(e, "out of memory");
    }
    list->items[list->n++] = p;
    return 0;
}

static void patterns_fini(struct http_patterns *list)
{
    for (size_t i = 0; i < list->n; i++) {
        pattern_free(list->items[i].pattern);
        free(list->items[i].text);
    }
    free(list->items);
}

void http_expect_fini(struct http_expect *x)
{
    patterns_fini(&x->body);
    patterns_fini(&x->reject_body);
    patterns_fini(&x->header);
    patterns_fini(&x->reject_header);
    for (size_t i = 0; i < x->n_json; i++)
        json_rule_fini(&x->json[i]);
    free(x->json);
    free(x->status_text);
    *x = (struct http_expect){0};
}

/* The header line at *p without its line end; moves on. NULL at the end. */
static const char *next_line(const char **p, const char *end, size_t *len)
{
    const char *line = *p;
    if (line >= end)
        return NULL;
    const char *stop = memchr(line, '\n', (size_t)(end - line));
    *p = stop ? stop + 1 : end;
    if (!stop)
        stop = end;
    while (stop > line && stop[-1] == '\r')
        stop--;
    *len = (size_t)(stop - line);
    return line;
}

int http_header_value(const struct buf *headers, const char *name, char *out, size_t size)
{
    struct http_text value;
    size_t at = 0;
    if (!http_header_next(headers, name, &at, &value))
        return 0;
    if (value.len >= size || memchr(value.data, '\0', value.len))
        return -1;
    memcpy(out, value.data, value.len);
    out[value.len] = '\0';
    return 1;
}

struct pattern *http_header_pattern(const char *text, struct err *e)
{
    static const char name_chars[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    size_t begin = text[0] == '^', end = begin + strspn(text + begin, name_chars);
    if (text[end] != ':' || end == begin)
        return pattern_new(text, e);
    char *expanded = str_format("%.*s(?i:%.*s)%s", (int)begin, text, (int)(end - begin),
                                text + begin, text + end);
    struct pattern *p = expanded ? pattern_new(expanded, e) : NULL;
    if (!expanded)
        err_set(e, "out of memory");
    free(expanded);
    return p;
}

static struct pattern_result any_header_matches(const struct pattern *pattern,
                                                const struct buf *headers,
                                                struct pattern_budget *budget, struct err *e)
{
    const char *p = headers->data, *line;
    size_t len;
    struct pattern_search search;
    struct pattern_result found = {PATTERN_NO_MATCH};
    pattern_search_init(&search, pattern, budget);
    while (found.is == PATTERN_NO_MATCH && p &&
           (line = next_line(&p, headers->data + headers->len, &len)))
        found = pattern_find(&search, line, len, e);
    pattern_search_fini(&search);
    return found;
}

/* " (Content-Encoding: gzip)": why a body that looks right in a browser does not match here. */
static const char *encoding_hint(const struct http_reply *reply, char *out, size_t size)
{
    char value[32];
    *out = '\0';
    if (!reply->decoded &&
        http_header_value(&reply->headers, "Content-Encoding", value, sizeof value) > 0) {
        str_printable(value, sizeof value);
        snprintf(out, size, " (Content-Encoding: %s)", value);
    }
    return out;
}

static enum reason check_status(const struct http_expect *x, const struct http_reply *reply,
                                struct err *e)
{
    if (status_set_has(&x->status, reply->status))
        return REASON_OK;
    char excerpt[HTTP_EXCERPT_MAX];
    err_set(e, "expected %s%s", x->status_text, http_excerpt(reply, excerpt));
    return reply->status == 401 || reply->status == 407 ? REASON_AUTH : REASON_MISMATCH;
}

/* What patterns are held against: the headers of the reply, or its body. */
struct subject {
    const struct http_reply *reply;
    bool is_headers;
    struct pattern_budget *budget;
};

/* What is or may be cut ends elsewhere: `ok$` is not met by an "ok" at the cut. */
static struct pattern_result find(const struct subject *s, const struct pattern *p, struct err *e)
{
    const struct http_reply *reply = s->reply;
    if (s->is_headers)
        return any_header_matches(p, &reply->headers, s->budget, e);
    return pattern_find_once(p, reply->body.data, reply->body.len,
                             !reply->body_cut && !reply->body_open, s->budget, e);
}

/* The words for what lacks a match that is asked for. */
static enum reason say_lacking(const struct subject *s, const char *text, struct err *e)
{
    const struct http_reply *reply = s->reply;
    char hint[64], excerpt[HTTP_EXCERPT_MAX];
    if (s->is_headers)
        err_set(e, "no header matches expect_header /%s/", text);
    else if (reply->body_cut)
        err_set(e, "the first %s of the body (max_body) do not match expect_body /%s/",
                reply->max_body, text);
    else
        err_set(e, "the body does not match expect_body /%s/%s%s%s", text,
                encoding_hint(reply, hint, sizeof hint), http_excerpt(reply, excerpt),
                reply->body_open ? "; " OPEN_WORDS : "");
    return REASON_MISMATCH;
}

static enum reason say_unknown(const struct subject *s, const char *verb, const struct err *why,
                               struct err *e)
{
    err_set(e, "cannot tell whether %s matches %s_%s: %s", s->is_headers ? "a header" : "the body",
            verb, s->is_headers ? "header" : "body", why->text);
    return REASON_INTERNAL;
}

/* A match of what is to be rejected is a mismatch however the other patterns fare. */
static enum reason check_patterns(const struct subject *s, const struct http_patterns *rejects,
                                  const struct http_patterns *wants, struct err *e)
{
    struct err why;
    bool unknown = false;
    for (size_t i = 0; i < rejects->n; i++) {
        enum pattern_found is = find(s, rejects->items[i].pattern, &why).is;
        unknown = unknown || is == PATTERN_UNKNOWN;
        if (is != PATTERN_MATCH)
            continue;
        err_set(e, "%s matches %s /%s/", s->is_headers ? "a header" : "the body",
                s->is_headers ? "reject_header" : "reject_body", rejects->items[i].text);
        return REASON_MISMATCH;
    }
    if (unknown)
        return say_unknown(s, "reject", &why, e);
    for (size_t i = 0; i < wants->n; i++) {
        enum pattern_found is = find(s, wants->items[i].pattern, &why).is;
        unknown = unknown || is == PATTERN_UNKNOWN;
        if (is == PATTERN_NO_MATCH)
            return say_lacking(s, wants->items[i].text, e);
    }
    return unknown ? say_unknown(s, "expect", &why, e) : REASON_OK;
}

static enum reason check_body(const struct http_expect *x, const struct http_reply *reply,
                              struct pattern_budget *budget, struct err *e)
{
    const struct subject body = {reply, false, budget};
    enum reason reason = check_patterns(&body, &x->reject_body, &x->body, e);
    if (reason != REASON_OK)
        return reason;
    if (reply->body_cut && (x->reject_body.n || x->n_json)) {
        err_set(e, "the body is over max_body %s", reply->max_body);
        return REASON_MISMATCH;
    }
    if (reply->body_open && x->reject_body.n) {
        err_set(e, "%s", OPEN_WORDS);
        return REASON_CLOSED;
    }
    char hint[64];
    struct err inner;
    reason = x->n_json ? json_rules_check(x->json, x->n_json, reply, budget, &inner) : REASON_OK;
    if (reason != REASON_OK)
        err_set(e, "%s%s", inner.text, encoding_hint(reply, hint, sizeof hint));
    return reason;
}

enum reason http_expect_check(const struct http_expect *x, const struct http_reply *reply,
                              struct err *e)
{
    enum reason reason = check_status(x, reply, e);
    if (reason != REASON_OK)
        return reason;
    struct pattern_budget budget = {PATTERN_STEPS};
    const struct subject headers = {reply, true, &budget};
    reason = check_patterns(&headers, &x->reject_header, &x->header, e);
    return reason == REASON_OK && http_expect_reads_body(x) ? check_body(x, reply, &budget, e)
                                                            : reason;
}
