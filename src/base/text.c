/* text: see text.h. */
#include "base/text.h"

#include <stdint.h>
#include <string.h>
#include <utf8proc.h>

#include "base/str.h"

#define ELLIPSIS "\xe2\x80\xa6"

/* Columns that a terminal gives to the character: 0 (combining, the vowels and finals of Hangul), 1
 * or 2; -1 for one that must not reach a terminal as it is: controls, private characters, and what
 * turns or hides the text around. */
static int columns_of(uint32_t c)
{
    if (c >= 0x1160 && c <= 0x11ff)
        return 0;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return -1;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
        return 0;
    default:
        return utf8proc_charwidth((utf8proc_int32_t)c) == 2 ? 2 : 1;
    }
}

static void escape_char(struct buf *out, uint32_t c)
{
    if (c == '\n' || c == '\t' || c == '\r')
        buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r');
    else if (c < 0x80)
        buf_printf(out, "\\x%02x", (unsigned)c);
    else
        buf_printf(out, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
}

void text_escape(struct buf *out, const char *s)
{
    while (*s) {
        size_t plain = 0;
        while (str_is_plain(s[plain]))
            plain++;
        buf_add(out, s, plain);
        s += plain;
        if (!*s)
            break;
        uint32_t c;
        size_t n = str_utf8_char(s, 4, &c);
        if (!n)
            buf_printf(out, "\\x%02x", (unsigned char)*s);
        else if (columns_of(c) < 0)
            escape_char(out, c);
        else
            buf_add(out, s, n);
        s += n ? n : 1;
    }
}

/* The next character's bytes and columns; text that is not escaped is taken byte by byte. */
static size_t next(const char *s, size_t *columns)
{
    *columns = 1; /* most of all text */
    if (str_is_plain(*s))
        return 1;
    uint32_t c;
    size_t n = str_utf8_char(s, 4, &c);
    int wide = n ? columns_of(c) : 1;
    *columns = wide < 0 ? 1 : (size_t)wide;
    return n ? n : 1;
}

size_t text_columns(const char *s)
{
    size_t sum = 0, columns;
    while (*s) {
        s += next(s, &columns);
        sum += columns;
    }
    return sum;
}

size_t text_fit(const char *s, size_t columns)
{
    size_t at = 0, used = 0, its;
    while (s[at]) {
        size_t n = next(s + at, &its);
        if (used + its > columns)
            break;
        used += its;
        at += n;
    }
    return at;
}

/* As text_fit, for wrapping: ends after a blank where there is one. At least one character, so that
 * a loop comes to an end. */
static size_t break_at(const char *s, size_t columns)
{
    size_t its, fit = text_fit(s, columns);
    if (fit == 0)
        return *s ? next(s, &its) : 0;
    if (!s[fit] || s[fit] == ' ')
        return fit;
    for (size_t at = fit; at > 0; at--)
        if (s[at - 1] == ' ')
            return at;
    return fit;
}

size_t text_add(struct buf *out, const char *s, size_t columns)
{
    size_t all = text_columns(s);
    if (all <= columns) {
        buf_puts(out, s);
        return all;
    }
    if (columns == 0)
        return 0;
    size_t n = text_fit(s, columns - 1), used = 0, its;
    for (size_t at = 0; at < n;) {
        at += next(s + at, &its);
        used += its;
    }
    buf_add(out, s, n);
    buf_puts(out, ELLIPSIS);
    return used + 1;
}

size_t text_wrap(struct buf *out, const char *s, size_t columns, size_t indent)
{
    size_t lines = 0;
    do {
        size_t n = break_at(s, columns), end = n;
        while (end && s[end - 1] == ' ')
            end--;
        if (lines++)
            text_pad(out, indent);
        buf_add(out, s, end);
        buf_putc(out, '\n');
        s += n;
        s += strspn(s, " ");
    } while (*s);
    return lines;
}

void text_pad(struct buf *out, size_t n)
{
    while (n--)
        buf_putc(out, ' ');
}
