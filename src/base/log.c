/* log: see log.h. A line is formatted whole and written with one write, so lines never mix. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/jsonw.h"

#define LINE_MAX_BYTES 4096

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

static void add_json(struct buf *b, const char *stamp, const char *level, const char *message,
                     const struct log_field *fields)
{
    struct jsonw j;
    jsonw_init(&j, b);
    jsonw_object(&j, NULL);
    jsonw_string(&j, "ts", stamp);
    jsonw_string(&j, "level", level);
    jsonw_string(&j, "msg", message);
    for (; fields && fields->key; fields++)
        if (fields->value)
            jsonw_string(&j, fields->key, fields->value);
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
                       const struct log_field *fields)
{
    buf_printf(b, "ts=%s level=%s msg=", stamp, level);
    add_value(b, message);
    for (; fields && fields->key; fields++) {
        if (!fields->value)
            continue;
        buf_printf(b, " %s=", fields->key);
        add_value(b, fields->value);
    }
}

void log_event(enum log_level level, const struct log_field *fields, const char *fmt, ...)
{
    if (!log_enabled(level))
        return;
    char message[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    char stamp[CLOCK_RFC3339_SIZE];
    clock_rfc3339(clock_wall(), stamp);
    struct buf line;
    buf_init(&line, LINE_MAX_BYTES);
    (as_json ? add_json : add_logfmt)(&line, stamp, level_names[level], message, fields);
    line.failed = false; /* an over-long line is cut, its end is not */
    line.cap++;
    buf_putc(&line, '\n');
    ssize_t written = line.data ? write(STDERR_FILENO, line.data, line.len) : 0;
    (void)written; /* with stderr gone there is nobody to tell */
    buf_fini(&line);
}
