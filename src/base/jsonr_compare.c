/* jsonr_compare: are two JSON values equal? Names are looked for where the other side has them, so
 * that the same order costs one pass; another one more, up to a limit. */
#include <string.h>

#include "base/jsonr.h"

#define WORK_MAX (4 << 20) /* bytes gone through to find names */

struct comparison {
    size_t work;
    bool too_costly;
};

/* ---- Numbers: 0.d1d2d3... times a power of ten. ---- */

struct number {
    bool negative;
    bool huge;                /* the exponent has more digits than can be counted with */
    const char *digits, *end; /* as written, with a point perhaps, from the first that is not 0 */
    long long power;
};

static void read_exponent(struct number *n, const char *p, const char *end)
{
    bool negative = *p == '-';
    long long power = 0;
    for (p += negative || *p == '+'; p < end; p++) {
        n->huge = n->huge || power > 100000000000000LL;
        power = n->huge ? power : power * 10 + (*p - '0');
    }
    n->power = negative ? -power : power;
}

static struct number number_of(const char *p, size_t len)
{
    struct number n = {.negative = *p == '-'};
    const char *end = p + len, *e = p;
    bool point = false;
    while (e < end && *e != 'e' && *e != 'E')
        e++;
    if (e < end)
        read_exponent(&n, e + 1, end);
    for (p += n.negative; p < e; p++) {
        if (*p == '.') {
            point = true;
        } else if (n.digits || *p != '0') {
            n.digits = n.digits ? n.digits : p;
            n.power += !point;
        } else {
            n.power -= point;
        }
    }
    n.end = e;
    while (n.digits && (n.end[-1] == '0' || n.end[-1] == '.'))
        n.end--;
    return n;
}

static bool same_number(const struct jsonr *a, const struct jsonr *b)
{
    struct number x = number_of(a->token, a->len), y = number_of(b->token, b->len);
    if (!x.digits || !y.digits)
        return !x.digits && !y.digits; /* 0, or -0 */
    if (x.huge || y.huge)
        return a->len == b->len && memcmp(a->token, b->token, a->len) == 0;
    if (x.negative != y.negative || x.power != y.power)
        return false;
    for (;;) {
        x.digits += x.digits < x.end && *x.digits == '.';
        y.digits += y.digits < y.end && *y.digits == '.';
        if (x.digits == x.end || y.digits == y.end)
            return x.digits == x.end && y.digits == y.end;
        if (*x.digits++ != *y.digits++)
            return false;
    }
}

/* ---- The rest ---- */

static bool same_string(const char *a, const char *b)
{
    uint32_t x, y;
    for (a++, b++;;) {
        bool more = jsonr_char(&a, &x);
        if (more != jsonr_char(&b, &y) || (more && x != y))
            return false;
        if (!more)
            return true;
    }
}

/* Behind the value that comes next. */
static void skip_value(struct jsonr *r)
{
    unsigned depth = r->depth;
    do
        jsonr_next(r);
    while (r->depth > depth);
}

/* How many members the object has whose brace was read; moves on behind it. */
static size_t count_members(struct jsonr *r, struct comparison *c)
{
    const char *from = r->at;
    size_t n = 0;
    for (; jsonr_next(r) == JSONR_KEY; n++)
        skip_value(r);
    c->work += (size_t)(r->at - from);
    return n;
}

/* Moves `b` behind the name that `a` is behind, from where it is or else from `begin` on. */
static bool find_name(const struct jsonr *a, struct jsonr *b, const struct jsonr *begin,
                      struct comparison *c)
{
    if (jsonr_next(b) == JSONR_KEY && same_string(a->token, b->token))
        return true;
    for (*b = *begin; jsonr_next(b) == JSONR_KEY;) {
        if (same_string(a->token, b->token)) {
            c->work += (size_t)(b->at - begin->at);
            return true;
        }
        skip_value(b);
    }
    c->work += (size_t)(b->at - begin->at);
    return false;
}

static bool same_value(struct jsonr *a, struct jsonr *b, struct comparison *c);

static bool same_object(struct jsonr *a, struct jsonr *b, struct comparison *c)
{
    struct jsonr begin = *b, end = *a;
    size_t n = count_members(&end, c);
    end = *b;
    if (n != count_members(&end, c))
        return false;
    while (jsonr_next(a) == JSONR_KEY) {
        if (!find_name(a, b, &begin, c) || !same_value(a, b, c))
            return false;
        c->too_costly = c->work > WORK_MAX;
        if (c->too_costly)
            return false;
    }
    *b = end;
    return true;
}

static bool same_array(struct jsonr *a, struct jsonr *b, struct comparison *c)
{
    for (;;) {
        struct jsonr x = *a, y = *b;
        bool more = jsonr_next(&x) != JSONR_CLOSE;
        if (more != (jsonr_next(&y) != JSONR_CLOSE))
            return false;
        if (!more) {
            *a = x;
            *b = y;
            return true;
        }
        if (!same_value(a, b, c))
            return false;
    }
}

static bool same_value(struct jsonr *a, struct jsonr *b, struct comparison *c)
{
    enum jsonr_token token = jsonr_next(a);
    if (token != jsonr_next(b))
        return false;
    switch (token) {
    case JSONR_OBJECT:
        return same_object(a, b, c);
    case JSONR_ARRAY:
        return same_array(a, b, c);
    case JSONR_NUMBER:
        return same_number(a, b);
    case JSONR_STRING:
        return same_string(a->token, b->token);
    case JSONR_WORD:
        return a->len == b->len && *a->token == *b->token;
    default:
        return false;
    }
}

enum jsonr_equality jsonr_compare(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct comparison c = {0};
    struct jsonr x, y;
    jsonr_init(&x, a, a_len);
    jsonr_init(&y, b, b_len);
    bool same = same_value(&x, &y, &c);
    return c.too_costly ? JSONR_HARD : same ? JSONR_EQUAL : JSONR_DIFFERENT;
}
