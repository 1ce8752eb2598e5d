/* str: small helpers on strings that several rooms need. */
#ifndef PROBE_BASE_STR_H
#define PROBE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof *(a))

#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

bool str_starts(const char *s, const char *prefix);

/* Is `word`, which is not empty, one of the words that blanks part? */
bool str_has_word(const char *words, const char *word);

/* The character of UTF-8 at s, of at most `max` bytes; its length, or 0 when it is not valid. */
size_t str_utf8_char(const char *s, size_t max, uint32_t *c);

/* Writes the character as UTF-8; its length. Half a pair of surrogates is written as U+FFFD. */
size_t str_utf8_put(uint32_t c, char out[4]);

/* Length in bytes of the valid UTF-8 sequence at s; 0 when it is not valid or s is at its end. */
size_t str_utf8_len(const char *s);

/* The code point at s if it is a control beyond ASCII: U+0080-9F, the line and paragraph
 * separators, and what turns the direction of writing (U+061C, U+200E-F, U+202A-E, U+2066-9); else
 * 0. */
unsigned str_acts_on_terminals(const char *s);

/* The texts one after the other, up to a NULL, in out (size bytes with the NUL); what does not fit
 * is cut. For what every check says: a tenth of snprintf's way. Returns out. */
char *str_join(char *out, size_t size, const char *const *parts);

/* One byte of ASCII that can be shown as it is. */
static inline bool str_is_plain(char c)
{
    return c >= 0x20 && c < 0x7f;
}

/* Makes `s` fit for one line of output, in place: controls and invalid UTF-8 become '?', and
 * what is cut at `max` bytes is never half a character. */
void str_printable(char *s, size_t max);

/* Copies the n bytes at data as printable text into out (size bytes with the NUL): non-ASCII and
 * control bytes as \xNN, \r, \n; "..." at the end when cut. Returns out. For showing what a server
 * sent. */
char *str_excerpt(const void *data, size_t n, char *out, size_t size);

/* The number of edits (insert, delete, replace, swap) between two words, case ignored; words over
 * 63 bytes are far from all. */
size_t str_distance(const char *a, const char *b);

/* Picks the word nearest to `word` among n, else the first that begins with it, or NULL when none
 * is near enough to suggest. */
const char *str_nearest(const char *word, const char *const *words, size_t n);

/* strdup of len bytes; NULL when out of memory. */
char *str_dup_n(const char *s, size_t len);

/* The number that a hex digit stands for; -1: it is none. */
int str_hex(char c);

/* The text in base64 (RFC 4648 section 4), malloc'd; NULL when out of memory. */
char *str_base64(const char *s);

/* Is `given` the secret? Takes the same time whatever it is but for its length. */
bool str_is_secret(const char *given, const char *secret);

/* Overwrites and frees a text that holds a secret; NULL is fine. */
void str_wipe(char *secret);

/* malloc'd, formatted; NULL when out of memory. */
char *str_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
