/* jsonr: see jsonr.h. Comparing is in jsonr_compare.c. */
#include "base/jsonr.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

/* Some 2 ns each: a byte, and a token beside its bytes and a step for each pointer. */
#define WORK_MAX   2500000
#define TOKEN_WORK 4

void jsonr_init(struct jsonr *r, const char *text, size_t len)
{
    *r = (struct jsonr){.at = text, .begin = text, .end = text + len};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
        r->at += 3;
}

/* That r->at is in, from 1 on. */
static size_t line_of(const struct jsonr *r)
{
    size_t line = 1;
    for (const char *p = r->begin; p < r->at; p++)
        line += *p == '\n';
    return line;
}

static enum jsonr_token wrong(struct jsonr *r, const char *words)
{
    r->wrong = words;
    return JSONR_WRONG;
}

static void skip_blanks(struct jsonr *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

/* Of the open brackets, the outermost being number 1. */
static bool is_object(const struct jsonr *r, unsigned n)
{
    return r->is_object[(n - 1) / 8] >> ((n - 1) % 8) & 1;
}

static bool in_object(const struct jsonr *r)
{
    return is_object(r, r->depth);
}

static void value_done(struct jsonr *r)
{
    r->want = r->depth ? WANT_NEXT : WANT_END;
}

static enum jsonr_token open(struct jsonr *r, bool object)
{
    if (r->depth == JSONR_DEPTH) {
        r->too_deep = true;
        return wrong(r, "it is nested too deep to be read");
    }
    uint8_t bit = (uint8_t)(1u << (r->depth % 8)), *byte = &r->is_object[r->depth / 8];
    *byte = (uint8_t)(object ? *byte | bit : *byte & ~bit);
    r->depth++;
    r->at++;
    r->want = WANT_FIRST;
    return object ? JSONR_OBJECT : JSONR_ARRAY;
}

static enum jsonr_token close(struct jsonr *r)
{
    r->at++;
    r->depth--;
    value_done(r);
    return JSONR_CLOSE;
}

/* What follows a backslash in a string; its length, 0 when it is wrong. */
static size_t escape_len(const char *p, const char *end)
{
    if (p == end || !*p || !strchr("\"\\/bfnrtu", *p))
        return 0;
    if (*p != 'u')
        return 1;
    for (int i = 1; i <= 4; i++)
        if (p + i >= end || str_hex(p[i]) < 0)
            return 0;
    return 5;
}

static bool read_string(struct jsonr *r)
{
    const char *p = r->at + 1, *end = r->end;
    while (p < end && *p != '"') {
        uint32_t c;
        size_t n = 1;
        if (*p == '\\') {
            n = escape_len(p + 1, end);
            n += n > 0;
        } else if (!str_is_plain(*p)) {
            n = str_utf8_char(p, (size_t)(end - p), &c);
            n = c < 0x20 ? 0 : n;
        }
        if (!n) {
            r->at = p;
            r->wrong = *p == '\\'                  ? "an escape that JSON does not have"
                       : (unsigned char)*p >= 0x80 ? "a string is not UTF-8"
                                                   : "a control character in a string";
            return false;
        }
        p += n;
    }
    if (p >= end)
        r->wrong = "a string without end";
    r->at = p + (p < end);
    return p < end;
}

static size_t digits(const char *p, const char *end)
{
    const char *from = p;
    while (p < end && *p >= '0' && *p <= '9')
        p++;
    return (size_t)(p - from);
}

static bool read_number(struct jsonr *r)
{
    const char *p = r->at + (*r->at == '-');
    size_t n = digits(p, r->end);
    bool ok = n == 1 || (n > 1 && *p != '0');
    p += n;
    if (ok && p < r->end && *p == '.') {
        n = digits(++p, r->end);
        ok = n > 0;
        p += n;
    }
    if (ok && p < r->end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < r->end && (*p == '+' || *p == '-');
        n = digits(p, r->end);
        ok = n > 0;
        p += n;
    }
    if (ok)
        r->at = p;
    else
        r->wrong = "a number that JSON does not have";
    return ok;
}

static bool read_word(struct jsonr *r)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(r->end - r->at) >= n && memcmp(r->at, words[i], n) == 0) {
            r->at += n;
            return true;
        }
    }
    r->wrong = "expected a value";
    return false;
}

static enum jsonr_token read_value(struct jsonr *r)
{
    enum jsonr_token token = JSONR_WORD;
    bool ok;
    if (*r->at == '{' || *r->at == '[')
        return open(r, *r->at == '{');
    if (*r->at == '"') {
        token = JSONR_STRING;
        ok = read_string(r);
    } else if (*r->at == '-' || digits(r->at, r->end)) {
        token = JSONR_NUMBER;
        ok = read_number(r);
    } else {
        ok = read_word(r);
    }
    value_done(r);
    return ok ? token : JSONR_WRONG;
}

static enum jsonr_token read_key(struct jsonr *r)
{
    if (*r->at != '"')
        return wrong(r, "expected a name in quotes");
    if (!read_string(r))
        return JSONR_WRONG;
    r->len = (size_t)(r->at - r->token);
    skip_blanks(r);
    if (r->at == r->end || *r->at != ':')
        return wrong(r, "expected a colon after the name");
    r->at++;
    r->want = WANT_VALUE;
    return JSONR_KEY;
}

enum jsonr_token jsonr_next(struct jsonr *r)
{
    if (r->wrong)
        return JSONR_WRONG;
    skip_blanks(r);
    if (r->want == WANT_END)
        return r->at == r->end ? JSONR_END : wrong(r, "something follows the value");
    if (r->at == r->end)
        return wrong(r, r->depth ? "it ends too early" : "it is empty");
    bool closes = r->depth && *r->at == (in_object(r) ? '}' : ']');
    if (r->want == WANT_NEXT && !closes) {
        if (*r->at != ',')
            return wrong(r, in_object(r) ? "expected , or }" : "expected , or ]");
        r->at++;
        skip_blanks(r);
        if (r->at == r->end)
            return wrong(r, "it ends too early");
    }
    r->token = r->at;
    r->len = 1;
    if (closes && (r->want == WANT_NEXT || r->want == WANT_FIRST))
        return close(r);
    if (r->want != WANT_VALUE && in_object(r))
        return read_key(r);
    enum jsonr_token token = read_value(r);
    if (token != JSONR_OBJECT && token != JSONR_ARRAY)
        r->len = (size_t)(r->at - r->token);
    return token;
}

static uint32_t hex4(const char *p)
{
    uint32_t n = 0;
    for (int i = 0; i < 4; i++)
        n = n * 16 + (uint32_t)str_hex(p[i]);
    return n;
}

bool jsonr_char(const char **at, uint32_t *c)
{
    static const char letters[] = "bfnrt", controls[] = "\b\f\n\r\t";
    const char *p = *at;
    if (*p == '"')
        return false;
    if (*p != '\\') {
        *at += str_utf8_char(p, 4, c);
        return true;
    }
    const char *letter = strchr(letters, p[1]);
    *c = (unsigned char)(letter ? controls[letter - letters] : p[1]);
    *at += 2;
    if (p[1] != 'u')
        return true;
    *c = hex4(p + 2);
    *at += 4;
    bool high = *c >= 0xd800 && *c < 0xdc00, pair = high && p[6] == '\\' && p[7] == 'u';
    uint32_t low = pair ? hex4(p + 8) : 0;
    if (low >= 0xdc00 && low < 0xe000) {
        *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
        *at += 6;
    }
    return true;
}

/* ---- Pointers ---- */

bool jsonr_pointer_ok(const char *p)
{
    if (*p && *p != '/')
        return false;
    for (; *p; p++)
        if (*p == '~' && p[1] != '0' && p[1] != '1')
            return false;
    return true;
}

/* What is left of the pointer behind its first `n` parts. */
static const char *part_after(const char *pointer, unsigned n)
{
    for (; n; n--)
        pointer += 1 + strcspn(pointer + 1, "/");
    return pointer;
}

/* Is the name, in its quotes, the part of a pointer that begins at `part`? */
static bool is_part(const char *part, const char *name)
{
    uint32_t c, wanted;
    for (name++, part++;;) {
        bool more = jsonr_char(&name, &c), wants = *part && *part != '/';
        if (!more || !wants)
            return more == wants;
        size_t n = str_utf8_char(part, 4, &wanted);
        if (wanted == '~') {
            wanted = part[1] == '1' ? '/' : '~';
            n = 2;
        }
        if (c != wanted)
            return false;
        part += n;
    }
}

/* An index is of digits, without a leading zero. */
static bool is_index(const char *part, size_t index)
{
    size_t len = strcspn(++part, "/"), n = 0;
    if (!len || len > 15 || strspn(part, "0123456789") < len || (*part == '0' && len > 1))
        return false;
    for (size_t i = 0; i < len; i++)
        n = n * 10 + (size_t)(part[i] - '0');
    return n == index;
}

/* A value begins in the brackets that the way has led to. */
static void meet_value(struct jsonr_path *p, const struct jsonr *r, bool opens)
{
    if (p->depth && !is_object(r, p->depth))
        p->on_way = is_index(p->part, p->index++);
    if (!p->on_way)
        return;
    const char *rest = part_after(p->pointer, p->depth);
    p->on_way = false;
    p->value = NULL; /* of equal names the last counts */
    if (!*rest) {
        p->value = r->token;
        p->len = (size_t)(r->at - r->token);
        p->inside = opens;
    } else if (opens) {
        p->part = rest;
        p->depth = r->depth;
        p->index = 0;
    }
}

static void meet_close(struct jsonr_path *p, const struct jsonr *r)
{
    if (p->inside && r->depth == p->depth) {
        p->inside = false;
        p->len = (size_t)(r->at - p->value);
    } else if (!p->inside && r->depth + 1 == p->depth) {
        p->depth = r->depth;
        p->part = p->depth ? part_after(p->pointer, p->depth - 1) : p->pointer;
        p->index = SIZE_MAX / 2; /* an item of an array comes once */
    }
}

enum jsonr_found jsonr_find(const char *text, size_t len, struct jsonr_path *paths, size_t n,
                            struct err *e)
{
    struct jsonr r;
    enum jsonr_token token;
    size_t work = len;
    jsonr_init(&r, text, len);
    for (size_t i = 0; i < n; i++)
        paths[i] = (struct jsonr_path){.pointer = paths[i].pointer, .on_way = true};
    while ((token = jsonr_next(&r)) != JSONR_END && work < WORK_MAX) {
        if (token == JSONR_WRONG) {
            err_set(e, "line %zu: %s", line_of(&r), r.wrong);
            return r.too_deep ? JSONR_TOO_COSTLY : JSONR_NOT_JSON;
        }
        bool opens = token == JSONR_OBJECT || token == JSONR_ARRAY;
        work += TOKEN_WORK + n;
        for (size_t i = 0; i < n; i++) {
            struct jsonr_path *p = &paths[i];
            if (token == JSONR_CLOSE)
                meet_close(p, &r);
            else if (p->inside || p->depth != r.depth - opens)
                continue;
            else if (token == JSONR_KEY)
                p->on_way = is_part(p->part, r.token);
            else
                meet_value(p, &r, opens);
        }
    }
    if (token == JSONR_END)
        return JSONR_FOUND;
    err_set(e, "to read so much JSON takes more than 5 ms");
    return JSONR_TOO_COSTLY;
}

bool jsonr_has_at_most(const char *text, size_t len, size_t most)
{
    struct jsonr r;
    enum jsonr_token token;
    jsonr_init(&r, text, len);
    for (size_t n = 0; (token = jsonr_next(&r)) > JSONR_END;) {
        n += token != JSONR_KEY && token != JSONR_CLOSE;
        if (n > most)
            return false;
    }
    return token == JSONR_END;
}

bool jsonr_compact(const char *text, size_t len, char *out, size_t size)
{
    struct jsonr r;
    enum jsonr_token token, before = JSONR_ARRAY;
    size_t used = 0;
    jsonr_init(&r, text, len);
    while ((token = jsonr_next(&r)) > JSONR_END) {
        bool first = before == JSONR_ARRAY || before == JSONR_OBJECT || before == JSONR_KEY;
        size_t comma = !first && token != JSONR_CLOSE, need = comma + r.len + (token == JSONR_KEY);
        if (used + need >= size) {
            need = size - 1 - used < need ? size - 1 - used : need;
            snprintf(out + used, need + 1, "%s%.*s", comma ? "," : "", (int)need, r.token);
            if (size > 4)
                memcpy(out + size - 4, "...", 4);
            return false;
        }
        used += (size_t)sprintf(out + used, "%s%.*s%s", comma ? "," : "", (int)r.len, r.token,
                                token == JSONR_KEY ? ":" : "");
        before = token;
    }
    out[used] = '\0';
    return true;
}
