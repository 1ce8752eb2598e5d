/* ini_reader: see ini_reader.h. The library's limits are fixed when it is built (Debian: lines of
 * 200 bytes, sections of 50, " ;" ends a value) and what passes them is cut without a word. So no
 * text of the user's passes through it: this reader takes the physical lines, and hands the library
 * `[3]` for the fourth section and `timeout=17` for the eighteenth entry. Those always fit; and
 * each must come back whole, under its section and key, or the file is refused. Names, values and
 * continued lines stay where they are in the file's text. */
#include "config/ini_reader.h"

#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/array.h"
#include "base/file.h"
#include "base/str.h"

struct ini_reader {
    struct ini_file *file;
    const char *name;
    struct config_report *report;
    char *at, *end;       /* what is not read yet */
    int line;             /* of the physical line read last */
    char *value_end;      /* where a continued line would go on; NULL: there is no value above */
    size_t blank_lines;   /* since the value above */
    bool section_refused; /* its entries are not kept */
    bool line_refused;    /* nor are the lines that continue it */
    bool failed;
};

static void problem(struct ini_reader *r, bool is_error, const char *text)
{
    if (is_error) {
        r->value_end = NULL;
        r->line_refused = true;
        if (r->file->n_sections && !r->section_refused)
            r->file->sections[r->file->n_sections - 1].lossy = true;
    }
    config_report_add(r->report, is_error, r->name, r->line, NULL, "%s", text);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

static char *trim(char *s, char *end)
{
    while (end > s && is_blank(end[-1]))
        end--;
    *end = '\0';
    while (is_blank(*s))
        s++;
    return s;
}

/* "[ probe  web ]": the name with its blanks squeezed, in place. */
static void read_section(struct ini_reader *r, char *s)
{
    r->value_end = NULL;
    r->line_refused = false;
    r->section_refused = true;
    char *close = strchr(s, ']');
    if (!close || close[1]) {
        problem(r, true,
                close ? "text behind the section's ], expected a line of its own"
                      : "section without its ], expected [NAME]");
        return;
    }
    char *to = s + 1;
    for (const char *from = trim(s + 1, close); *from; from++)
        if (!is_blank(*from) || !is_blank(from[1]))
            *to++ = is_blank(*from) ? ' ' : *from;
    *to = '\0';
    struct ini_file *f = r->file;
    if (!array_room(&f->sections, f->n_sections, &f->size_sections, sizeof *f->sections)) {
        r->failed = true;
        return;
    }
    f->sections[f->n_sections++] =
        (struct ini_section){.name = s + 1, .line = r->line, .first = f->n_entries};
    r->section_refused = false;
}

static bool is_key(const char *s)
{
    size_t n = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.");
    return n > 0 && n <= INI_KEY_MAX && s[n] == '\0';
}

/* "key: value", as YAML has it; reported. The value is not shown, it may be a secret. */
static bool has_colon(struct ini_reader *r, char *s, char *end)
{
    size_t len = strcspn(s, ":="), at = len;
    char key[INI_KEY_MAX + 1], text[256];
    while (len && is_blank(s[len - 1]))
        len--;
    if (s + at >= end || s[at] != ':' || len > INI_KEY_MAX ||
        (s + at + 1 < end && !is_blank(s[at + 1])))
        return false;
    memcpy(key, s, len);
    key[len] = '\0';
    if (!is_key(key))
        return false;
    snprintf(text, sizeof text, "a colon behind the key, expected '%s = ...', not '%s: ...'", key,
             key);
    problem(r, true, text);
    return true;
}

/* "key = value": true when it became an entry. */
static bool read_entry(struct ini_reader *r, char *s, char *end)
{
    r->value_end = NULL;
    r->line_refused = false;
    char *equals = strchr(s, '=');
    if (has_colon(r, s, end))
        return false;
    if (!equals) {
        problem(r, true,
                "expected [SECTION], KEY = VALUE, or # and a comment; a line that "
                "continues a value is indented");
        return false;
    }
    char *value = trim(equals + 1, end);
    char *key = trim(s, equals);
    if (!is_key(key)) {
        problem(r, true, "not a key before the =, expected a word of letters, digits and _");
        return false;
    }
    struct ini_file *f = r->file;
    if (!f->n_sections && !r->section_refused) {
        problem(r, true,
                "a key before the first section, expected [agent], [defaults] or "
                "[probe NAME] above it");
        return false;
    }
    r->value_end = value + strlen(value);
    r->blank_lines = 0;
    if (r->section_refused)
        return false;
    if (!array_room(&f->entries, f->n_entries, &f->size_entries, sizeof *f->entries)) {
        r->failed = true;
        return false;
    }
    f->entries[f->n_entries++] = (struct ini_entry){.key = key, .value = value, .line = r->line};
    f->sections[f->n_sections - 1].n++;
    return true;
}

/* Adds an indented line to the value above. There is room: it moves towards the front, and the
 * newlines between are at least as many as those that are written. */
static void read_continuation(struct ini_reader *r, char *s, char *end)
{
    s = trim(s, end);
    if (r->line_refused)
        return;
    if (!r->value_end) {
        problem(r, true,
                "an indented line continues the value above, and there is none; expected "
                "it to begin in the first column");
        return;
    }
    if (*s == '#' || *s == ';')
        problem(r, false,
                "this line is part of the value above, not a comment: comments begin in "
                "the first column");
    char *to = r->value_end;
    for (size_t i = 0; i < r->blank_lines + 1; i++)
        *to++ = '\n';
    size_t len = strlen(s);
    memmove(to, s, len + 1);
    r->value_end = to + len;
    r->blank_lines = 0;
}

/* Takes the next physical line, NUL-terminated, without its end; NULL at the file's end. */
static char *next_line(struct ini_reader *r, char **end)
{
    if (r->at >= r->end)
        return NULL;
    char *s = r->at;
    char *newline = memchr(s, '\n', (size_t)(r->end - s));
    *end = newline ? newline : r->end;
    r->at = newline ? newline + 1 : r->end;
    r->line++;
    if (*end > s && (*end)[-1] == '\r')
        --*end;
    **end = '\0';
    return s;
}

/* For inih: one canonical line, or NULL at the end. */
static char *on_read(char *line, int size, void *arg)
{
    struct ini_reader *r = arg;
    struct ini_file *f = r->file;
    char *s, *end;
    int n = 0;
    while (!r->failed && n == 0 && (s = next_line(r, &end))) {
        if (end - s > INI_LINE_MAX) {
            problem(r, true, "the line is longer than 65536 bytes");
        } else if (memchr(s, '\0', (size_t)(end - s))) {
            problem(r, true, "the line holds a NUL byte");
        } else if (*s == '#' || *s == ';') {
            continue;
        } else if (s + strspn(s, " \t\r\v\f") == end) {
            r->blank_lines++;
        } else if (is_blank(*s)) {
            read_continuation(r, s, end);
        } else if (*s == '[') {
            read_section(r, trim(s, end));
            if (!r->section_refused)
                n = snprintf(line, (size_t)size, "[%zu]\n", f->n_sections - 1);
        } else if (read_entry(r, s, end)) {
            n = snprintf(line, (size_t)size, "%s=%zu\n", f->entries[f->n_entries - 1].key,
                         f->n_entries - 1);
        }
    }
    if (n >= size)
        r->failed = true;
    return n == 0 || r->failed ? NULL : line;
}

/* From inih: the entry that was handed over last must come back. 0 is an error to inih. */
static int on_entry(void *arg, const char *section, const char *key, const char *value)
{
    struct ini_reader *r = arg;
    struct ini_file *f = r->file;
    size_t i = strtoul(value, NULL, 10);
    if (i + 1 != f->n_entries || strcmp(key, f->entries[i].key) != 0 ||
        strtoul(section, NULL, 10) + 1 != f->n_sections)
        return 0;
    f->entries[i].confirmed = true;
    return 1;
}

/* f->text holds `len` bytes and a NUL. */
static int read_lines(struct ini_file *f, const char *name, size_t len,
                      struct config_report *report)
{
    struct ini_reader r = {
        .file = f, .name = name, .report = report, .at = f->text, .end = f->text + len};
    if (len >= 3 && memcmp(f->text, "\xef\xbb\xbf", 3) == 0)
        r.at += 3;
    bool whole = ini_parse_stream(on_read, &r, on_entry, &r) == 0 && !r.failed;
    for (size_t i = 0; i < f->n_entries; i++)
        whole = whole && f->entries[i].confirmed;
    if (whole)
        return 0;
    config_report_add(report, true, name, 0, NULL,
                      r.failed ? "cannot be read: out of memory"
                               : "cannot be read: the INI library did not give back every entry");
    return -1;
}

int ini_read_text(struct ini_file *f, const char *name, const char *text, size_t len,
                  struct config_report *report)
{
    *f = (struct ini_file){.text = malloc(len + 1)};
    if (!f->text) {
        config_report_add(report, true, name, 0, NULL, "cannot be read: out of memory");
        return -1;
    }
    if (len)
        memcpy(f->text, text, len);
    f->text[len] = '\0';
    return read_lines(f, name, len, report);
}

int ini_read_file(struct ini_file *f, const char *path, struct config_report *report)
{
    *f = (struct ini_file){0};
    struct err e;
    size_t len;
    struct stat st;
    if (strcmp(path, "/dev/null") == 0) /* a device, but what people write for "none" */
        return ini_read_text(f, path, "", 0, report);
    if (file_read(path, INI_FILE_MAX, &f->text, &len, &st, &e) != FILE_OPEN) {
        config_report_add(report, true, path, 0, NULL, "%s", e.text);
        return -1;
    }
    f->mode = st.st_mode;
    return read_lines(f, path, len, report);
}

void ini_file_fini(struct ini_file *f)
{
    free(f->text);
    free(f->sections);
    free(f->entries);
    *f = (struct ini_file){0};
}
