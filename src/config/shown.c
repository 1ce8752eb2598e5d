/* shown: see shown.h. */
#include "config/shown.h"

#include <stdlib.h>

#include "config/redact.h"

#define INDENT "\n    "

/* Text as a value: dollars that would expand are doubled, further lines indented. */
static void add_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '$' && (text[1] == '$' || text[1] == '{'))
            buf_puts(out, "$$");
        else if (*text == '\n')
            buf_puts(out, INDENT);
        else
            buf_putc(out, *text);
    }
}

static void add_shown(struct buf *out, const struct probe_key *key, const char *text)
{
    char *shown = redact_item(key, text);
    if (shown)
        add_text(out, shown);
    free(shown);
}

/* What is hidden has to come from somewhere once this is pasted: from a file is best. */
static void add_hint(struct buf *out, const struct probe_key *key, const struct probe_value *v)
{
    bool hides = v->n_lines ? false : v->text && redact_holds_secret(key, v->text);
    for (size_t i = 0; i < v->n_lines; i++)
        hides = hides || redact_holds_secret(key, v->lines[i]);
    if (hides)
        buf_printf(
            out,
            "# *** stands for what is not shown; write the whole %s to a file, and instead:\n"
            "# %s_file = /run/secrets/%s\n",
            key->name, key->name, key->name);
}

/* A default is commented out: given, it could be a setting that nothing would use. */
static void add_line(struct buf *out, const struct probe_key *key, const struct probe_value *v)
{
    if (v->file) {
        buf_printf(out, "%s%s_file = ", v->given ? "" : ";", key->name);
        add_text(out, v->file);
        buf_putc(out, '\n');
        return;
    }
    buf_printf(out, "%s%s = ", v->given ? "" : ";", key->name);
    if (key->kind == KEY_LINES || key->kind == KEY_WORDS) {
        const char *between = key->kind == KEY_LINES ? INDENT : ", ";
        for (size_t i = 0; i < v->n_lines; i++) {
            buf_puts(out, i ? between : "");
            add_shown(out, key, v->lines[i]);
        }
    } else {
        add_shown(out, key, v->text);
    }
    buf_putc(out, '\n');
}

void shown_add_value(struct buf *out, const struct probe_key *key, const struct probe_value *v)
{
    if (!v->file)
        add_hint(out, key, v);
    add_line(out, key, v);
}

void shown_add_given(struct buf *out, const struct probe_key *keys,
                     const struct probe_value *values, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (values[k].given && values[k].text)
            add_line(out, &keys[k], &values[k]);
}
