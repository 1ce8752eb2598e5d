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

void buf_wipe(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->size);
    buf_fini(b);
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

char *buf_make_room(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    if (n > b->cap - b->len)
        b->failed = true;
    else if (reserve(b, n) == 0)
        return b->data + b->len;
    return NULL;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
    if (b->failed)
        return -1;
    if (b->len + len < b->size && b->len + len <= b->cap) {
        buf_write(b->data + b->len, data, len);
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

char *buf_write_uint(char *at, uint64_t n)
{
    size_t len = 1;
    for (uint64_t rest = n; rest >= 10; rest /= 10)
        len++;
    for (size_t i = len; i > 0; n /= 10)
        at[--i] = (char)('0' + n % 10);
    return at + len;
}

int buf_put_uint(struct buf *b, uint64_t n)
{
    char text[BUF_UINT_MAX];
    return buf_add(b, text, (size_t)(buf_write_uint(text, n) - text));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
    char small[256], *big = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n >= (int)sizeof small) {
        va_start(ap, fmt);
        n = vasprintf(&big, fmt, ap);
        va_end(ap);
    }
    if (n < 0) {
        b->failed = true;
        return -1;
    }
    int rc = buf_add(b, big ? big : small, (size_t)n);
    free(big);
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
