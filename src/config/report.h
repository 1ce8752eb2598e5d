/* report: every error and warning found while a configuration is read, with its place. */
#ifndef PROBE_CONFIG_REPORT_H
#define PROBE_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

struct config_problem {
    bool is_error;
    char *text; /* "probe.ini:12: probe web.interval: \"5\" has no unit, expected e.g. 5s" */
};

struct config_report {
    struct config_problem *problems;
    size_t n;
    size_t errors, warnings;
};

void config_report_init(struct config_report *r);
void config_report_fini(struct config_report *r);

/* Adds one. `file` may be NULL and `line` 0 where there is none; `where` is "section.key". */
void config_report_add(struct config_report *r, bool is_error, const char *file, int line,
                       const char *where, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

#endif
