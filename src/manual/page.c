/* page: see page.h. */
#include "manual/page.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"

#define WIDTH    72
#define INDENT   4
#define TOKENS   128
#define GLUE_MAX 40   /* longer literals may be broken at a blank */
#define GLUE     '\1' /* a blank that no line ends at */

static void die(const char *fmt, ...) __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    exit(1);
}

static char *copy(const char *s, size_t n)
{
    char *out = str_dup_n(s, n);
    if (!out)
        die("out of memory");
    return out;
}

static char *take(struct buf *b)
{
    buf_puts(b, "");
    char *text = buf_take(b);
    if (!text)
        die("out of memory");
    return text;
}

/* ---- Reading ---- */

char *page_read_file(const char *path)
{
    FILE *f = fopen(path, "r");
    if (!f)
        die("%s: cannot be opened", path);
    struct buf text;
    char part[65536];
    buf_init(&text, SIZE_MAX / 2);
    for (size_t n; (n = fread(part, 1, sizeof part, f)) > 0;)
        buf_add(&text, part, n);
    if (ferror(f))
        die("%s: cannot be read", path);
    fclose(f);
    return take(&text);
}

struct page page_read(const char *path)
{
    struct page p = {.path = path};
    char *text = page_read_file(path);
    size_t size = 1;
    for (const char *s = text; *s; s++)
        size += *s == '\n';
    p.lines = calloc(size + 1, sizeof *p.lines);
    if (!p.lines)
        die("out of memory");
    for (char *line; (line = strsep(&text, "\n")) && (*line || text);)
        p.lines[p.n++] = line;
    return p;
}

/* ---- Marked parts ---- */

static const char comment[] = ".\\\" ";

/* Index of the line behind the list that begins at `at`. */
static size_t list_end(const struct page *p, size_t at)
{
    int depth = 0;
    for (size_t i = at; i < p->n; i++) {
        depth += str_starts(p->lines[i], ".Bl ");
        if (strcmp(p->lines[i], ".El") == 0 && --depth == 0)
            return i + 1;
    }
    die("%s:%zu: a list without its end", p->path, at + 1);
}

/* The list that line `at` is an item of, if it is a marked one's. */
static const char *list_of(const struct page *p, size_t at)
{
    int depth = 0;
    for (size_t i = at; i-- > 0;) {
        depth += strcmp(p->lines[i], ".El") == 0;
        if (str_starts(p->lines[i], ".Bl ") && depth-- == 0)
            return i > 0 && str_starts(p->lines[i - 1], comment) && list_end(p, i) > at
                       ? p->lines[i - 1] + strlen(comment)
                       : NULL;
    }
    return NULL;
}

bool page_next_item(const struct page *p, size_t *at, struct page_item *item)
{
    for (size_t i = *at; i < p->n; i++) {
        const char *list = str_starts(p->lines[i], ".It ") ? list_of(p, i) : NULL;
        if (!list)
            continue;
        *item = (struct page_item){.list = list, .head = p->lines[i] + strlen(".It "), .line = i};
        int depth = 0;
        size_t end = i + 1;
        for (; end < p->n && (depth || strcmp(p->lines[end], ".El") != 0); end++) {
            if (depth == 0 && str_starts(p->lines[end], ".It "))
                break;
            depth += str_starts(p->lines[end], ".Bl ")   ? 1
                     : strcmp(p->lines[end], ".El") == 0 ? -1
                                                         : 0;
        }
        item->end = *at = end;
        return true;
    }
    return false;
}

bool page_next_topic(const struct page *p, size_t *at, struct page_topic *topic)
{
    static const char mark[] = ".\\\" topic: ";
    for (size_t i = *at; i < p->n; i++) {
        if (!str_starts(p->lines[i], mark))
            continue;
        size_t end = i + 1;
        while (end < p->n && strcmp(p->lines[end], ".\\\" end") != 0)
            end++;
        if (end == p->n)
            die("%s:%zu: a topic without its end", p->path, i + 1);
        *topic =
            (struct page_topic){.name = p->lines[i] + strlen(mark), .first = i + 1, .end = end};
        *at = end;
        return true;
    }
    return false;
}

char *page_word(const char *text, size_t n)
{
    for (;; n--) {
        text += strspn(text, " ");
        size_t len = strcspn(text, " ");
        if (n == 0)
            return copy(text, len);
        text += len;
    }
}

/* ---- Text ---- */

/* One paragraph in the making, and the text before it. */
struct text {
    const struct page *page;
    size_t line; /* for messages */
    struct buf out;
    char paragraph[16384];
    size_t len;
    size_t indent;
    bool glued; /* the next word follows without a blank */
};

static void put_indent(struct text *t)
{
    buf_printf(&t->out, "%*s", (int)t->indent, "");
}

static void end_paragraph(struct text *t)
{
    size_t column = 0;
    t->paragraph[t->len] = '\0';
    for (char *s = t->paragraph; *(s += strspn(s, " "));) {
        size_t n = strcspn(s, " ");
        if (column && t->indent + column + 1 + n > WIDTH) {
            buf_putc(&t->out, '\n');
            column = 0;
        }
        if (column)
            buf_putc(&t->out, ' ');
        else
            put_indent(t);
        for (size_t i = 0; i < n; i++)
            buf_putc(&t->out, s[i] == GLUE ? ' ' : s[i]);
        column += n + (column ? 1 : 0);
        s += n;
    }
    if (column)
        buf_putc(&t->out, '\n');
    t->len = 0;
    t->glued = false;
}

static void put_char(struct text *t, char c)
{
    if (t->len + 2 > sizeof t->paragraph)
        die("%s:%zu: a paragraph that is too long", t->page->path, t->line + 1);
    t->paragraph[t->len++] = c;
}

/* Without the escapes of roff that our pages use; `glue`: blanks stay as they are. */
static void put_text(struct text *t, const char *s, bool glue)
{
    for (; *s; s++) {
        if (*s != '\\') {
            put_char(t, *s == ' ' && glue ? GLUE : *s);
            continue;
        }
        switch (*++s) {
        case '&':
            break;
        case '-':
            put_char(t, '-');
            break;
        case 'e':
            put_char(t, '\\');
            break;
        case '(':
            if (str_starts(s, "(dq")) {
                put_char(t, '"');
                s += 2;
                break;
            } /* fall through */
        default:
            die("%s:%zu: an escape that is not known here", t->page->path, t->line + 1);
        }
    }
}

static void put_space(struct text *t, bool glue)
{
    if (t->len && !t->glued)
        put_char(t, glue ? GLUE : ' ');
    t->glued = false;
}

static bool is_closing(const char *word)
{
    return word[0] && !word[1] && strchr(".,:;)]?!", word[0]);
}

static const struct enclosure {
    const char *name, *open, *close;
    bool glue;
} enclosures[] = {
    {"Ql", "'", "'", true},  {"Sq", "'", "'", true},  {"Dq", "\"", "\"", false},
    {"Pq", "(", ")", false}, {"Op", "[", "]", false}, {NULL, NULL, NULL, false},
};

static const struct enclosure *find_enclosure(const char *word)
{
    for (const struct enclosure *e = enclosures; e->name; e++)
        if (strcmp(e->name, word) == 0)
            return e;
    return NULL;
}

static bool is_style(const char *word)
{
    return *word && str_has_word("Cm Ar Pa Ev Li Sy Em Sx No", word);
}

static void put_words(struct text *t, char **word, size_t n, bool glue);

static void put_enclosed(struct text *t, const struct enclosure *e, char **word, size_t n,
                         bool glue)
{
    size_t inner = n;
    while (inner && is_closing(word[inner - 1]))
        inner--;
    size_t len = 0;
    for (size_t i = 0; i < inner; i++)
        len += strlen(word[i]) + 1;
    put_space(t, glue);
    put_text(t, e->open, false);
    t->glued = true;
    put_words(t, word, inner, glue || (e->glue && len <= GLUE_MAX));
    put_text(t, e->close, false);
    for (size_t i = inner; i < n; i++)
        put_text(t, word[i], false);
}

/* The words of a macro line, macros among them. */
static void put_words(struct text *t, char **word, size_t n, bool glue)
{
    bool flag = false, dash = false; /* words get a dash; none has come yet */
    for (size_t i = 0; i < n; i++) {
        const char *w = word[i];
        const struct enclosure *e = find_enclosure(w);
        if (e) {
            put_enclosed(t, e, word + i + 1, n - i - 1, glue);
            return;
        }
        if (is_style(w)) {
            flag = false;
        } else if (strcmp(w, "Ns") == 0) {
            t->glued = true;
            flag = false;
        } else if (strcmp(w, "Fl") == 0) {
            if (dash) { /* Fl Fl word: two dashes */
                put_space(t, glue);
                put_char(t, '-');
                t->glued = true;
            }
            flag = dash = true;
        } else if (strcmp(w, "Xr") == 0 && i + 2 < n) {
            put_space(t, glue);
            put_text(t, word[i + 1], false);
            put_char(t, '(');
            put_text(t, word[i + 2], false);
            put_char(t, ')');
            i += 2;
        } else if (strcmp(w, "Nm") == 0) {
            put_space(t, glue);
            put_text(t, "probe", false);
        } else if (strcmp(w, "Po") == 0) {
            put_space(t, glue);
            put_char(t, '(');
            t->glued = true;
        } else if (strcmp(w, "Pc") == 0) {
            put_char(t, ')');
            t->glued = false;
        } else if (is_closing(w)) {
            put_text(t, w, false);
            t->glued = false;
        } else {
            put_space(t, glue);
            if (flag)
                put_char(t, '-');
            dash = false;
            put_text(t, w, glue);
        }
    }
}

static void put_macro_line(struct text *t, const char *line)
{
    char *rest = copy(line, strlen(line)), *words[TOKENS];
    size_t n = 0;
    for (char *w; (w = strsep(&rest, " "));) {
        if (*w && n < TOKENS)
            words[n++] = w;
    }
    put_words(t, words, n, false);
}

/* In a list of columns, Ta ends the first: what follows is said of it. */
static void put_item(struct text *t, const char *head)
{
    const char *ta = strstr(head, " Ta ");
    t->indent -= t->indent ? INDENT : 0;
    put_macro_line(t, ta ? copy(head, (size_t)(ta - head)) : head);
    if (ta) {
        put_char(t, ':');
        put_macro_line(t, ta + strlen(" Ta "));
    }
    end_paragraph(t);
    t->indent += INDENT;
}

/* A line as it stands, in a display. */
static void put_literal(struct text *t, const char *line)
{
    t->indent += INDENT;
    if (*line)
        put_indent(t);
    put_text(t, line, false);
    buf_add(&t->out, t->paragraph, t->len);
    buf_putc(&t->out, '\n');
    t->len = 0;
    t->indent -= INDENT;
}

static void put_line(struct text *t, const char *line, bool *literal)
{
    if (str_starts(line, ".Ed")) {
        *literal = false;
    } else if (*literal) {
        put_literal(t, line);
    } else if (line[0] != '.') {
        put_space(t, false);
        put_text(t, line, false);
    } else if (str_starts(line, ".\\\"")) {
        /* a comment */
    } else if (str_starts(line, ".Pp")) {
        end_paragraph(t);
        buf_putc(&t->out, '\n');
    } else if (str_starts(line, ".Bd ")) {
        end_paragraph(t);
        *literal = true;
    } else if (str_starts(line, ".Bl ")) {
        end_paragraph(t);
        t->indent += INDENT;
    } else if (str_starts(line, ".El")) {
        end_paragraph(t);
        t->indent -= INDENT;
    } else if (str_starts(line, ".It ")) {
        end_paragraph(t);
        put_item(t, line + strlen(".It "));
    } else {
        char *macro = page_word(line + 1, 0);
        if (!*macro ||
            (!is_style(macro) && !find_enclosure(macro) && !str_has_word("Fl Xr Nm Po Pc", macro)))
            die("%s:%zu: page.c does not know the macro %s", t->page->path, t->line + 1, macro);
        put_macro_line(t, line + 1);
    }
}

char *page_render(const struct page *p, size_t first, size_t end)
{
    static struct text t;
    bool literal = false;
    t = (struct text){.page = p};
    buf_init(&t.out, SIZE_MAX / 2);
    for (t.line = first; t.line < end; t.line++)
        put_line(&t, p->lines[t.line], &literal);
    end_paragraph(&t);
    return take(&t.out);
}

char *page_render_head(const struct page *p, const struct page_item *item)
{
    static struct text t;
    t = (struct text){.page = p, .line = item->line};
    put_macro_line(&t, item->head);
    for (size_t i = 0; i < t.len; i++)
        t.paragraph[i] = t.paragraph[i] == GLUE ? ' ' : t.paragraph[i];
    return copy(t.paragraph, t.len);
}
