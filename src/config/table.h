/* table: the values of one table of keys while a section is read: defaults below, what the section
 * gives above, each key once. And the place that problems are reported at. */
#ifndef PROBE_CONFIG_TABLE_H
#define PROBE_CONFIG_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "config/report.h"
#include "probe.h"

struct ini_entry;

/* Where settings come from: a section of the file, or the command line. */
struct source {
    struct config_report *report;
    const char *file; /* NULL: the command line. Only a file's values are expanded. */
    const char *section;
    int line;         /* of the section */
    bool has_secret;  /* set once a secret is written out in it */
    bool lossy;       /* a line of it is in error, and what it was to set is not known */
    bool literal;     /* the value was expanded already */
    bool no_warnings; /* they were told already */
    bool no_sets;     /* nobody has asked for this probe: --set is not meant for it */
    size_t errors;    /* reported through it */
};

/* `key` NULL: the section itself is meant. `line` 0: the section's. */
void source_problem(struct source *s, bool is_error, int line, const char *key, const char *fmt,
                    ...) __attribute__((format(printf, 5, 6)));

/* Warns where others may write the file, or put another in its place. */
void source_expect_safe(struct source *s, int line, const char *key, const char *path);

/* The text with its variables expanded, malloc'd; NULL when an error was reported. */
char *source_expand(struct source *s, const char *key, int line, const char *text);

struct table {
    const struct probe_key *keys;
    size_t n;
    struct probe_value *values;
    struct table_slot {
        bool owned;         /* the value is this table's, not borrowed from the base */
        const char *word;   /* what set it in this section: KEY or KEY_file; NULL: nothing yet */
        int line;           /* of that */
        const char *option; /* the option that set it; NULL: none */
        bool failed;        /* what was given is in error, and the value stands in for it */
        const struct ini_entry *unfit; /* of [defaults], for other types only; NULL: none */
    } * slots;
};

/* What is wrong with the value of a key, where it was given. */
void table_problem(const struct table *t, size_t key, struct source *s, bool is_error,
                   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* All keys unset; -1 out of memory. */
int table_init(struct table *t, const struct probe_key *keys, size_t n);
/* All keys at their defaults. -1, reported: memory is short, or the keys have a defect. */
int table_defaults(struct table *t, struct source *s);
void table_fini(struct table *t);

/* Back to the values of `base`, which it borrows: base must stay and not change. */
void table_reset(struct table *t, const struct table *base);

/* A deep copy of the values, the caller's. -1 out of memory, and what there is of it is. */
int table_copy(const struct table *t, struct probe_value **out);

/* One setting as written. `word` is KEY, or KEY_file with `twin`; it must outlive the table's use.
 * Reports what is wrong and leaves the value as it was. */
int table_set(struct table *t, size_t key, const char *word, bool twin, const char *text, int line,
              struct source *s);

#endif
