/* clock: see clock.h. */
#include "base/clock.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t clock_now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_wall(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t time_add(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? TIME_NEVER : sum;
}

static char *put_digits(char *out, int value, int digits)
{
    for (int i = digits - 1; i >= 0; i--, value /= 10)
        out[i] = (char)('0' + value % 10);
    return out + digits;
}

/* By hand: a large document has tens of thousands of times, and strftime costs a microsecond. */
char *clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_SIZE])
{
    time_t s = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    gmtime_r(&s, &tm);
    char *at = put_digits(out, tm.tm_year + 1900, 4);
    *at++ = '-';
    at = put_digits(at, tm.tm_mon + 1, 2);
    *at++ = '-';
    at = put_digits(at, tm.tm_mday, 2);
    *at++ = 'T';
    at = put_digits(at, tm.tm_hour, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_min, 2);
    *at++ = ':';
    at = put_digits(at, tm.tm_sec, 2);
    *at++ = '.';
    at = put_digits(at, (int)(wall_ns % NS_PER_S / NS_PER_MS), 3);
    *at++ = 'Z';
    *at = '\0';
    return at;
}

char *clock_short(int64_t ns, char out[CLOCK_SHORT_SIZE])
{
    int64_t s = ns / NS_PER_S;
    if (ns < NS_PER_MS)
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 " us", ns / NS_PER_US);
    else if (ns < 10 * NS_PER_MS)
        snprintf(out, CLOCK_SHORT_SIZE, "%.1f ms", (double)ns / (double)NS_PER_MS);
    else if (s < 1)
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 " ms", ns / NS_PER_MS);
    else if (s < 60)
        snprintf(out, CLOCK_SHORT_SIZE, "%.3g s", (double)ns / (double)NS_PER_S);
    else if (s < 3600)
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 "m%" PRId64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 "h%" PRId64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 "d%" PRId64 "h", s / 86400, s % 86400 / 3600);
    return out;
}
