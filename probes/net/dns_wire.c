/* dns_wire: see dns_wire.h. Our own, because c-ares follows CNAME records only where each comes
 * before its target's. */
#include "net/dns_wire.h"

#include <arpa/nameser.h>
#include <string.h>

#define CNAMES_MAX 64 /* c-ares and the libraries of C follow 16 at most */

unsigned dns_get16(const struct dns_message *m, size_t at)
{
    return (unsigned)m->data[at] << 8 | m->data[at + 1];
}

/* The name at `at` as its labels, each after its length, so that a dot in one is no border; what
 * follows it in the message is `*end`. A pointer goes backwards only, so that each name ends. */
bool dns_get_name(const struct dns_message *m, size_t at, char out[DNS_NAME_SIZE], size_t *end)
{
    size_t used = 0, limit = at;
    bool jumped = false;
    for (;;) {
        if (at >= m->len)
            return false;
        unsigned len = m->data[at];
        if ((len & 0xc0) == 0xc0) {
            if (at + 1 >= m->len)
                return false;
            size_t to = dns_get16(m, at) & 0x3fff;
            if (!jumped)
                *end = at + 2;
            if (to >= limit)
                return false;
            jumped = true;
            at = limit = to;
            continue;
        }
        if (len > 63 || at + 1 + len > m->len || used + len + 2 > DNS_NAME_SIZE)
            return false;
        out[used++] = (char)len;
        for (unsigned i = 1; i <= len; i++) {
            char c = (char)m->data[at + i];
            out[used++] = c >= 'A' && c <= 'Z' ? (char)(c + 'a' - 'A') : c;
        }
        at += 1 + len;
        if (len == 0)
            break;
    }
    memset(out + used, 0, DNS_NAME_SIZE - used); /* names are compared whole */
    if (!jumped)
        *end = at;
    return true;
}

bool dns_same_name(const char *a, const char *b)
{
    return memcmp(a, b, DNS_NAME_SIZE) == 0;
}

static bool next_record(const struct dns_message *m, size_t *at, struct dns_record *r)
{
    size_t p;
    if (!dns_get_name(m, *at, r->name, &p) || p + 10 > m->len)
        return false;
    r->type = dns_get16(m, p);
    r->class = dns_get16(m, p + 2);
    r->ttl = (uint32_t)dns_get16(m, p + 4) << 16 | dns_get16(m, p + 6);
    r->len = dns_get16(m, p + 8);
    r->at = p + 10;
    *at = r->at + r->len;
    return *at <= m->len;
}

struct cname {
    char from[DNS_NAME_SIZE], to[DNS_NAME_SIZE];
};

/* What the name stands for in the end. Each record is followed once: they may be a circle. */
static void follow(char name[DNS_NAME_SIZE], struct cname *cnames, size_t n)
{
    for (size_t i = 0; i < n;)
        if (dns_same_name(cnames[i].from, name)) {
            memcpy(name, cnames[i].to, DNS_NAME_SIZE);
            cnames[i] = cnames[--n];
            i = 0;
        } else {
            i++;
        }
}

bool dns_is_referral(const unsigned char *data)
{
    const struct dns_message m = {data, 12};
    return !(data[2] & 0x04) && !(data[3] & 0x8f) && dns_get16(&m, 6) == 0 && dns_get16(&m, 8) > 0;
}

bool dns_answers_begin(struct dns_answers *a, const unsigned char *data, size_t len)
{
    struct cname cnames[CNAMES_MAX];
    struct dns_record r;
    size_t n_cnames = 0, at, ignored;
    *a = (struct dns_answers){.m = {data, len}};
    if (len < 12 || dns_get16(&a->m, 4) != 1 || !dns_get_name(&a->m, 12, a->name, &at) ||
        at + 4 > len)
        return false;
    at += 4;
    memcpy(a->question, a->name, sizeof a->question);
    a->at = at;
    a->left = dns_get16(&a->m, 6);
    for (unsigned i = a->left; i > 0; i--) {
        if (!next_record(&a->m, &at, &r))
            return false;
        if (r.type != ns_t_cname || r.class != ns_c_in)
            continue;
        if (n_cnames == CNAMES_MAX || !dns_get_name(&a->m, r.at, cnames[n_cnames].to, &ignored))
            return false;
        memcpy(cnames[n_cnames++].from, r.name, DNS_NAME_SIZE);
    }
    follow(a->name, cnames, n_cnames);
    return true;
}

bool dns_answers_next(struct dns_answers *a, unsigned type, struct dns_record *r)
{
    while (a->left > 0 && next_record(&a->m, &a->at, r)) {
        a->left--;
        if (r->type == type && r->class == ns_c_in && dns_same_name(r->name, a->name))
            return true;
    }
    return false;
}

bool dns_answers_are_open(const struct dns_answers *a)
{
    struct dns_record r;
    size_t at = a->at;
    if (a->m.data[3] & 0x80 || dns_same_name(a->name, a->question))
        return false;
    for (unsigned i = dns_get16(&a->m, 8); i > 0 && next_record(&a->m, &at, &r); i--)
        if (r.type == ns_t_soa)
            return false;
    return true;
}
