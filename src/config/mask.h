/* mask: the secrets of one check, and their removal from what is said of it. A server may send back
 * what it was sent, as it is, escaped as URLs, C, JSON or HTML have it, in base64 or hex, or cut
 * off. */
#ifndef PROBE_CONFIG_MASK_H
#define PROBE_CONFIG_MASK_H

#include <stddef.h>

#include "probe.h"

struct mask {
    struct mask_word {
        char *text;
        size_t len;
        bool is_line; /* its beginning alone tells nothing */
    } * words;
    size_t n;
};

/* Takes the secrets from the values of a check: of secret keys all, of a URI its password and what
 * its query tells. 0, or -1 without memory. */
int mask_init(struct mask *m, const struct probe_key *keys, const struct probe_value *values,
              size_t n);

/* The text with "***" in place of each; `text` itself where it holds none, else a new one, and
 * `text` is freed. NULL: no memory. A word of under 4 bytes cannot be told from others, and stays.
 */
char *mask_apply(const struct mask *m, char *text);

/* The same of the secrets that a URL may hold, whole or broken off at a character that ends a part
 * of a URL: words about one that has a slip in it quote a part. */
char *mask_apply_url(const char *url, char *text);

void mask_fini(struct mask *m);

#endif
