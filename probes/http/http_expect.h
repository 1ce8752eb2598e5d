/* http_expect: what a reply must be: status list, regular expressions, JSON values. Text in, a
 * verdict in words out; it knows nothing of connections. */
#ifndef PROBE_HTTP_HTTP_EXPECT_H
#define PROBE_HTTP_HTTP_EXPECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/pattern.h"
#include "base/reason.h"
#include "http/http_reply.h"

#define HTTP_STATUS_END 1000 /* a status has three digits */

struct status_set {
    uint8_t bits[HTTP_STATUS_END / 8];
};

/* "200,301-303 2xx": codes, ranges and classes, separated by commas or blanks. 0, or -1. */
int status_set_parse(struct status_set *set, const char *text, struct err *e);
bool status_set_has(const struct status_set *set, int status);

enum json_op {
    JSON_IS,
    JSON_IS_NOT,
    JSON_LESS,
    JSON_AT_MOST,
    JSON_GREATER,
    JSON_AT_LEAST,
    JSON_MATCHES,
    JSON_EXISTS,
    JSON_ABSENT,
};

/* `/json/pointer = value` and its like: an RFC 6901 pointer and what must stand there. */
struct json_rule {
    char *pointer;
    enum json_op op;
    bool of_length;          /* it is about the length of what stands there */
    char *value;             /* as JSON; NULL where the operator has none */
    struct pattern *pattern; /* JSON_MATCHES */
};

int json_rule_parse(struct json_rule *rule, const char *line, struct err *e);
void json_rule_fini(struct json_rule *rule);

/* Patterns that are alike: all that must match, or all that must not. */
struct http_patterns {
    struct http_pattern {
        struct pattern *pattern;
        char *text; /* as configured */
    } * items;
    size_t n;
};

/* One more. `is_header`: as http_header_pattern. -1 with the words. */
int http_patterns_add(struct http_patterns *list, const char *text, bool is_header, struct err *e);

struct http_expect {
    struct status_set status;
    char *status_text; /* as configured, for the words */
    struct http_patterns body, reject_body, header, reject_header;
    struct json_rule *json;
    size_t n_json;
};

/* The pattern of expect_header. Names of headers are equal in any case (RFC 9110, 5.1), and HTTP/2
 * sends them in lower case: in a name that the text begins with, up to its colon, a letter is both.
 * NULL with the reason in words. */
struct pattern *http_header_pattern(const char *text, struct err *e);

void http_expect_fini(struct http_expect *x);

/* Does the verdict hang on the body? */
bool http_expect_reads_body(const struct http_expect *x);

/* REASON_OK, or the reason with the words to come after the address in `e`. */
enum reason http_expect_check(const struct http_expect *x, const struct http_reply *reply,
                              struct err *e);

/* The value of the first header with that name (case ignored), without blanks around it, into
 * `out`. 1; 0: there is none; -1: it does not fit, or holds a NUL. */
int http_header_value(const struct buf *headers, const char *name, char *out, size_t size);

#endif
