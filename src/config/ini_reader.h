/* ini_reader: an INI file into sections and entries, each with its line; nothing cut, nothing
 * guessed. It knows the grammar, not which sections and keys there are. */
#ifndef PROBE_CONFIG_INI_READER_H
#define PROBE_CONFIG_INI_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/report.h"

#define INI_FILE_MAX (16 * 1024 * 1024)
#define INI_LINE_MAX 65536
#define INI_KEY_MAX  64

struct ini_entry {
    const char *key;
    const char *value; /* without blanks around; continued lines are joined by newlines */
    int line;
    bool confirmed; /* private: the library gave it back whole */
};

struct ini_section {
    const char *name; /* between the brackets, blanks inside squeezed to one: "probe web" */
    int line;
    size_t first, n; /* its entries */
    bool lossy;      /* a line in it was refused: another entry was meant */
};

struct ini_file {
    char *text;  /* all strings point into it */
    mode_t mode; /* of the file; 0 from memory */
    struct ini_section *sections;
    size_t n_sections, size_sections;
    struct ini_entry *entries;
    size_t n_entries, size_entries;
};

/* Reads all of the file, a regular one. What is wrong in it is reported, each with its line, and
 * the rest is read all the same; -1 when it cannot be read at all (reported too). Call
 * ini_file_fini in any case. */
int ini_read_file(struct ini_file *f, const char *path, struct config_report *report);

/* All of a text in memory; `name` stands for the file in the messages. 0 or -1 as above. */
int ini_read_text(struct ini_file *f, const char *name, const char *text, size_t len,
                  struct config_report *report);

void ini_file_fini(struct ini_file *f);

#endif
