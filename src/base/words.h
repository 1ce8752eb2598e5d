/* words: splits a command line into its words without a shell. */
#ifndef PROBE_BASE_WORDS_H
#define PROBE_BASE_WORDS_H

#include "base/err.h"

/* Blanks separate words; '...' is taken as it stands; in "..." \" and \\ stand for themselves; \x
 * outside of quotes is x. Nothing else is special: no variables, no pipes, no wildcards. 0, and
 * *argv ends with a NULL and is the caller's (words_free); or -1: a quote that is not closed, no
 * word at all, no memory. */
int words_split(const char *text, char ***argv, struct err *e);
void words_free(char **argv); /* NULL is fine */

#endif
