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
        size_t len = strlen(key);
        char *at = buf_room(j->out, len + 4);
        if (at) {
            *at = ',';
            at[j->comma] = '"';
            at = buf_write(at + j->comma + 1, key, len);
            buf_wrote(j->out, BUF_WRITE(at, "\":"));
        }
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

char *jsonw_write_ms(char *at, int64_t ns)
{
    int64_t us = (ns < 0 ? ns - NS_PER_US / 2 : ns + NS_PER_US / 2) / NS_PER_US;
    uint64_t size = us < 0 ? -(uint64_t)us : (uint64_t)us;
    uint64_t fraction = size % 1000;
    if (us < 0)
        *at++ = '-';
    at = buf_write_uint(at, size / 1000);
    at[0] = '.';
    at[1] = (char)('0' + fraction / 100);
    at[2] = (char)('0' + fraction / 10 % 10);
    at[3] = (char)('0' + fraction % 10);
    return at + 4;
}

void jsonw_ms(struct jsonw *j, const char *key, int64_t ns)
{
    member(j, key);
    char *at = buf_room(j->out, JSONW_MS_MAX);
    if (at)
        buf_wrote(j->out, jsonw_write_ms(at, ns));
}

char *jsonw_room(struct jsonw *j, size_t n)
{
    member(j, NULL);
    return buf_room(j->out, n);
}

void jsonw_wrote(struct jsonw *j, char *end)
{
    buf_wrote(j->out, end);
}

void jsonw_repeat(struct jsonw *j, size_t at, size_t len)
{
    char *to = jsonw_room(j, len);
    if (to)
        buf_wrote(j->out, buf_write(to, j->out->data + at, len));
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

/* From a byte on that is not plain, with the closing quote. */
static void quote_rest(struct buf *out, const char *s)
{
    for (;;) {
        const char *plain = s;
        size_t n;
        while ((unsigned char)*s >= 0x80 && !str_acts_on_terminals(s) && (n = str_utf8_len(s)))
            s = skip_plain(s + n);
        buf_add(out, plain, (size_t)(s - plain));
        unsigned char c = (unsigned char)*s;
        if (!c)
            break;
        unsigned acts = c >= 0x80 ? str_acts_on_terminals(s) : 0;
        if (acts) {
            buf_printf(out, "\\u%04x", acts);
            s += str_utf8_len(s) - 1;
        } else if (c >= 0x80)
            buf_puts(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, "\\u%04x", c);
        plain = s + 1;
        s = skip_plain(plain);
        buf_add(out, plain, (size_t)(s - plain));
    }
    buf_putc(out, '"');
}

void jsonw_quote(struct buf *out, const char *s)
{
    const char *plain = s;
    s = skip_plain(s);
    size_t len = (size_t)(s - plain);
    char *at = buf_room(out, len + 2);
    if (!at)
        return;
    *at = '"';
    at = buf_write(at + 1, plain, len);
    if (!*s) {
        *at = '"';
        buf_wrote(out, at + 1);
        return;
    }
    buf_wrote(out, at);
    quote_rest(out, s);
}

void jsonw_add(struct buf *out, const char *json)
{
    for (;;) {
        const char *plain = json;
        unsigned acts = 0;
        while (*json && *json != 0x7f &&
               !((unsigned char)*json >= 0x80 && (acts = str_acts_on_terminals(json))))
            json++;
        buf_add(out, plain, (size_t)(json - plain));
        if (!*json)
            return;
        buf_printf(out, "\\u%04x", acts ? acts : 0x7f);
        json += acts ? str_utf8_len(json) : 1;
    }
}
