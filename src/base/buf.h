/* buf: a growing byte buffer with a cap. It owns its memory and is always NUL-terminated once
 * something was added, so `data` can be read as a string. Once an append would pass the cap, or
 * memory is out, the buffer is `failed`: later appends do nothing and the caller checks once. */
#ifndef PROBE_BASE_BUF_H
#define PROBE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
    char *data; /* NULL until the first append */
    size_t len; /* bytes in use, without the NUL */
    size_t size;
    size_t cap; /* largest len allowed */
    bool failed;
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b);

/* Forgets the content, keeps the memory and the cap. */
void buf_reset(struct buf *b);

/* Each returns 0, or -1 once the buffer is `failed`. buf_add adds as much as fits the cap. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_put_uint(struct buf *b, uint64_t n); /* in decimal; far cheaper than buf_printf */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Drops `n` bytes (at most len) at the front. */
void buf_consume(struct buf *b, size_t n);

/* Gives the string away (caller frees it) and leaves the buffer empty; NULL when failed. */
char *buf_take(struct buf *b);

#endif
