/* pattern: see pattern.h. The text is first read by a small scanner of our own, because the C
 * libraries differ in what they take beyond POSIX (glibc reads \d as the letter d), and because
 * regcomp answers nested repetitions and parentheses with unbounded memory and stack. */
#include "base/pattern.h"

#include <ctype.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define TEXT_MAX   4096
#define DEPTH_MAX  64
#define REPEAT_MAX 255   /* RE_DUP_MAX of POSIX; musl's limit */
#define SIZE_LIMIT 20000 /* atoms after the repetitions are written out */

struct pattern {
    regex_t regex;
    char *text;
};

struct scan {
    const char *at;
    struct buf out;
    size_t depth;
    size_t sum[DEPTH_MAX + 1]; /* expanded size of each open group so far */
    size_t last;               /* and of the last atom, which a repetition multiplies */
};

/* What a backslash and a letter or digit stand for; NULL: unknown. */
static const char *escape_for(char c)
{
    switch (c) {
    case 'n':
        return "\n";
    case 'r':
        return "\r";
    case 't':
        return "\t";
    case 'd':
        return "[0-9]";
    case 'D':
        return "[^0-9]";
    case 'w':
        return "[[:alnum:]_]";
    case 'W':
        return "[^[:alnum:]_]";
    case 's':
        return "[[:space:]]";
    case 'S':
        return "[^[:space:]]";
    default:
        return NULL;
    }
}

static void add_atom(struct scan *s, size_t size)
{
    s->last = size;
    s->sum[s->depth] += size;
}

static int scan_escape(struct scan *s, struct err *e)
{
    char c = s->at[1];
    if (!c)
        return err_set(e, "it ends with a backslash");
    if (c >= '1' && c <= '9')
        return err_set(e, "back-references (\\%c) are not supported", c);
    if (isalnum((unsigned char)c)) {
        const char *as = escape_for(c);
        if (!as)
            return err_set(e, "\\%c is not known; only \\d \\D \\w \\W \\s \\S \\n \\r \\t are", c);
        buf_puts(&s->out, as);
    } else if (c == '<' || c == '>' || c == '`' || c == '\'') {
        buf_putc(&s->out, c); /* a word boundary to GNU only: here what POSIX has, the character */
    } else {
        buf_add(&s->out, s->at, 2);
    }
    add_atom(s, 1);
    s->at += 2;
    return 0;
}

static int scan_bracket(struct scan *s, struct err *e)
{
    const char *p = s->at + 1;
    if (*p == '^')
        p++;
    if (*p == ']')
        p++;
    for (; *p != ']'; p++) {
        if (!*p)
            return err_set(e, "[ without ]");
        if (*p == '\\' && isalnum((unsigned char)p[1]))
            return err_set(e,
                           "inside [ ] a backslash is an ordinary character, so \\%c there is not "
                           "what it looks like; write [:digit:], [:alnum:] or [:space:]",
                           p[1]);
        if (*p == '[' && (p[1] == ':' || p[1] == '.' || p[1] == '=')) {
            const char *end = p + 2;
            while (*end && !(end[0] == p[1] && end[1] == ']'))
                end++;
            if (!*end)
                return err_set(e, "[%c without %c]", p[1], p[1]);
            p = end + 1;
        }
    }
    buf_add(&s->out, s->at, (size_t)(p + 1 - s->at));
    add_atom(s, 1);
    s->at = p + 1;
    return 0;
}

/* {n}, {n,} or {n,m}: regcomp judges the syntax; here only how much it multiplies. */
static int scan_repeat(struct scan *s, struct err *e)
{
    size_t times = 0, number = 0;
    const char *p = s->at + 1;
    for (; isdigit((unsigned char)*p) || *p == ','; p++) {
        number = *p == ',' ? 0 : number * 10 + (size_t)(*p - '0');
        if (number > REPEAT_MAX)
            return err_set(e, "a repetition is at most %d times", REPEAT_MAX);
        times = number > times ? number : times;
    }
    if (times > 1) {
        s->sum[s->depth] += s->last * (times - 1);
        s->last *= times;
    }
    buf_add(&s->out, s->at, (size_t)(p - s->at));
    s->at = p;
    return 0;
}

static int scan_group(struct scan *s, struct err *e)
{
    char c = *s->at++;
    buf_putc(&s->out, c);
    if (c == '(') {
        if (s->depth == DEPTH_MAX)
            return err_set(e, "parentheses more than %d deep", DEPTH_MAX);
        if (*s->at == '?')
            return err_set(e, "(? is Perl's; this is a POSIX extended regular expression");
        s->sum[++s->depth] = 0;
        return 0;
    }
    if (!s->depth)
        return err_set(e, ") without (");
    size_t inner = s->sum[s->depth--];
    add_atom(s, inner ? inner : 1);
    return 0;
}

static int scan_one(struct scan *s, struct err *e)
{
    switch (*s->at) {
    case '\\':
        return scan_escape(s, e);
    case '[':
        return scan_bracket(s, e);
    case '(':
    case ')':
        return scan_group(s, e);
    case '{':
        return scan_repeat(s, e);
    case '*':
    case '+':
    case '?':
        if (s->at[1] == '*' || s->at[1] == '+' || s->at[1] == '?')
            return err_set(e, "%c%c: a repetition of a repetition", s->at[0], s->at[1]);
        break;
    default:
        add_atom(s, 1);
    }
    buf_putc(&s->out, *s->at++);
    return 0;
}

/* The text in the words of every libc, malloc'd. */
static char *rewrite(const char *text, struct err *e)
{
    if (!*text || strlen(text) > TEXT_MAX) {
        err_set(e, *text ? "it is longer than %d bytes" : "it is empty", TEXT_MAX);
        return NULL;
    }
    struct scan s = {.at = text};
    buf_init(&s.out, TEXT_MAX * 16);
    int rc = 0;
    while (rc == 0 && *s.at) {
        rc = scan_one(&s, e);
        if (rc == 0 && s.sum[s.depth] > SIZE_LIMIT)
            rc = err_set(e, "its repetitions multiply to more than %d", SIZE_LIMIT);
    }
    if (rc == 0 && s.depth)
        rc = err_set(e, "( without )");
    if (rc == 0 && s.out.failed)
        rc = err_set(e, "out of memory");
    if (rc == 0)
        return buf_take(&s.out);
    buf_fini(&s.out);
    return NULL;
}

struct pattern *pattern_new(const char *text, struct err *e)
{
    char *plain = rewrite(text, e);
    if (!plain)
        return NULL;
    struct pattern *p = calloc(1, sizeof *p);
    char *copy = strdup(text);
    int rc = p && copy ? regcomp(&p->regex, plain, REG_EXTENDED | REG_NOSUB) : REG_ESPACE;
    free(plain);
    if (rc == 0) {
        p->text = copy;
        return p;
    }
    char words[128] = "out of memory";
    if (p && copy)
        regerror(rc, &p->regex, words, sizeof words);
    err_set(e, "not a regular expression (POSIX extended): %s", words);
    free(copy);
    free(p);
    return NULL;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    regfree(&p->regex);
    free(p->text);
    free(p);
}

bool pattern_find(const struct pattern *p, const char *data, size_t len)
{
    char *copy = str_dup_n(data, len);
    if (!copy)
        return false;
    for (char *nul = copy; (nul = memchr(nul, '\0', len - (size_t)(nul - copy))); nul++)
        *nul = ' ';
    bool found = regexec(&p->regex, copy, 0, NULL, 0) == 0;
    free(copy);
    return found;
}

const char *pattern_text(const struct pattern *p)
{
    return p->text;
}
