/* mask: see mask.h. */
#include "config/mask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/redact.h"

#define WORD_MIN 4
#define HIDDEN   "***"

/* Of a secret that was cut off: so much of it tells that it was one; so much where nothing shows
 * the cut. */
#define START_MIN 4
#define START_ANY 8

/* ---- The words ---- */

static int add_word(struct mask *m, const char *text, size_t len, bool is_line)
{
    if (len < WORD_MIN)
        return 0;
    for (size_t i = 0; i < m->n; i++)
        if (m->words[i].len == len && memcmp(m->words[i].text, text, len) == 0)
            return 0;
    struct mask_word *grown = realloc(m->words, (m->n + 1) * sizeof *grown);
    if (!grown)
        return -1;
    m->words = grown;
    grown[m->n] = (struct mask_word){str_dup_n(text, len), len, is_line};
    return grown[m->n].text ? (m->n++, 0) : -1;
}

/* What of the base64 of any text with the secret in it, `skip` bytes behind a group of three, is
 * the secret's alone. */
static int add_base64_at(struct mask *m, const char *text, size_t len, size_t skip)
{
    static const size_t lost[] = {0, 2, 3}; /* characters that the bytes before it have a part in */
    len = strnlen(text, len);               /* a URI may hold %00 */
    char *padded = str_format("%.*s%.*s", (int)skip, "\x01\x01", (int)len, text);
    char *coded = padded ? str_base64(padded) : NULL;
    int rc = coded ? 0 : -1;
    if (coded) {
        size_t whole = (skip + len) * 8 / 6; /* characters that only it has a part in */
        if (whole > lost[skip] + 6)
            rc = add_word(m, coded + lost[skip], whole - lost[skip], false);
    }
    str_wipe(padded);
    str_wipe(coded);
    return rc;
}

static int add_secret(struct mask *m, const char *text, size_t len, bool is_line)
{
    int rc = add_word(m, text, len, is_line);
    for (size_t skip = 0; rc == 0 && skip < 3 && len >= WORD_MIN; skip++)
        rc = add_base64_at(m, text, len, skip);
    return rc;
}

/* "Name: value" or bytes to send: all of it, and its words but the first, which names the header
 * or the command; a scheme ("Basic") and a version ("HTTP/1.1") are none. */
static int add_line(struct mask *m, const char *line, size_t len)
{
    static const char *const harmless[] = {
        "Accept", "Host:", "User-Agent:", "Connection", "Cache-Control:", "Content-"};
    for (size_t i = 0; i < ARRAY_LEN(harmless); i++)
        if (strncasecmp(line, harmless[i], strlen(harmless[i])) == 0)
            return 0;
    static const char ends[] = " \t,;\"'";
    static const char name[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t variable = strspn(line, name); /* NAME=value: the value by itself */
    if (variable < len && line[variable] == '=' &&
        add_secret(m, line + variable + 1, len - variable - 1, false) < 0)
        return -1;
    bool first = true;
    int rc = add_secret(m, line, len, memchr(line, ' ', len) != NULL);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t n = 0;
        while (at + n < len && !strchr(ends, line[at + n]))
            n++;
        bool plain = first || strncasecmp(line + at, "basic", 5) == 0 ||
                     strncasecmp(line + at, "bearer", 6) == 0 ||
                     strncasecmp(line + at, "http/", 5) == 0;
        if (n && !plain)
            rc = add_secret(m, line + at, n, false);
        first = first && !n;
        at += n + 1;
    }
    return rc;
}

/* The escapes of C as far as they matter here: in place. The length. */
static size_t unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        unsigned byte;
        int n = 0;
        if (from[0] == '\\' && from[1] == 'x' && sscanf(from + 2, "%2x%n", &byte, &n) == 1) {
            *to++ = byte ? (char)byte : '\n'; /* a NUL ends a word as well */
            from += 1 + n;
        } else if (from[0] == '\\' && from[1]) {
            from++;
            *to++ = *from == 'r' || *from == 'n' || *from == '0' ? '\n'
                    : *from == 't'                               ? '\t'
                                                                 : *from;
        } else {
            *to++ = *from;
        }
    }
    *to = '\0';
    return (size_t)(to - text);
}

static int add_lines(struct mask *m, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        return -1;
    size_t len = unescape(copy);
    int rc = 0;
    for (size_t at = 0; rc == 0 && at < len;) {
        const char *end = memchr(copy + at, '\n', len - at);
        size_t n = end ? (size_t)(end - copy) - at : len - at;
        rc = add_line(m, copy + at, n);
        at += n + 1;
    }
    explicit_bzero(copy, strlen(text));
    free(copy);
    return rc;
}

/* What stands in a URI may be percent-encoded: the plain form is what is looked for. */
static int add_encoded(void *ctx, const char *text, size_t len)
{
    char *plain = str_dup_n(text, len), *to = plain;
    if (!plain)
        return -1;
    for (size_t i = 0; i < len; i++) {
        unsigned byte;
        if (text[i] == '%' && i + 2 < len && sscanf(text + i + 1, "%2x", &byte) == 1) {
            *to++ = (char)byte;
            i += 2;
        } else {
            *to++ = text[i];
        }
    }
    int rc = add_secret(ctx, plain, (size_t)(to - plain), false);
    explicit_bzero(plain, len);
    free(plain);
    return rc;
}

static int add_value(struct mask *m, const struct probe_key *key, const struct probe_value *v)
{
    int rc = 0;
    if (!v->text && !v->n_lines)
        return 0;
    for (const char *at = v->inserted; rc == 0 && at && *at;) {
        size_t n = strcspn(at, "\n");
        rc = add_secret(m, at, n, false);
        at += n + (at[n] != '\0');
    }
    if (rc < 0)
        return rc;
    if (!(key->flags & KEY_SECRET))
        return key->flags & KEY_MAY_HIDE ? redact_secrets_of(v->text, add_encoded, m) : 0;
    if (key->kind == KEY_LINES && (key->flags & KEY_ESCAPES)) { /* what is sent may hold one */
        for (size_t i = 0; rc == 0 && i < v->n_lines; i++)
            if (strncmp(v->lines[i], "send", 4) == 0)
                rc = add_lines(m, v->lines[i] + 4 + strspn(v->lines[i] + 4, " \t"));
        return rc;
    }
    if (key->kind == KEY_LINES) {
        for (size_t i = 0; rc == 0 && i < v->n_lines; i++)
            rc = add_line(m, v->lines[i], strlen(v->lines[i]));
        return rc;
    }
    return redact_holds_secret(key, v->text) ? add_secret(m, v->text, strlen(v->text), false)
                                             : add_lines(m, v->text);
}

static int longest_first(const void *a, const void *b)
{
    const struct mask_word *x = a, *y = b;
    return x->len < y->len ? 1 : -(x->len > y->len);
}

int mask_init(struct mask *m, const struct probe_key *keys, const struct probe_value *values,
              size_t n)
{
    *m = (struct mask){0};
    for (size_t k = 0; k < n; k++)
        if (add_value(m, &keys[k], &values[k]) < 0)
            return -1;
    if (m->n)
        qsort(m->words, m->n, sizeof *m->words, longest_first);
    return 0;
}

void mask_fini(struct mask *m)
{
    for (size_t i = 0; i < m->n; i++) {
        explicit_bzero(m->words[i].text, m->words[i].len);
        free(m->words[i].text);
    }
    free(m->words);
    *m = (struct mask){0};
}

/* ---- The text ---- */

/* How many bytes of `text` stand for the byte `c`: as it is, "%XX", "\xXX", "\c"; 0: none. */
static size_t one(const char *text, char c)
{
    size_t prefix = text[0] == '%' ? 1 : text[0] == '\\' && text[1] == 'x' ? 2 : 0;
    int high = prefix ? str_hex(text[prefix]) : -1, low = high < 0 ? -1 : str_hex(text[prefix + 1]);
    if (low >= 0 && (unsigned char)c == (high << 4 | low))
        return prefix + 2;
    if (!c) /* in the text that byte is its end */
        return 0;
    if (text[0] == c)
        return 1;
    if (text[0] == '\\' && text[1] == c)
        return 2;
    /* The two alphabets of base64, and a form's blank. */
    bool same = (c == '+' && text[0] == '-') || (c == '/' && text[0] == '_') ||
                (c == ' ' && text[0] == '+');
    return same ? 1 : 0;
}

/* Was something cut off before this place? */
static bool is_cut(const char *text)
{
    return !*text || strncmp(text, "...", 3) == 0 || strncmp(text, "\xe2\x80\xa6", 3) == 0 ||
           strchr("\"')", *text);
}

/* The character that stands at `text` escaped, as in JSON ("\u00e9") or HTML ("&amp;", "&#233;"),
 * in UTF-8; the bytes of `text` that it takes, 0: none does. */
static size_t unescape_char(const char *text, char out[4], size_t *out_len)
{
    static const struct {
        const char *text;
        char c;
    } named[] = {{"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&quot;", '"'}, {"&apos;", '\''}};
    unsigned c, low;
    int n = 0, more = 0;
    if (*text != '&' && *text != '\\')
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(named); i++)
        if (str_starts(text, named[i].text)) {
            *out = named[i].c;
            *out_len = 1;
            return strlen(named[i].text);
        }
    if (sscanf(text, "\\u%4x%n", &c, &n) == 1) {
        if (c >> 10 == 0xd800 >> 10 && sscanf(text + n, "\\u%4x%n", &low, &more) == 1)
            c = 0x10000 + ((c & 0x3ff) << 10 | (low & 0x3ff));
    } else if (sscanf(text, "&#x%6x;%n", &c, &n) < 1) {
        sscanf(text, "&#%7u;%n", &c, &n);
    }
    if (n)
        *out_len = str_utf8_put(c, out);
    return n ? (size_t)(n + more) : 0;
}

/* How much of `text` is the word, or its start before a cut; 0: nothing. */
static size_t match(const char *text, const struct mask_word *w)
{
    size_t at = 0, i = 0;
    while (i < w->len) {
        char c[4];
        size_t took = 0, n = unescape_char(text + at, c, &took);
        if (!n || took > w->len - i || memcmp(c, w->text + i, took) != 0) {
            took = 1;
            n = one(text + at, w->text[i]);
        }
        if (!n)
            break;
        at += n;
        i += took;
    }
    bool is_start = (i >= START_ANY && !w->is_line) || (i >= START_MIN && is_cut(text + at));
    return i == w->len || is_start ? at : 0;
}

/* The same in hex, "68756e7465". */
static size_t match_hex(const char *text, const struct mask_word *w)
{
    size_t i = 0;
    for (; i < w->len; i++) {
        int high = str_hex(text[2 * i]), low = high < 0 ? -1 : str_hex(text[2 * i + 1]);
        if (low < 0 || (unsigned char)w->text[i] != (high << 4 | low))
            break;
    }
    return i == w->len || i >= START_ANY ? 2 * i : 0;
}

char *mask_apply(const struct mask *m, char *text)
{
    struct buf b;
    bool found = false;
    if (!text || !m->n)
        return text;
    buf_init(&b, 4 * strlen(text) + 1);
    for (const char *at = text; *at;) {
        size_t n = 0;
        for (size_t i = 0; i < m->n && !n; i++)
            if (!(n = match(at, &m->words[i])))
                n = match_hex(at, &m->words[i]);
        if (n)
            buf_puts(&b, HIDDEN);
        else
            buf_putc(&b, *at);
        found = found || n;
        at += n ? n : 1;
    }
    if (!found) {
        buf_fini(&b);
        return text;
    }
    free(text);
    return buf_take(&b);
}

static int add_parts(void *ctx, const char *secret, size_t len)
{
    int rc = add_word(ctx, secret, len, false);
    for (size_t at = 0; rc == 0 && at < len;) {
        size_t n = 0;
        while (at + n < len && !strchr("/?#@&;:=", secret[at + n]))
            n++;
        rc = add_word(ctx, secret + at, n, false);
        at += n + 1;
    }
    return rc;
}

char *mask_apply_url(const char *url, char *text)
{
    struct mask m = {0};
    if (text && redact_secrets_of(url, add_parts, &m) < 0) {
        free(text);
        text = NULL;
    }
    if (m.n)
        qsort(m.words, m.n, sizeof *m.words, longest_first);
    text = mask_apply(&m, text);
    mask_fini(&m);
    return text;
}
