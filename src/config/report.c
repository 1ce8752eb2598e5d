/* report: see report.h. */
#include "config/report.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/buf.h"
#include "base/str.h"

#define TEXT_MAX 2048

void config_report_init(struct config_report *r)
{
    memset(r, 0, sizeof *r);
}

void config_report_fini(struct config_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->problems[i].text);
    free(r->problems);
    for (size_t i = 0; i < r->n_files; i++)
        free(r->files[i].path);
    free(r->files);
    names_fini(&r->known_files);
    memset(r, 0, sizeof *r);
}

bool config_report_has(const struct config_report *r, const char *where, const char *text)
{
    char *line = str_format("%s: %s", where, text);
    bool found = false;
    if (line)
        str_printable(line, strlen(line));
    for (size_t i = 0; line && !found && i < r->n; i++)
        found = strcmp(r->problems[i].text, line) == 0;
    free(line);
    return found;
}

void config_report_add_file(struct config_report *r, const char *path)
{
    if (names_get(&r->known_files, path) != NAMES_NONE ||
        !array_room(&r->files, r->n_files, &r->size_files, sizeof *r->files))
        return;
    char *copy = strdup(path);
    if (copy && names_put(&r->known_files, copy, (uint32_t)r->n_files) == 0)
        r->files[r->n_files++] = (struct config_file){.path = copy, .id = file_id_of(path)};
    else
        free(copy);
}

static bool make_room(struct config_report *r)
{
    return array_room(&r->problems, r->n, &r->size, sizeof *r->problems);
}

void config_report_add(struct config_report *r, bool is_error, const char *file, int line,
                       const char *where, const char *fmt, ...)
{
    if (is_error)
        r->errors++;
    else
        r->warnings++;
    if (r->n >= REPORT_MAX || !make_room(r))
        return;
    char text[TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct buf b;
    buf_init(&b, 2 * TEXT_MAX);
    if (file && line > 0)
        buf_printf(&b, "%s:%d: ", file, line);
    else if (file)
        buf_printf(&b, "%s: ", file);
    if (where)
        buf_printf(&b, "%s: ", where);
    buf_puts(&b, text);
    b.failed = false; /* cut at the cap is good enough; no memory at all shows below */
    char *made = buf_take(&b);
    if (!made)
        return;
    str_printable(made, 2 * TEXT_MAX);
    r->problems[r->n++] = (struct config_problem){.is_error = is_error, .line = line, .text = made};
}

bool config_report_suggests(const struct config_report *r)
{
    return r->n < REPORT_SUGGESTS;
}

void config_report_finish(struct config_report *r)
{
    /* Insertion keeps the order within a line, and nearly all is in order already. */
    for (size_t i = 1; i < r->n; i++) {
        struct config_problem p = r->problems[i];
        int line = p.line > 0 ? p.line : INT_MAX;
        size_t j = i;
        for (; j > 0; j--) {
            const struct config_problem *q = &r->problems[j - 1];
            if ((q->line > 0 ? q->line : INT_MAX) <= line)
                break;
            r->problems[j] = *q;
        }
        r->problems[j] = p;
    }
    size_t total = r->errors + r->warnings;
    if (total <= r->n || !make_room(r))
        return;
    char *more = str_format("and %zu more, not shown", total - r->n);
    if (more)
        r->problems[r->n++] = (struct config_problem){.is_error = r->errors > 0, .text = more};
}
