/* log: one line an event on stderr, logfmt or JSON, with a UTC time stamp. Values are escaped, so a
 * hostile server cannot forge a line. Never given a secret. */
#ifndef PROBE_BASE_LOG_H
#define PROBE_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_kind { LOG_TEXT, LOG_COUNT, LOG_MS };

struct log_field {
    const char *key, *value; /* of LOG_TEXT; NULL: the field is left out */
    enum log_kind kind;
    int64_t number; /* LOG_COUNT; of LOG_MS in ns, written as the API's milliseconds */
};

void log_setup(bool json, enum log_level least);
bool log_enabled(enum log_level level);

/* `fields` ends with a NULL key; may be NULL. Never waits: a line that finds no room (a pipe that
 * nobody reads) is left out, and the next one that does says how many were. */
void log_event(enum log_level level, const struct log_field *fields, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Without fields. */
#define log_info(...)  log_event(LOG_INFO, NULL, __VA_ARGS__)
#define log_warn(...)  log_event(LOG_WARN, NULL, __VA_ARGS__)
#define log_error(...) log_event(LOG_ERROR, NULL, __VA_ARGS__)

#endif
