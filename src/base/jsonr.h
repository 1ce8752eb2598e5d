/* jsonr: reads JSON (RFC 8259) in place, token by token, in bounded memory: what a stranger sends
 * costs one pass, however many brackets it has. jsonw writes it. */
#ifndef PROBE_BASE_JSONR_H
#define PROBE_BASE_JSONR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define JSONR_DEPTH 512 /* brackets that may be open at once */

enum jsonr_token {
    JSONR_WRONG, /* it is not JSON: `wrong` says why, and it stays so */
    JSONR_END,
    JSONR_OBJECT, /* { */
    JSONR_ARRAY,  /* [ */
    JSONR_CLOSE,  /* of either */
    JSONR_KEY,    /* with its quotes; the colon behind it is read, too */
    JSONR_STRING, /* with its quotes */
    JSONR_NUMBER,
    JSONR_WORD, /* true, false, null */
};

struct jsonr {
    const char *at; /* what comes next */
    const char *token;
    size_t len; /* of the token: of a bracket 1 */
    unsigned depth;
    const char *wrong;
    bool too_deep; /* it is wrong only for us */
    /* Private. */
    const char *begin, *end;
    enum { WANT_VALUE, WANT_FIRST, WANT_NEXT, WANT_END } want;
    uint8_t is_object[JSONR_DEPTH / 8];
};

/* Reads `len` bytes at `text`, which stay; a byte order mark in front is skipped. */
void jsonr_init(struct jsonr *r, const char *text, size_t len);
enum jsonr_token jsonr_next(struct jsonr *r);

/* The character at *at within a string that was read, which moves on; false at its end. Half a pair
 * of surrogates is one of its own. */
bool jsonr_char(const char **at, uint32_t *c);

/* ---- On whole texts ---- */

/* A pointer (RFC 6901) and what it leads to. */
struct jsonr_path {
    const char *pointer;
    const char *value; /* NULL: it leads nowhere */
    size_t len;
    /* Private. */
    const char *part; /* of the pointer, to be found in the deepest bracket on the way */
    unsigned depth;   /* of that bracket */
    size_t index;     /* of its next item */
    bool on_way;      /* the next value is */
    bool inside;      /* we are within what is pointed to */
};

/* Does it have the form of a pointer? */
bool jsonr_pointer_ok(const char *pointer);

/* Follows n pointers at once. Of equal names in an object the last counts. What would take more
 * than some 5 ms, or has more than JSONR_DEPTH brackets open, is too costly; `e` says so, or what
 * is not JSON. */
enum jsonr_found { JSONR_FOUND, JSONR_NOT_JSON, JSONR_TOO_COSTLY };
enum jsonr_found jsonr_find(const char *text, size_t len, struct jsonr_path *paths, size_t n,
                            struct err *e);

/* Is it JSON of at most `most` values? Asked before a library makes something of each. */
bool jsonr_has_at_most(const char *text, size_t len, size_t most);

/* Are two values equal? Numbers by value, whatever their size; names in any order; characters
 * however they are written. Both are known to be JSON. HARD: it would take too long. */
enum jsonr_equality { JSONR_DIFFERENT, JSONR_EQUAL, JSONR_HARD };
enum jsonr_equality jsonr_compare(const char *a, size_t a_len, const char *b, size_t b_len);

/* Which of two numbers is greater, whatever their size? */
enum jsonr_order {
    JSONR_LESS,     /* the first one is */
    JSONR_SAME,     /* they are equal */
    JSONR_GREATER,  /* the first one is the greater */
    JSONR_NO_ORDER, /* one of them is no number */
    JSONR_TOO_BIG,  /* their exponents are beyond all counting */
};
enum jsonr_order jsonr_order(const char *a, size_t a_len, const char *b, size_t b_len);

/* The items of an array, the members of an object, the characters of a string, by one pass over a
 * value that is known to be JSON. False: it is none of these. */
bool jsonr_length(const char *text, size_t len, size_t *n);

/* As one line without blanks, in `out`, which has `size` bytes; false: it was cut. */
bool jsonr_compact(const char *text, size_t len, char *out, size_t size);

#endif
