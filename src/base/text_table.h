/* text_table: the width of one character on a terminal. */
#ifndef PROBE_BASE_TEXT_TABLE_H
#define PROBE_BASE_TEXT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Columns that a terminal gives to the character `c` (a code point): 0 (combining), 1 or 2; -1 for
 * one that must not reach a terminal as it is: controls, and what turns or hides the text around.
 */
int text_char_columns(uint32_t c);

#endif
