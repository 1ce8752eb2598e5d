/* saslprep: see saslprep.h. The normal form is utf8proc's; the tables are those of RFC 3454 that
 * RFC 4013 names. */
#include "scram/saslprep.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "base/str.h"

struct range {
    int32_t first, last;
};

static const struct range spaces[] = {
    /* C.1.2: become a blank */
    {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200b},
    {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000},
};
static const struct range nothings[] = {
    /* B.1: are left out */
    {0xad, 0xad},     {0x34f, 0x34f},   {0x1806, 0x1806}, {0x180b, 0x180d},
    {0x200c, 0x200d}, {0x2060, 0x2060}, {0xfe00, 0xfe0f}, {0xfeff, 0xfeff},
};
static const struct range prohibited[] = {
    {0x00, 0x1f},       {0x7f, 0x9f},         {0x6dd, 0x6dd},     {0x70f, 0x70f},
    {0x180e, 0x180e}, /* C.2 */
    {0x200c, 0x200d},   {0x2028, 0x2029},     {0x2060, 0x2063},   {0x206a, 0x206f},
    {0xfeff, 0xfeff},   {0xfff9, 0xfffc},     {0x1d173, 0x1d17a}, {0xe000, 0xf8ff},
    {0xf0000, 0xffffd}, {0x100000, 0x10fffd}, /* C.3: private use */
    {0xfdd0, 0xfdef},                         /* C.4, beside the last two of each plane */
    {0xd800, 0xdfff},                         /* C.5 */
    {0xfffd, 0xfffd},                         /* C.6 */
    {0x2ff0, 0x2ffb},                         /* C.7 */
    {0x340, 0x341},     {0x200e, 0x200f},     {0x202a, 0x202e}, /* C.8 */
    {0xe0001, 0xe0001}, {0xe0020, 0xe007f},                     /* C.9 */
};

static bool is_in(int32_t c, const struct range *ranges, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

#define IN(c, ranges) is_in(c, ranges, ARRAY_LEN(ranges))

static bool is_prohibited(int32_t c)
{
    return (c & 0xfffe) == 0xfffe || IN(c, prohibited);
}

/* -1: it is not UTF-8. `out` has room for the text: a blank is no longer than what it stands for.
 */
static int map(const char *text, char *out)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    while (*p) {
        int32_t c;
        utf8proc_ssize_t len = utf8proc_iterate(p, -1, &c);
        if (len <= 0)
            return -1;
        if (IN(c, spaces))
            *out++ = ' ';
        else if (!IN(c, nothings)) {
            memcpy(out, p, (size_t)len);
            out += len;
        }
        p += len;
    }
    *out = '\0';
    return 0;
}

/* RFC 3454 section 6: what runs from right to left stands alone, and at both ends. */
static int check(const char *text, struct err *e)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    bool right = false, left = false, first = false, last = false;
    for (bool begin = true; *p; begin = false) {
        int32_t c;
        p += utf8proc_iterate(p, -1, &c);
        if (is_prohibited(c))
            return err_set(e, "it holds a character that SASLprep (RFC 4013) forbids");
        int class = utf8proc_get_property(c)->bidi_class;
        last = class == UTF8PROC_BIDI_CLASS_R || class == UTF8PROC_BIDI_CLASS_AL;
        first = begin ? last : first;
        right |= last;
        left |= class == UTF8PROC_BIDI_CLASS_L;
    }
    if (right && (left || !first || !last))
        return err_set(e, "it mixes right-to-left with other characters, which SASLprep (RFC 4013) "
                          "forbids");
    return 0;
}

char *saslprep(const char *text, struct err *e)
{
    char *mapped = calloc(1, strlen(text) + 1), *normal = NULL;
    if (mapped && map(text, mapped) < 0) {
        err_set(e, "it is not UTF-8");
        str_wipe(mapped);
        return NULL;
    }
    if (mapped)
        normal = (char *)utf8proc_NFKC((const utf8proc_uint8_t *)mapped);
    str_wipe(mapped);
    if (!normal) {
        err_set(e, "out of memory");
    } else if (check(normal, e) < 0) {
        str_wipe(normal);
        normal = NULL;
    }
    return normal;
}
