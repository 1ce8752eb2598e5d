/* pattern_escape: see pattern_escape.h. */
#include "base/pattern_escape.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/str.h"

int pattern_char(const char **at, uint32_t *c, struct err *e)
{
    size_t n = str_utf8_char(*at, 4, c);
    if (!n)
        return err_set(e, "byte \\x%02x of it is not UTF-8: \\x{fffd} stands for such a byte",
                       (unsigned char)**at);
    *at += n;
    return 0;
}

/* ---- Escapes ---- */

static bool is_octal(char c)
{
    return c >= '0' && c <= '7';
}

/* \0, \12, \123: up to three digits. */
static uint32_t read_octal(const char **at)
{
    uint32_t c = 0;
    for (int i = 0; i < 3 && is_octal(**at); i++)
        c = c * 8 + (uint32_t)(*(*at)++ - '0');
    return c;
}

/* \xHH and \x{H...}; *at is behind the x. */
static int read_hex(const char **at, uint32_t *c, struct err *e)
{
    const char *p = *at + (**at == '{');
    size_t digits = strspn(p, "0123456789abcdefABCDEF");
    bool closed = p == *at ? digits >= 2 : digits && p[digits] == '}';
    if (!closed)
        return err_set(e, "\\x is followed by two hexadecimal digits, or by more of them in { }");
    char *end;
    char two[3] = {p[0], p[1], '\0'};
    unsigned long value = p == *at ? strtoul(two, &end, 16) : strtoul(p, &end, 16);
    if (value > CHAR_MAX_POINT)
        return err_set(e, "\\x{%.*s} is beyond the last character, 10FFFF",
                       (int)(digits > 20 ? 20 : digits), p);
    *c = (uint32_t)value;
    *at = p == *at ? p + 2 : p + digits + 1;
    return 0;
}

/* Escapes of other syntaxes, and what to write here. */
static int refuse_escape(const char *at, struct err *e)
{
    static const struct {
        char letter;
        const char *words;
    } rows[] = {
        {'C', "\\C is one byte, and patterns are of characters: write (?s:.)"},
        {'E', "\\E without \\Q"},
        {'G', "\\G is not known: every text is searched from its beginning, write \\A"},
        {'H', "\\H is not known: write [^\\t ]"},
        {'K', "\\K is not known, and changes nothing about whether there is a match: leave it out"},
        {'N', "\\N is not known: write a dot"},
        {'R', "\\R is not known: write (?:\\r\\n|[\\n\\r])"},
        {'U', "\\U is not known: write \\x{...} with the number of the character"},
        {'V', "\\V is not known: write [^\\n\\r]"},
        {'X', "\\X is not known: write \\PM\\pM*"},
        {'Z', "\\Z is not known: write \\z, or \\n?\\z"},
        {'c', "\\c is not known: write \\x and two hexadecimal digits"},
        {'e', "\\e is not known: write \\x1b"},
        {'g', "\\g is a back-reference, which RE2's syntax lacks: write out what may come again"},
        {'h', "\\h is not known: write [\\t ]"},
        {'k', "\\k is a back-reference, which RE2's syntax lacks: write out what may come again"},
        {'u', "\\u is not known: write \\x{...} with the number of the character"},
    };
    if (!at[1])
        return err_set(e, "it ends with a backslash");
    if (at[1] >= '1' && at[1] <= '9')
        return err_set(
            e,
            "\\%c is a back-reference, which RE2's syntax lacks: write out what may come "
            "again",
            at[1]);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (at[1] == rows[i].letter)
            return err_set(e, "%s", rows[i].words);
    if (!isalnum((unsigned char)at[1]))
        return err_set(e, "a backslash stands before a character that needs none");
    return err_set(e, "\\%c is not known", at[1]);
}

int pattern_escape(const char **at, uint32_t *c, struct err *e)
{
    static const char letters[] = "afnrtv", controls[] = "\a\f\n\r\t\v";
    char escaped = (*at)[1];
    if (escaped == 'x') {
        *at += 2;
        return read_hex(at, c, e);
    }
    if (escaped == '0' || (is_octal(escaped) && is_octal((*at)[2]))) {
        ++*at;
        *c = read_octal(at);
        return 0;
    }
    const char *letter = escaped ? strchr(letters, escaped) : NULL;
    if (!letter && (!escaped || (unsigned char)escaped >= 0x80 || isalnum((unsigned char)escaped)))
        return refuse_escape(*at, e);
    *c = (unsigned char)(letter ? controls[letter - letters] : escaped);
    *at += 2;
    return 0;
}

/* ---- Classes ---- */

static void finish_class(struct pattern_class *set, unsigned flags, bool inverted)
{
    if (flags & FLAG_FOLD)
        class_fold(set);
    if (inverted)
        class_invert(set);
}

/* \pL, \p{Greek}, \P{...}, \p{^...} */
static int parse_property(const char **at, unsigned flags, struct pattern_class *set, struct err *e)
{
    const char *name = *at + 2, *end;
    bool inverted = (*at)[1] == 'P';
    bool braces = *name == '{';
    if (braces) {
        if (*++name == '^') {
            inverted = !inverted;
            name++;
        }
        end = strchr(name, '}');
    } else {
        end = *name ? name + str_utf8_len(name) : NULL;
    }
    if (!end)
        return err_set(e, "\\%c is followed by a letter, or by a name in { }", (*at)[1]);
    size_t len = (size_t)(end - name);
    if (!class_add_unicode(set, name, len))
        return err_set(e,
                       "\\%c{%.*s} is not known: general categories and scripts are, such as L, Lu "
                       "and Greek",
                       (*at)[1], (int)(len > 40 ? 40 : len), name);
    finish_class(set, flags, inverted);
    *at = end + braces;
    return 1;
}

int pattern_escape_class(const char **at, unsigned flags, struct pattern_class *set, struct err *e)
{
    char c = (*at)[0] == '\\' ? (*at)[1] : '\0';
    if (c == 'p' || c == 'P')
        return parse_property(at, flags, set, e);
    if (!c || !strchr("dswDSW", c))
        return 0;
    class_add_perl(set, (char)tolower(c));
    finish_class(set, flags, c < 'a');
    *at += 2;
    return 1;
}

/* [:name:] and [:^name:] within brackets. 1; 0: it is none. */
static int parse_posix(const char **at, unsigned flags, struct pattern_class *set, struct err *e)
{
    const char *end = str_starts(*at, "[:") ? strstr(*at + 2, ":]") : NULL;
    if (!end)
        return 0;
    const char *name = *at + 2;
    bool inverted = *name == '^';
    name += inverted;
    size_t len = (size_t)(end - name);
    if (!class_add_posix(set, name, len))
        return err_set(e, "[:%.*s:] is not known", (int)(len > 40 ? 40 : len), name);
    finish_class(set, flags, inverted);
    *at = end + 2;
    return 1;
}

/* A class within brackets. 1; 0: there is none. */
static int add_class(const char **at, unsigned flags, struct pattern_class *set, struct err *e)
{
    struct pattern_class part = {0};
    int rc = parse_posix(at, flags, &part, e);
    if (rc == 0)
        rc = pattern_escape_class(at, flags, &part, e);
    if (rc > 0)
        class_add_all(set, &part);
    class_fini(&part);
    return rc;
}

static int parse_bound(const char **at, uint32_t *c, struct err *e)
{
    return **at == '\\' ? pattern_escape(at, c, e) : pattern_char(at, c, e);
}

static int add_range(const char **at, struct pattern_class *set, struct err *e)
{
    uint32_t first, last;
    const char *from = *at;
    if (parse_bound(at, &first, e) < 0)
        return -1;
    last = first;
    if ((*at)[0] == '-' && (*at)[1] && (*at)[1] != ']') {
        ++*at;
        if (parse_bound(at, &last, e) < 0)
            return -1;
        if (last < first)
            return err_set(e, "the range %.*s inside [ ] is the wrong way round", (int)(*at - from),
                           from);
    }
    class_add(set, first, last);
    return 0;
}

/* [:name:] and [^:name:] where no brackets are around it; in RE2 that is a class of letters. */
static int refuse_bare_name(const char *at, struct err *e)
{
    bool inverted = at[1] == '^';
    const char *name = at + 1 + inverted;
    if (*name != ':')
        return 0;
    size_t hat = name[1] == '^', len = 1 + hat;
    while (isalpha((unsigned char)name[len]))
        len++;
    if (len == 1 + hat || !str_starts(name + len, ":]"))
        return 0;
    int n = (int)(len > 40 ? 40 : len + 1);
    return err_set(e, "[%.*s] stands inside of brackets only: write [%s[%.*s]]", n, name,
                   inverted ? "^" : "", n, name);
}

int pattern_brackets(const char **at, unsigned flags, struct pattern_class *set, struct err *e)
{
    if (refuse_bare_name(*at, e) < 0)
        return -1;
    ++*at;
    bool inverted = **at == '^';
    *at += inverted;
    for (bool first = true; first || **at != ']'; first = false) {
        if (!**at)
            return err_set(e, "[ without ]: write \\[ for the character");
        int rc = add_class(at, flags, set, e);
        if (rc < 0 || (rc == 0 && add_range(at, set, e) < 0))
            return -1;
    }
    ++*at;
    finish_class(set, flags, inverted);
    return 0;
}
