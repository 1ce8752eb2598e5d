/* http_expect_conf: the keys that say what a reply must be, and their compiled form. */
#ifndef PROBE_HTTP_HTTP_EXPECT_CONF_H
#define PROBE_HTTP_HTTP_EXPECT_CONF_H

#include "http/http_expect.h"
#include "probe.h"

enum http_expect_key {
    HTTP_EXPECT_STATUS,
    HTTP_EXPECT_BODY,
    HTTP_REJECT_BODY,
    HTTP_EXPECT_HEADER,
    HTTP_REJECT_HEADER,
    HTTP_EXPECT_JSON,
    HTTP_EXPECT_KEY_COUNT
};

/* For the type's table, in this order. */
#define HTTP_EXPECT_KEYS                                                                           \
    {.name = "expect_status",                                                                      \
     .kind = KEY_TEXT,                                                                             \
     .def = "200-399",                                                                             \
     .doc = "The statuses that are a success: codes, ranges and classes, such as "                 \
            "200,301-303 or 2xx."},                                                                \
        {.name = "expect_body",                                                                    \
         .kind = KEY_LINES,                                                                        \
         .doc =                                                                                    \
             "Regular expressions, one a line, each of which must match somewhere in the body."},  \
        {.name = "reject_body",                                                                    \
         .kind = KEY_LINES,                                                                        \
         .doc = "Regular expressions, one a line, none of which may match anywhere in the body."}, \
        {.name = "expect_header",                                                                  \
         .kind = KEY_LINES,                                                                        \
         .doc =                                                                                    \
             "Regular expressions, one a line, each of which must match in one of the 'Name: "     \
             "value' "                                                                             \
             "lines of the reply. A name that one begins with, up to its colon, matches in any "   \
             "case."},                                                                             \
        {.name = "reject_header",                                                                  \
         .kind = KEY_LINES,                                                                        \
         .doc = "The same, but none of them may match."},                                          \
    {                                                                                              \
        .name = "expect_json", .kind = KEY_LINES,                                                  \
        .doc =                                                                                     \
            "What must stand in a JSON body, one '/json/pointer = value' a line; also !=, <, <=, " \
            ">, >=, ~ PATTERN, exists, absent, and length before a comparison."                    \
    }

/* Compiles the values of these keys, `first` of the type's table being the first of them. -1: what
 * is wrong was reported. http_expect_fini is owed in both cases. */
int http_expect_init(struct http_expect *x, const struct probe_value *values, size_t first,
                     struct probe_report *report);

#endif
