/* jsonw: see json.h. */
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
    if (j->comma)
        buf_putc(j->out, ',');
    j->comma = true;
    if (key) {
        jsonw_quote(j->out, key);
        buf_putc(j->out, ':');
    }
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
    buf_printf(j->out, "%" PRId64, value);
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
    buf_printf(j->out, "%.3f", (double)ns / (double)NS_PER_MS);
}

void jsonw_quote(struct buf *out, const char *s)
{
    buf_putc(out, '"');
    const char *plain = s;
    while (*s) {
        size_t n = str_utf8_len(s);
        unsigned char c = (unsigned char)*s;
        if (n && c >= 0x20 && c != '"' && c != '\\' && c != 0x7f) {
            s += n;
            continue;
        }
        buf_add(out, plain, (size_t)(s - plain));
        if (!n)
            buf_puts(out, "\xef\xbf\xbd");
        else if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_puts(out, "\\n");
        else
            buf_printf(out, "\\u%04x", c);
        plain = ++s;
    }
    buf_add(out, plain, (size_t)(s - plain));
    buf_putc(out, '"');
}
