/* duration: see duration.h. The arithmetic is that of xhit/go-str2duration, which Compose uses: the
 * sum is a signed 64-bit number throughout, and a fraction counts by a double, so that a file means
 * here to the nanosecond what it means there. */
#include "config/duration.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/str.h"

#define NS_PER_MIN  (60 * NS_PER_S)
#define NS_PER_HOUR (60 * NS_PER_MIN)

static const struct unit {
    const char *name;
    int64_t ns;
} units[] = {
    {"ns", 1},
    {"us", NS_PER_US},
    {"\xc2\xb5s", NS_PER_US}, /* U+00B5, micro sign */
    {"\xce\xbcs", NS_PER_US}, /* U+03BC, Greek mu */
    {"ms", NS_PER_MS},
    {"s", NS_PER_S},
    {"m", NS_PER_MIN},
    {"h", NS_PER_HOUR},
    {"d", 24 * NS_PER_HOUR},
    {"w", 7 * 24 * NS_PER_HOUR},
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Consumes [0-9]*; false when it does not fit. */
static bool leading_int(const char **s, int64_t *out)
{
    int64_t x = 0;
    for (; is_digit(**s); (*s)++)
        if (__builtin_mul_overflow(x, 10, &x) || __builtin_add_overflow(x, **s - '0', &x))
            return false;
    *out = x;
    return true;
}

/* Consumes [0-9]*; digits beyond what fits are dropped, as Go does. */
static void leading_fraction(const char **s, int64_t *out, double *scale)
{
    int64_t x = 0;
    bool full = false;
    *scale = 1;
    for (; is_digit(**s); (*s)++) {
        int64_t y;
        if (full || __builtin_mul_overflow(x, 10, &y) || __builtin_add_overflow(y, **s - '0', &y)) {
            full = true;
            continue;
        }
        x = y;
        *scale *= 10;
    }
    *out = x;
}

static int leading_unit(const char **s, int64_t *ns, struct err *e)
{
    size_t len = strcspn(*s, ".0123456789");
    if (len == 0)
        return err_set(e, "missing unit");
    if (strchr(" \t", **s))
        return err_set(e, "no blank belongs before the unit");
    if (memchr(*s, ' ', len))
        return err_set(e, "no blank belongs in it");
    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (strlen(units[i].name) == len && memcmp(units[i].name, *s, len) == 0) {
            *ns = units[i].ns;
            *s += len;
            return 0;
        }
    char shown[40];
    return err_set(e, "unknown unit \"%s\"", str_excerpt(*s, len, shown, sizeof shown));
}

/* Consumes one number with its unit and adds it. */
static int add_part(const char **s, int64_t *sum, struct err *e)
{
    if (**s != '.' && !is_digit(**s))
        return err_set(e, "not a duration");
    int64_t whole = 0, fraction = 0, unit = 0, part;
    double scale = 1;
    const char *from = *s;
    if (!leading_int(s, &whole))
        return err_set(e, "too long");
    bool any = *s > from;
    if (**s == '.') {
        from = ++*s;
        leading_fraction(s, &fraction, &scale);
        any = any || *s > from;
    }
    if (!any)
        return err_set(e, "not a duration");
    if (leading_unit(s, &unit, e) < 0)
        return -1;
    if (__builtin_mul_overflow(whole, unit, &part))
        return err_set(e, "too long");
    if (fraction > 0 &&
        __builtin_add_overflow(part, (int64_t)((double)fraction * ((double)unit / scale)), &part))
        return err_set(e, "too long");
    if (__builtin_add_overflow(*sum, part, sum))
        return err_set(e, "too long");
    return 0;
}

int duration_parse(const char *text, int64_t *ns, struct err *e)
{
    const char *s = text;
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    if (strcmp(s, "0") == 0) { /* the one number that needs no unit */
        *ns = 0;
        return 0;
    }
    if (*s == '\0')
        return err_set(e, *text ? "not a duration" : "empty");
    int64_t sum = 0;
    while (*s)
        if (add_part(&s, &sum, e) < 0)
            return -1;
    *ns = negative ? -sum : sum;
    return 0;
}

char *duration_format(int64_t ns, char out[DURATION_SIZE])
{
    /* No d and w, so that Go's own parser reads it too. */
    static const struct unit parts[] = {
        {"h", NS_PER_HOUR}, {"m", NS_PER_MIN}, {"s", NS_PER_S},
        {"ms", NS_PER_MS},  {"us", NS_PER_US}, {"ns", 1},
    };
    uint64_t left = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    int at = snprintf(out, DURATION_SIZE, "%s", ns < 0 ? "-" : "");
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        uint64_t unit = (uint64_t)parts[i].ns;
        if (left >= unit)
            at += snprintf(out + at, (size_t)(DURATION_SIZE - at), "%" PRIu64 "%s", left / unit,
                           parts[i].name);
        left %= unit;
    }
    if (ns == 0)
        memcpy(out, "0s", 3);
    return out;
}
