/* expand: see expand.h. The forms are Compose's, and only those that the manual names: another is
 * an error rather than a guess. */
#include "config/expand.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/str.h"
#include "config/secret.h"

#define DEPTH_MAX    8
#define VARIABLE_MAX 255

struct expansion {
    const struct expand_files *files; /* NULL: no ${file:...} here */
    struct buf out;
    struct err *e;
};

static int expand_part(struct expansion *x, const char *text, size_t len, int depth);

static size_t variable_len(const char *s, size_t len)
{
    size_t n = 0;
    while (n < len && (isalnum((unsigned char)s[n]) || s[n] == '_'))
        n++;
    return n && isdigit((unsigned char)s[0]) ? 0 : n;
}

/* Length up to the brace that closes "${", from behind it; `len` when there is none. */
static size_t body_len(const char *s, size_t len)
{
    int open = 1;
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '$' && i + 1 < len && s[i + 1] == '$')
            i++;
        else if (s[i] == '$' && i + 1 < len && s[i + 1] == '{')
            open++;
        else if (s[i] == '}' && --open == 0)
            return i;
    }
    return len;
}

static int insert(struct expansion *x, const char *path, const char *content)
{
    for (const char *c = content; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return err_set(x->e,
                           "%s holds a line end or another control byte, which cannot stand "
                           "in the middle of a value",
                           path);
    for (const char *c = content; *c; c++) {
        if (*c == '\\' && x->files->escapes)
            buf_putc(&x->out, '\\');
        buf_putc(&x->out, *c);
    }
    return x->files->on_file(x->files->owner, path, content) < 0 ? err_set(x->e, "out of memory")
                                                                 : 0;
}

/* "file:/path", without the braces. */
static int expand_file(struct expansion *x, const char *path, size_t len)
{
    if (!x->files)
        return err_set(x->e, "${file:...} can stand only in a key that holds a secret and has a "
                             "twin, KEY_file");
    char *name = str_dup_n(path, len), *content = NULL;
    int rc = name ? secret_read(name, name, &content, x->e) : err_set(x->e, "out of memory");
    if (rc == 0)
        rc = insert(x, name, content);
    str_wipe(content);
    free(name);
    return rc;
}

/* `body` is what stands between the braces. */
static int expand_variable(struct expansion *x, const char *body, size_t len, int depth)
{
    static const char file[] = "file:/";
    if (len >= sizeof file && memcmp(body, file, sizeof file - 1) == 0)
        return expand_file(x, body + 5, len - 5);
    size_t n = variable_len(body, len);
    if (!n || n > VARIABLE_MAX)
        return err_set(x->e, "${ without a variable's name, expected ${VAR}; a plain $ is $$");
    char name[VARIABLE_MAX + 1];
    memcpy(name, body, n);
    name[n] = '\0';
    const char *value = getenv(name);
    if (n == len) {
        if (!value)
            return err_set(x->e,
                           "${%s} is not set, expected it in the environment, or ${%s:-default}, "
                           "or ${%s:-} for nothing",
                           name, name, name);
        return buf_puts(&x->out, value);
    }
    bool fallback = len - n >= 2 && body[n] == ':' && body[n + 1] == '-';
    bool required = len - n >= 2 && body[n] == ':' && body[n + 1] == '?';
    if (!fallback && !required)
        return err_set(x->e,
                       "${%s...: unknown form, expected ${%s}, ${%s:-default} or ${%s:?message}",
                       name, name, name, name);
    if (value && *value)
        return buf_puts(&x->out, value);
    const char *rest = body + n + 2;
    size_t rest_len = len - n - 2;
    if (required)
        return err_set(x->e, "${%s} must be set%s%.*s", name, rest_len ? ": " : "",
                       (int)(rest_len < 300 ? rest_len : 300), rest);
    return expand_part(x, rest, rest_len, depth + 1);
}

static int expand_part(struct expansion *x, const char *text, size_t len, int depth)
{
    if (depth > DEPTH_MAX)
        return err_set(x->e, "variables nested more than %d deep", DEPTH_MAX);
    for (size_t i = 0; i < len; i++) {
        const char *dollar = memchr(text + i, '$', len - i);
        size_t plain = dollar ? (size_t)(dollar - (text + i)) : len - i;
        buf_add(&x->out, text + i, plain);
        i += plain;
        if (!dollar)
            break;
        if (i + 1 < len && text[i + 1] == '$') {
            buf_putc(&x->out, '$');
            i++;
        } else if (i + 1 < len && text[i + 1] == '{') {
            const char *body = text + i + 2;
            size_t n = body_len(body, len - i - 2);
            if (n == len - i - 2)
                return err_set(x->e, "${ without its }; a plain $ is $$");
            if (expand_variable(x, body, n, depth) < 0)
                break; /* has set the words, unless the buffer failed */
            i += n + 2;
        } else {
            buf_putc(&x->out, '$');
        }
        if (x->out.failed)
            break;
    }
    if (x->out.failed)
        return err_set(x->e, "longer than %d bytes once expanded", EXPAND_MAX);
    return x->e && x->e->text[0] ? -1 : 0;
}

int expand(const char *text, char **out, struct err *e)
{
    return expand_with_files(text, NULL, out, e);
}

int expand_with_files(const char *text, const struct expand_files *files, char **out, struct err *e)
{
    struct err local = {.text = ""};
    struct expansion x = {.files = files, .e = &local};
    buf_init(&x.out, EXPAND_MAX);
    int rc = expand_part(&x, text, strlen(text), 0);
    *out = rc == 0 ? buf_take(&x.out) : NULL;
    buf_fini(&x.out);
    if (rc == 0 && !*out)
        return err_set(e, "out of memory");
    return rc == 0 ? 0 : err_set(e, "%s", local.text);
}
