/* buf: a growing byte buffer with a cap. It owns its memory and is always NUL-terminated once
 * something was added, so `data` can be read as a string. Once an append would pass the cap, or
 * memory is out, the buffer is `failed`: later appends do nothing and the caller checks once. */
#ifndef PROBE_BASE_BUF_H
#define PROBE_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct buf {
    char *data; /* NULL until the first append */
    size_t len; /* bytes in use, without the NUL */
    size_t size;
    size_t cap; /* largest len allowed */
    bool failed;
};

void buf_init(struct buf *b, size_t cap);
void buf_fini(struct buf *b);
void buf_wipe(struct buf *b); /* as buf_fini, of what may hold a secret: it is overwritten */

/* Forgets the content, keeps the memory and the cap. */
void buf_reset(struct buf *b);

/* Each returns 0, or -1 once the buffer is `failed`. buf_add adds as much as fits the cap. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_puts(struct buf *b, const char *s);
int buf_putc(struct buf *b, char c);
int buf_put_uint(struct buf *b, uint64_t n); /* in decimal; far cheaper than buf_printf */
int buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* What is made of many small pieces is written straight into the room for all of them:
 *
 *     char *at = buf_room(b, len + BUF_UINT_MAX);
 *     if (at)
 *         buf_wrote(b, buf_write_uint(buf_write(at, text, len), n));
 *
 * NULL once the buffer is `failed`, and it is when the room would pass the cap. buf_write and
 * buf_write_uint return the end of what they wrote. */
#define BUF_UINT_MAX 20
static inline char *buf_room(struct buf *b, size_t n);
static inline void buf_wrote(struct buf *b, char *end);
static inline char *buf_write(char *at, const char *text, size_t len);
char *buf_write_uint(char *at, uint64_t n);
/* A text whose length is known where it is compiled. */
#define BUF_WRITE(at, literal) buf_write(at, literal, sizeof(literal) - 1)

/* Drops `n` bytes (at most len) at the front. */
void buf_consume(struct buf *b, size_t n);

/* Gives the string away (caller frees it) and leaves the buffer empty; NULL when failed. */
char *buf_take(struct buf *b);

/* ---- Inline ---- */

/* memcpy for the short pieces that documents are made of: musl's, and the string instructions that
 * gcc puts in its place, take longer to begin than all of this. The two ends overlap. */
static inline char *buf_write(char *at, const char *text, size_t len)
{
    if (len > 128) {
        memcpy(at, text, len);
    } else if (len >= 16) {
        for (size_t i = 0; i + 16 < len; i += 16)
            memcpy(at + i, text + i, 16);
        memcpy(at + len - 16, text + len - 16, 16);
    } else if (len >= 8) {
        memcpy(at, text, 8);
        memcpy(at + len - 8, text + len - 8, 8);
    } else if (len >= 4) {
        memcpy(at, text, 4);
        memcpy(at + len - 4, text + len - 4, 4);
    } else if (len) {
        at[0] = text[0];
        at[len / 2] = text[len / 2];
        at[len - 1] = text[len - 1];
    }
    return at + len;
}

char *buf_make_room(struct buf *b, size_t n);

static inline char *buf_room(struct buf *b, size_t n)
{
    bool there = !b->failed && b->len + n < b->size && b->len + n <= b->cap;
    return there ? b->data + b->len : buf_make_room(b, n);
}

static inline void buf_wrote(struct buf *b, char *end)
{
    *end = '\0';
    b->len = (size_t)(end - b->data);
}

#endif
