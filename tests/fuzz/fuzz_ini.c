/* Any bytes through the INI reader; each entry is then looked up in the bytes again, by its line:
 * nothing was cut, joined or moved. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/ini_reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const blanks = " \t\r\v\f";

/* The physical line, 1 the first, without blanks at its end. */
static const char *line_of(const uint8_t *data, size_t size, int line, size_t *len)
{
    const char *s = (const char *)data, *end = s + size;
    for (int i = 1; i < line; i++) {
        s = memchr(s, '\n', (size_t)(end - s));
        if (!s)
            abort();
        s++;
    }
    const char *newline = memchr(s, '\n', (size_t)(end - s));
    *len = (size_t)((newline ? newline : end) - s);
    while (*len && strchr(blanks, s[*len - 1]))
        --*len;
    return s;
}

static void check_entry(const struct ini_entry *e, const uint8_t *data, size_t size)
{
    size_t len, key_len = strlen(e->key), first = strcspn(e->value, "\n");
    const char *line = line_of(data, size, e->line, &len);
    if (e->line == 1 && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        len -= 3;
    }
    if (len < key_len + first + 1 || memcmp(line, e->key, key_len) != 0)
        abort();
    if (memcmp(line + len - first, e->value, first) != 0)
        abort();
    /* Between the two: blanks and one '='. */
    size_t equals = 0;
    for (size_t i = key_len; i < len - first; i++) {
        if (line[i] != '=' && !strchr(blanks, line[i]))
            abort();
        equals += line[i] == '=';
    }
    if (equals != 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ini_file f;
    struct config_report report;
    config_report_init(&report);
    if (ini_read_text(&f, "fuzz", (const char *)data, size, &report) < 0)
        abort(); /* the library did not give back what it was given */
    size_t entries = 0;
    for (size_t i = 0; i < f.n_sections; i++) {
        if (f.sections[i].first != entries)
            abort();
        entries += f.sections[i].n;
    }
    if (entries != f.n_entries)
        abort();
    for (size_t i = 0; i < f.n_entries; i++)
        check_entry(&f.entries[i], data, size);
    ini_file_fini(&f);
    config_report_fini(&report);
    return 0;
}
