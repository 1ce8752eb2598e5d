/* http_expect_conf: see http_expect_conf.h. */
#include "http/http_expect_conf.h"

#include <stdlib.h>
#include <string.h>

static int take_patterns(struct http_patterns *list, const struct probe_value *v, size_t key,
                         bool is_header, struct probe_report *report)
{
    struct err e;
    int rc = 0;
    for (size_t i = 0; i < v->n_lines; i++)
        if (http_patterns_add(list, v->lines[i], is_header, &e) < 0) {
            probe_error(report, key, "%s", e.text);
            rc = -1;
        }
    return rc;
}

static int take_json(struct http_expect *x, const struct probe_value *v, size_t key,
                     struct probe_report *report)
{
    struct err e;
    int rc = 0;
    if (v->n_lines && !(x->json = calloc(v->n_lines, sizeof *x->json))) {
        probe_error(report, key, "out of memory");
        return -1;
    }
    for (size_t i = 0; i < v->n_lines; i++)
        if (json_rule_parse(&x->json[x->n_json], v->lines[i], &e) < 0) {
            probe_error(report, key, "%s", e.text);
            rc = -1;
        } else {
            x->n_json++;
        }
    return rc;
}

int http_expect_init(struct http_expect *x, const struct probe_value *values, size_t first,
                     struct probe_report *report)
{
    const struct probe_value *status = &values[HTTP_EXPECT_STATUS];
    struct err e;
    int rc = 0;
    if (status_set_parse(&x->status, status->text, &e) < 0) {
        probe_error(report, first + HTTP_EXPECT_STATUS, "%s", e.text);
        rc = -1;
    }
    if (!(x->status_text = strdup(status->text))) {
        probe_error(report, first + HTTP_EXPECT_STATUS, "out of memory");
        rc = -1;
    }
    const struct {
        size_t key;
        struct http_patterns *list;
        bool is_header;
    } lists[] = {{HTTP_EXPECT_BODY, &x->body, false},
                 {HTTP_REJECT_BODY, &x->reject_body, false},
                 {HTTP_EXPECT_HEADER, &x->header, true},
                 {HTTP_REJECT_HEADER, &x->reject_header, true}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        rc |= take_patterns(lists[i].list, &values[lists[i].key], first + lists[i].key,
                            lists[i].is_header, report);
    return rc | take_json(x, &values[HTTP_EXPECT_JSON], first + HTTP_EXPECT_JSON, report);
}
