/* text: text as a terminal shows it, counted in columns and not in bytes. Pure, and independent of
 * the locale: terminals of today speak UTF-8. */
#ifndef PROBE_BASE_TEXT_H
#define PROBE_BASE_TEXT_H

#include <stddef.h>

#include "base/buf.h"

/* Appends `s` with everything that could act on a terminal, or hide in it, shown as an escape:
 * controls as \n, \t, \x1b, format and private characters as \u202e, invalid UTF-8 as \xff. */
void text_escape(struct buf *out, const char *s);

/* The columns that escaped text takes. */
size_t text_columns(const char *s);

/* Bytes of the longest start of the escaped text `s` that takes at most `columns`; never cuts a
 * character, takes combining marks along with their letter. */
size_t text_fit(const char *s, size_t columns);

/* Appends `s`, cut to `columns` with an ellipsis where it is longer. Returns the columns used. */
size_t text_add(struct buf *out, const char *s, size_t columns);

/* Appends `s` in lines of at most `columns`, the second and further after `indent` blanks (which do
 * not count), each with its newline. Returns how many. */
size_t text_wrap(struct buf *out, const char *s, size_t columns, size_t indent);

/* Appends n blanks. */
void text_pad(struct buf *out, size_t n);

#endif
