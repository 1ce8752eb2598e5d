/* jsonw: see jsonw.h. */
#include "base/jsonw.h"

#include <inttypes.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

void jsonw_init(struct jsonw *j, struct buf *out)
{
    *j = (struct jsonw){.out = out};
}

static void member(struct jsonw *j, const char *key)
{
    if (key) {
        buf_add(j->out, j->comma ? ",\"" : "\"", (size_t)1 + j->comma);
        buf_puts(j->out, key);
        buf_add(j->out, "\":", 2);
    } else if (j->comma) {
        buf_putc(j->out, ',');
    }
    j->comma = true;
}

static void nest(struct jsonw *j, const char *key, char opener, char closer)
{
    member(j, key);
    buf_putc(j->out, opener);
    if (j->depth < JSON_DEPTH)
        j->closers[j->depth++] = closer;
    else
        j->out->failed = true;
    j->comma = false;
}

void jsonw_object(struct jsonw *j, const char *key)
{
    nest(j, key, '{', '}');
}

void jsonw_array(struct jsonw *j, const char *key)
{
    nest(j, key, '[', ']');
}

void jsonw_end(struct jsonw *j)
{
    if (j->depth > 0)
        buf_putc(j->out, j->closers[--j->depth]);
    j->comma = true;
}

void jsonw_string(struct jsonw *j, const char *key, const char *value)
{
    if (!value) {
        jsonw_null(j, key);
        return;
    }
    member(j, key);
    jsonw_quote(j->out, value);
}

void jsonw_int(struct jsonw *j, const char *key, int64_t value)
{
    member(j, key);
    uint64_t size = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (value < 0)
        buf_putc(j->out, '-');
    buf_put_uint(j->out, size);
}

void jsonw_bool(struct jsonw *j, const char *key, bool value)
{
    member(j, key);
    buf_puts(j->out, value ? "true" : "false");
}

void jsonw_null(struct jsonw *j, const char *key)
{
    member(j, key);
    buf_puts(j->out, "null");
}

void jsonw_ms(struct jsonw *j, const char *key, int64_t ns)
{
    member(j, key);
    int64_t us = (ns < 0 ? ns - NS_PER_US / 2 : ns + NS_PER_US / 2) / NS_PER_US;
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;
    char fraction[] = {'.', (char)('0' + size / 100 % 10), (char)('0' + size / 10 % 10),
                       (char)('0' + size % 10)};
    if (us < 0)
        buf_putc(j->out, '-');
    buf_put_uint(j->out, size / 1000);
    buf_add(j->out, fraction, sizeof fraction);
}

/* Where a byte comes that cannot stand in a string as it is, or that may not be valid UTF-8. */
static const char *skip_plain(const char *s)
{
    for (;; s++) {
        unsigned char c = (unsigned char)*s;
        if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\')
            return s;
    }
}

void jsonw_quote(struct buf *out, const char *s)
{
    buf_putc(out, '"');
    for (;;) {
        const char *plain = s;
        size_t n;
        s = skip_plain(s);
        while ((unsigned char)*s >= 0x80 && (n = str_utf8_len(s)))
            s = skip_plain(s + n);
        buf_add(out, plain, (size_t)(s - plain));
        unsigned char c = (unsigned char)*s;
        if (!c)
            break;
        if (c >= 0x80)
            buf_puts(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, "\\u%04x", c);
        s++;
    }
    buf_putc(out, '"');
}
