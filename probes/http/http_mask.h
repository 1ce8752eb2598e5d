/* http_mask: the secrets of one check, and their removal from what is shown. A server may send back
 * what it was sent. */
#ifndef PROBE_HTTP_HTTP_MASK_H
#define PROBE_HTTP_HTTP_MASK_H

#include <stddef.h>

struct http_mask {
    char **words;
    size_t n;
};

/* NULL and words too short to be told from others are passed over. 0, or -1 without memory. */
int http_mask_add(struct http_mask *m, const char *secret);

/* Overwrites each of them in `text` with '*'. */
void http_mask_apply(const struct http_mask *m, char *text);

void http_mask_fini(struct http_mask *m);

#endif
