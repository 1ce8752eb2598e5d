/* report: every error and warning found while a configuration is read, with its place. At most
 * REPORT_MAX are kept, so that a hostile file cannot fill the memory; all are counted. */
#ifndef PROBE_CONFIG_REPORT_H
#define PROBE_CONFIG_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file_id.h"
#include "config/names.h"

#define REPORT_MAX      1000
#define REPORT_SUGGESTS 20

struct config_problem {
    bool is_error;
    int line; /* 0: none */
    char *
        text; /* "probe.ini:12: probe web.interval: \"5\": missing unit, expected a duration ..." */
};

struct config_report {
    struct config_problem *problems;
    size_t n, size;
    size_t errors, warnings; /* also those beyond REPORT_MAX */
    struct config_file {     /* that was read, or was to be: each once, the configuration first */
        char *path;
        struct file_id id; /* of before it was read */
    } * files;
    size_t n_files, size_files;
    struct names known_files;
    bool lint; /* on a machine that is another's: files that are missing are no problem */
};

void config_report_init(struct config_report *r);
void config_report_fini(struct config_report *r);

/* Adds one. `file` may be NULL and `line` 0 where there is none; `where` is "section.key" or NULL.
 * Control bytes in the text are replaced. Out of memory it is counted all the same. */
void config_report_add(struct config_report *r, bool is_error, const char *file, int line,
                       const char *where, const char *fmt, ...)
    __attribute__((format(printf, 6, 7)));

/* The configuration hangs on what is in that file. Call it before the file is read. Short of memory
 * it is left out. */
void config_report_add_file(struct config_report *r, const char *path);

/* Was that said of `where` already, without a file? */
bool config_report_has(const struct config_report *r, const char *where, const char *text);

/* Is a suggestion worth its search among all names? Only the first few problems get one, so that a
 * large file with many errors takes no longer than a good one. */
bool config_report_suggests(const struct config_report *r);

/* At the end: brings the problems into the order of their lines (those without a line last), and
 * says how many were not kept. */
void config_report_finish(struct config_report *r);

#endif
