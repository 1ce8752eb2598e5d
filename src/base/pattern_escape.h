/* pattern_escape: what stands for one character or a class of them in the text of a pattern. All of
 * it returns -1 with the words where the text is wrong, else moves *at on. */
#ifndef PROBE_BASE_PATTERN_ESCAPE_H
#define PROBE_BASE_PATTERN_ESCAPE_H

#include <stdint.h>

#include "base/err.h"
#include "base/pattern_class.h"

enum {
    FLAG_FOLD = 1 << 0,    /* (?i) */
    FLAG_LINES = 1 << 1,   /* (?m) */
    FLAG_DOT_ALL = 1 << 2, /* (?s) */
};

/* A character as it is. */
int pattern_char(const char **at, uint32_t *c, struct err *e);

/* A backslash and what it makes of what follows; also refuses what no escape is. */
int pattern_escape(const char **at, uint32_t *c, struct err *e);

/* \d, \pL and their like. 1; 0: it is none, and *at stands still. */
int pattern_escape_class(const char **at, unsigned flags, struct pattern_class *set, struct err *e);

/* [...] */
int pattern_brackets(const char **at, unsigned flags, struct pattern_class *set, struct err *e);

#endif
