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

static char *put_two(char *out, unsigned value)
{
    out[0] = (char)('0' + value / 10);
    out[1] = (char)('0' + value % 10);
    return out + 2;
}

/* The date of a day since 1970-01-01, by the cycle of 400 years that are counted from March on, so
 * that the leap day is their last (Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
static char *put_date(char *out, unsigned days)
{
    unsigned shifted = days + 719468; /* since 0000-03-01 */
    unsigned day = shifted % 146097;  /* of the cycle */
    unsigned year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    day -= 365 * year + year / 4 - year / 100; /* of the year */
    unsigned month = (5 * day + 2) / 153;      /* from March */
    day -= (153 * month + 2) / 5;
    year += shifted / 146097 * 400 + (month >= 10);
    out = put_two(put_two(out, year / 100 % 100), year % 100);
    *out++ = '-';
    out = put_two(out, month < 10 ? month + 3 : month - 9);
    *out++ = '-';
    return put_two(out, day + 1);
}

/* By hand: a large document has tens of thousands of times, strftime costs a microsecond and
 * gmtime_r half of what this does. */
char *clock_rfc3339(int64_t wall_ns, char out[CLOCK_RFC3339_SIZE])
{
    int64_t s = wall_ns < 0 ? 0 : wall_ns / NS_PER_S;
    unsigned ms = wall_ns < 0 ? 0 : (unsigned)(wall_ns % NS_PER_S / NS_PER_MS);
    unsigned rest = (unsigned)(s % 86400);
    char *at = put_date(out, (unsigned)(s / 86400));
    *at++ = 'T';
    at = put_two(at, rest / 3600);
    *at++ = ':';
    at = put_two(at, rest / 60 % 60);
    *at++ = ':';
    at = put_two(at, rest % 60);
    *at++ = '.';
    *at++ = (char)('0' + ms / 100);
    at = put_two(at, ms % 100);
    *at++ = 'Z';
    *at = '\0';
    return at;
}

char *clock_short(int64_t ns, char out[CLOCK_SHORT_SIZE])
{
    int64_t s = ns / NS_PER_S;
    if (ns < NS_PER_MS)
        snprintf(out, CLOCK_SHORT_SIZE, "%" PRId64 " \xc2\xb5s", ns / NS_PER_US);
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
