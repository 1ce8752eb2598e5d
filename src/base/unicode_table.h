/* unicode_table: the general categories, scripts and simple case folds of Unicode, as packed text
 * that pattern_class.c reads. Made by tests/tools/unicode_table.go, some 15 KB. */
#ifndef PROBE_BASE_UNICODE_TABLE_H
#define PROBE_BASE_UNICODE_TABLE_H

/* For each category, then for each script: its name, its long name (may be empty) and its runs,
 * each ended by a `!`. A run: twice the gap since the run before, plus 1
 * where only every second character belongs to it; the count less 1. */
extern const char unicode_classes[];

/* Runs whose characters are equal to those `delta` further, but for case: twice the gap since the
 * beginning of the run before, plus 1 for every second; the count less 1; the delta, which is
 * 2 * delta, or -2 * delta - 1 where it is negative. */
extern const char unicode_folds[];

#endif
