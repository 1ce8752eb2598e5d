/* pattern: regular expressions of the configuration, matched against what servers send: the syntax
 * of RE2 (as Go and Prometheus have it), over characters of UTF-8; a byte that is not UTF-8 is seen
 * as U+FFFD. A search goes through the text once, and gives up rather than keep the loop busy: the
 * reply of a hostile server costs no more than any other. */
#ifndef PROBE_BASE_PATTERN_H
#define PROBE_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct pattern;

/* NULL with the reason in words. */
struct pattern *pattern_new(const char *text, struct err *e);
void pattern_free(struct pattern *p); /* NULL is fine */

/* As it was written. */
const char *pattern_text(const struct pattern *p);

/* ---- Searching ---- */

enum pattern_found { PATTERN_NO_MATCH, PATTERN_MATCH, PATTERN_UNKNOWN };

/* Whether there is a match. It is a struct so that no `if` takes PATTERN_UNKNOWN for yes or no. */
struct pattern_result {
    enum pattern_found is;
};

/* The work that all searches of one run may do together. A step is some 2 ns: 5 ms in all. */
#define PATTERN_STEPS 2500000
struct pattern_budget {
    int64_t steps;
};

/* One pattern, searched for in one text after the other: what was learnt about it is kept. */
struct pattern_search {
    const struct pattern *pattern;
    struct pattern_budget *budget;
    struct pattern_states *states; /* NULL: none yet */
    size_t done;                   /* bytes of the text so far that are behind us */
    uint32_t at;                   /* the state that they led to */
};

void pattern_search_init(struct pattern_search *s, const struct pattern *p,
                         struct pattern_budget *budget);
void pattern_search_fini(struct pattern_search *s);

/* In a text that is whole. PATTERN_UNKNOWN (no memory, or the budget is spent) fills `e`. */
struct pattern_result pattern_find(struct pattern_search *s, const char *data, size_t len,
                                   struct err *e);

/* In a text of which more may come: the first `len` bytes of it, as if it ended there. Called again
 * with more of the same text it goes through what is new. */
struct pattern_result pattern_find_so_far(struct pattern_search *s, const char *data, size_t len,
                                          struct err *e);

/* One search of one text, which is whole or goes on. */
struct pattern_result pattern_find_once(const struct pattern *p, const char *data, size_t len,
                                        bool whole, struct pattern_budget *budget, struct err *e);

#endif
