/* help_text: the texts of the manual in the program, made from src/manual when it is built. */
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

/* Generated; each ends with one that is all NULL. */
extern const struct help_entry help_entries[];
extern const struct help_topic help_topics[];

#endif
