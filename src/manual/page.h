/* page: a page of the manual, in mdoc(7), as far as the build needs it: the items of the lists that
 * a comment marks, the parts that are topics of `probe help`, and their text in lines. It knows the
 * macros that our pages use and refuses others. Part of two programs of the build (check.c,
 * generate.c), not of probe: on an error it prints it and exits, and it frees nothing. */
#ifndef PROBE_MANUAL_PAGE_H
#define PROBE_MANUAL_PAGE_H

#include <stdbool.h>
#include <stddef.h>

struct page {
    const char *path;
    char **lines;
    size_t n;
};

/* An item of a marked list. Items of the lists inside it are part of it. */
struct page_item {
    const char *list; /* the comment above the list: "keys agent" */
    const char *head; /* behind `.It ` */
    size_t line;      /* index of that line */
    size_t end;       /* index behind its last line */
};

/* A part between `.\" topic: NAME` and `.\" end`. */
struct page_topic {
    const char *name;
    size_t first, end;
};

char *page_read_file(const char *path); /* the file's text; malloc'd */
struct page page_read(const char *path);

/* The first at or behind line *at, which moves on; false: there is none. */
bool page_next_item(const struct page *p, size_t *at, struct page_item *item);
bool page_next_topic(const struct page *p, size_t *at, struct page_topic *topic);

/* The n-th blank-separated word from 0, malloc'd; "" where there are fewer. */
char *page_word(const char *text, size_t n);

/* Plain text: of the lines, filled to 72 columns, with its last newline; of a macro line's
 * arguments, in one line. */
char *page_render(const struct page *p, size_t first, size_t end);
char *page_render_head(const struct page *p, const struct page_item *item);

#endif
