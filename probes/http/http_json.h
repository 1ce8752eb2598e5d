/* http_json: the rules of expect_json, held against a body. */
#ifndef PROBE_HTTP_HTTP_JSON_H
#define PROBE_HTTP_HTTP_JSON_H

#include <stddef.h>

#include "http/http_expect.h"

/* REASON_OK when every rule holds, or the reason with the words for the first that does not. */
enum reason json_rules_check(const struct json_rule *rules, size_t n,
                             const struct http_reply *reply, struct pattern_budget *budget,
                             struct err *e);

#endif
