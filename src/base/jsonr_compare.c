/* jsonr_compare: are two JSON values equal, which is greater, how long is one? Names are looked for
 * where the other side has them, so that the same order costs one pass; another one more, up to a
 * limit. */
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

/* The order of the digits of two numbers of the same power: below 0, 0, above. */
static int order_of_digits(struct number x, struct number y)
{
    for (;;) {
        x.digits += x.digits < x.end && *x.digits == '.';
        y.digits += y.digits < y.end && *y.digits == '.';
        if (x.digits == x.end || y.digits == y.end)
            return (x.digits != x.end) - (y.digits != y.end);
        if (*x.digits != *y.digits)
            return *x.digits - *y.digits;
        x.digits++;
        y.digits++;
    }
}

/* The order of what two numbers that are not 0 are without their signs. */
static int order_of_size(const struct number *x, const struct number *y)
{
    if (x->power != y->power)
        return x->power < y->power ? -1 : 1;
    return order_of_digits(*x, *y);
}

static bool same_number(const struct jsonr *a, const struct jsonr *b)
{
    struct number x = number_of(a->token, a->len), y = number_of(b->token, b->len);
    if (!x.digits || !y.digits)
        return !x.digits && !y.digits; /* 0, or -0 */
    if (x.huge || y.huge)
        return a->len == b->len && memcmp(a->token, b->token, a->len) == 0;
    return x.negative == y.negative && order_of_size(&x, &y) == 0;
}

enum jsonr_order jsonr_order(const char *a, size_t a_len, const char *b, size_t b_len)
{
    struct jsonr r, s;
    jsonr_init(&r, a, a_len);
    jsonr_init(&s, b, b_len);
    if (jsonr_next(&r) != JSONR_NUMBER || jsonr_next(&s) != JSONR_NUMBER)
        return JSONR_NO_ORDER;
    struct number x = number_of(r.token, r.len), y = number_of(s.token, s.len);
    int sign_x = !x.digits ? 0 : x.negative ? -1 : 1, sign_y = !y.digits ? 0 : y.negative ? -1 : 1;
    if (x.huge && y.huge && sign_x == sign_y)
        return same_number(&r, &s) ? JSONR_SAME : JSONR_TOO_BIG;
    int order = sign_x != sign_y ? sign_x - sign_y : sign_x ? sign_x * order_of_size(&x, &y) : 0;
    return order < 0 ? JSONR_LESS : order > 0 ? JSONR_GREATER : JSONR_SAME;
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

bool jsonr_length(const char *text, size_t len, size_t *n)
{
    struct jsonr r;
    uint32_t c;
    jsonr_init(&r, text, len);
    enum jsonr_token token = jsonr_next(&r);
    *n = 0;
    if (token == JSONR_STRING) {
        for (const char *at = r.token + 1; jsonr_char(&at, &c);)
            ++*n;
        return true;
    }
    if (token != JSONR_ARRAY && token != JSONR_OBJECT)
        return false;
    while (r.depth && (token = jsonr_next(&r)) != JSONR_WRONG) {
        bool opens = token == JSONR_ARRAY || token == JSONR_OBJECT;
        bool counts = token != JSONR_CLOSE && token != JSONR_KEY;
        *n += counts && r.depth - opens == 1;
    }
    return true;
}
