/* help_text: the manual's texts in the program. They are made from src/manual when it is built, and
 * packed: a byte over 127 stands for a pair of others, which may be such bytes again. */
#ifndef PROBE_CLI_HELP_TEXT_H
#define PROBE_CLI_HELP_TEXT_H

#include <stddef.h>

/* An item of one of the manual's lists: a key, an option, a reason, ... */
struct help_entry {
    const char *list; /* "keys tcp http mongo", "options", "reasons", ... */
    const char *name; /* what it is asked for by; several are separated by blanks */
    const char *head; /* "interval = duration (default 30s, at least 1ms)" */
    const char *text; /* lines of at most 72 columns, each with its newline */
};

struct help_topic {
    const char *name, *text;
};

/* Generated: the strings of all entries, in the order above, then of all topics, each with its NUL.
 */
extern const unsigned char help_packed[], help_pairs[][2];
extern const size_t help_packed_size, help_size; /* bytes: packed, and as they come out */
extern const size_t help_n_entries, help_n_topics;

/* Unpacked once, and kept; each ends with one that is all NULL. 0, or -1 out of memory. */
extern const struct help_entry *help_entries;
extern const struct help_topic *help_topics;
int help_unpack(void);

#endif
