/* buf: see buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void buf_init(struct buf *b, size_t cap)
{
    *b = (struct buf){.cap = cap};
}

void buf_fini(struct buf *b)
{
    free(b->data);
    *b = (struct buf){.cap = b->cap};
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

/* Makes room for `more` bytes and the NUL; the caller has checked the cap. */
static int reserve(struct buf *b, size_t more)
{
    size_t need = b->len + more + 1;
    if (need <= b->size)
        return 0;
    size_t size = b->size ? b->size : 64;
    while (size < need)
        size *= 2;
    char *data = realloc(b->data, size);
    if (!data) {
        b->failed = true;
        return -1;
    }
    b->data = data;
    b->size = size;
    return 0;
}

/* memcpy for the short pieces that documents are made of: musl's, and the string instructions that
 * gcc puts in its place, take longer to begin than all of this. The ends of two pieces overlap. */
static void copy(char *to, const char *from, size_t len)
{
    if (len > 128) {
        memcpy(to, from, len);
    } else if (len >= 16) {
        for (size_t i = 0; i + 16 < len; i += 16)
            memcpy(to + i, from + i, 16);
        memcpy(to + len - 16, from + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, from, 8);
        memcpy(to + len - 8, from + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, from, 4);
        memcpy(to + len - 4, from + len - 4, 4);
    } else if (len) {
        to[0] = from[0];
        to[len / 2] = from[len / 2];
        to[len - 1] = from[len - 1];
    }
}

int buf_add(struct buf *b, const void *data, size_t len)
{
    if (b->failed)
        return -1;
    if (b->len + len < b->size && b->len + len <= b->cap) {
        copy(b->data + b->len, data, len);
        b->len += len;
        b->data[b->len] = '\0';
        return 0;
    }
    size_t fits = b->cap - b->len < len ? b->cap - b->len : len;
    if (reserve(b, fits) < 0)
        return -1;
    if (fits)
        memcpy(b->data + b->len, data, fits);
    b->len += fits;
    b->data[b->len] = '\0';
    if (fits < len)
        b->failed = true;
    return b->failed ? -1 : 0;
}

int buf_puts(struct buf *b, const char *s)
{
    return buf_add(b, s, strlen(s));
}

int buf_putc(struct buf *b, char c)
{
    if (b->failed || b->len + 1 >= b->size || b->len >= b->cap)
        return buf_add(b, &c, 1);
    b->data[b->len++] = c;
    b->data[b->len] = '\0';
    return 0;
}

int buf_put_uint(struct buf *b, uint64_t n)
{
    char text[20];
    char *at = text + sizeof text;
    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    return buf_add(b, at, (size_t)(text + sizeof text - at));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    char small[256];
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    int rc = -1;
    if (n >= 0 && (size_t)n < sizeof small) {
        rc = buf_add(b, small, (size_t)n);
    } else if (n >= 0) {
        char *big = malloc((size_t)n + 1);
        if (big) {
            vsnprintf(big, (size_t)n + 1, fmt, again);
            rc = buf_add(b, big, (size_t)n);
            free(big);
        } else {
            b->failed = true;
        }
    } else {
        b->failed = true;
    }
    va_end(again);
    return rc;
}

void buf_consume(struct buf *b, size_t n)
{
    if (!n || !b->data)
        return;
    if (n > b->len)
        n = b->len;
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

char *buf_take(struct buf *b)
{
    if (!b->failed && !b->data)
        buf_add(b, "", 0);
    char *s = b->failed ? NULL : b->data;
    if (b->failed)
        free(b->data);
    *b = (struct buf){.cap = b->cap};
    return s;
}
