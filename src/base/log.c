/* log: see log.h. A line is formatted whole and written with one write, so lines never mix, and
 * none is waited for: an agent must not hang because nobody reads what it says. */
#include "base/log.h"

#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"
#include "base/output.h"
#include "base/str.h"

#define LINE_MAX_BYTES (PIPE_BUF - 1) /* without its newline: a pipe takes it whole or none */
#define TEXT_MAX       1024           /* of one value */

static unsigned long lost; /* lines that found no room */
static bool as_json;
static enum log_level threshold = LOG_INFO;

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_setup(bool json, enum log_level least)
{
    as_json = json;
    threshold = least;
}

bool log_enabled(enum log_level level)
{
    return level >= threshold;
}

/* At most `most` bytes of a value, so that a line of many fits: with an ellipsis, and no half
 * character. */
static const char *shown(const char *text, size_t most, char out[TEXT_MAX + 4])
{
    size_t n = strlen(text);
    if (n <= most)
        return text;
    for (n = most; n && ((unsigned char)text[n] & 0xc0) == 0x80;)
        n--;
    memcpy(out, text, n);
    memcpy(out + n, "...", 4);
    return out;
}

static void add_json(struct buf *b, const char *stamp, const char *level, const char *message,
                     const struct log_field *fields, size_t most)
{
    char cut[TEXT_MAX + 4];
    struct jsonw j;
    jsonw_init(&j, b);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "ts", stamp);
    jsonw_string(&j, "level", level);
    jsonw_string(&j, "msg", shown(message, most, cut));
    for (; fields && fields->key; fields++) {
        if (fields->kind == LOG_MS)
            jsonw_ms(&j, fields->key, fields->number);
        else if (fields->kind == LOG_COUNT)
            jsonw_int(&j, fields->key, fields->number);
        else if (fields->value)
            jsonw_string(&j, fields->key, shown(fields->value, most, cut));
    }
    jsonw_end(&j);
}

/* A logfmt value: bare when it is plain, else a quoted JSON string. */
static void add_value(struct buf *b, const char *value)
{
    bool plain = *value != '\0';
    for (const char *p = value; *p && plain; p++)
        plain = *p > ' ' && *p < 0x7f && *p != '"' && *p != '=' && *p != '\\';
    if (plain)
        buf_puts(b, value);
    else
        jsonw_quote(b, value);
}

static void add_logfmt(struct buf *b, const char *stamp, const char *level, const char *message,
                       const struct log_field *fields, size_t most)
{
    char cut[TEXT_MAX + 4], ms[JSONW_MS_MAX];
    buf_printf(b, "ts=%s level=%s msg=", stamp, level);
    add_value(b, shown(message, most, cut));
    for (; fields && fields->key; fields++) {
        if (fields->kind == LOG_TEXT && !fields->value)
            continue;
        buf_printf(b, " %s=", fields->key);
        if (fields->kind == LOG_MS)
            buf_add(b, ms, (size_t)(jsonw_write_ms(ms, fields->number) - ms));
        else if (fields->kind == LOG_COUNT)
            buf_printf(b, "%" PRId64, fields->number);
        else
            add_value(b, shown(fields->value, most, cut));
    }
}

static void write_line(enum log_level level, const struct log_field *fields, const char *message)
{
    char stamp[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall(), stamp);
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    for (size_t most = TEXT_MAX; most; most /= 2) { /* escapes make more of it */
        (as_json ? add_json : add_logfmt)(&line, stamp, level_names[level], message, fields, most);
        if (!line.failed)
            break;
        buf_fini(&line);
        buf_init(&line, LINE_MAX_BYTES);
    }
    line.cap++;
    buf_putc(&line, '\n');
    if (!line.failed) /* with stderr gone there is nobody to tell */
        output_put(STDERR_FILENO, line.data, line.len);
    buf_fini(&line);
}

void log_event(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
    char message[1024];
    va_list ap;
    if (!log_enabled(level))
        return;
    if (!output_flush(STDERR_FILENO, 0)) {
        lost++;
        return;
    }
    if (lost) {
        snprintf(message, sizeof message, "%lu lines of the log are lost: nobody read them", lost);
        lost = 0;
        write_line(LOG_WARN, NULL, message);
        if (!output_flush(STDERR_FILENO, 0)) {
            lost++;
            return;
        }
    }
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    write_line(level, fields, message);
}
