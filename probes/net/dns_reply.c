/* dns_reply: see dns_reply.h. RFC 1035 section 4. Our own, because c-ares follows CNAME records
 * only where each comes before its target's. */
#include "net/dns_reply.h"

#include <arpa/nameser.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define NAME_SIZE  DNS_NAME_SIZE
#define CNAMES_MAX 64 /* c-ares and the libraries of C follow 16 at most */

struct message {
    const unsigned char *data;
    size_t len;
};

/* A record of the answer section. */
struct record {
    char name[NAME_SIZE];
    unsigned type, class;
    uint32_t ttl;
    size_t at, len; /* of its data */
};

static unsigned get16(const struct message *m, size_t at)
{
    return (unsigned)m->data[at] << 8 | m->data[at + 1];
}

/* The name at `at` as its labels, each after its length, so that a dot in one is no border; what
 * follows it in the message is `*end`. A pointer goes backwards only, so that each name ends. */
static bool get_name(const struct message *m, size_t at, char out[NAME_SIZE], size_t *end)
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
            size_t to = get16(m, at) & 0x3fff;
            if (!jumped)
                *end = at + 2;
            if (to >= limit)
                return false;
            jumped = true;
            at = limit = to;
            continue;
        }
        if (len > 63 || at + 1 + len > m->len || used + len + 2 > NAME_SIZE)
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
    memset(out + used, 0, NAME_SIZE - used); /* names are compared whole */
    if (!jumped)
        *end = at;
    return true;
}

static bool same_name(const char *a, const char *b)
{
    return memcmp(a, b, NAME_SIZE) == 0;
}

static bool next_record(const struct message *m, size_t *at, struct record *r)
{
    size_t p;
    if (!get_name(m, *at, r->name, &p) || p + 10 > m->len)
        return false;
    r->type = get16(m, p);
    r->class = get16(m, p + 2);
    r->ttl = (uint32_t)get16(m, p + 4) << 16 | get16(m, p + 6);
    r->len = get16(m, p + 8);
    r->at = p + 10;
    *at = r->at + r->len;
    return *at <= m->len;
}

struct cname {
    char from[NAME_SIZE], to[NAME_SIZE];
};

/* What the name stands for in the end. Each record is followed once: they may be a circle. */
static void follow(char name[NAME_SIZE], struct cname *cnames, size_t n)
{
    for (size_t i = 0; i < n;)
        if (same_name(cnames[i].from, name)) {
            memcpy(name, cnames[i].to, NAME_SIZE);
            cnames[i] = cnames[--n];
            i = 0;
        } else {
            i++;
        }
}

static void take_address(const struct message *m, const struct record *r, struct sockaddr_in6 *a)
{
    memset(a, 0, sizeof *a);
    if (r->type == ns_t_a) {
        struct sockaddr_in in = {.sin_family = AF_INET};
        memcpy(&in.sin_addr, m->data + r->at, 4);
        memcpy(a, &in, sizeof in);
        return;
    }
    a->sin6_family = AF_INET6;
    memcpy(&a->sin6_addr, m->data + r->at, 16);
}

/* The records that answer the question: of the name in it, and of what its CNAMEs say that it
 * stands for. */
struct answers {
    struct message m;
    char name[NAME_SIZE];
    size_t at;
    unsigned left;
};

static bool begin(struct answers *a, const unsigned char *data, size_t len)
{
    struct cname cnames[CNAMES_MAX];
    struct record r;
    size_t n_cnames = 0, at, ignored;
    *a = (struct answers){.m = {data, len}};
    if (len < 12 || get16(&a->m, 4) != 1 || !get_name(&a->m, 12, a->name, &at) || at + 4 > len)
        return false;
    at += 4;
    a->at = at;
    a->left = get16(&a->m, 6);
    for (unsigned i = a->left; i > 0; i--) {
        if (!next_record(&a->m, &at, &r))
            return false;
        if (r.type != ns_t_cname || r.class != ns_c_in)
            continue;
        if (n_cnames == CNAMES_MAX || !get_name(&a->m, r.at, cnames[n_cnames].to, &ignored))
            return false;
        memcpy(cnames[n_cnames++].from, r.name, NAME_SIZE);
    }
    follow(a->name, cnames, n_cnames);
    return true;
}

static bool next(struct answers *a, unsigned type, struct record *r)
{
    while (a->left > 0 && next_record(&a->m, &a->at, r)) {
        a->left--;
        if (r->type == type && r->class == ns_c_in && same_name(r->name, a->name))
            return true;
    }
    return false;
}

enum dns_reply dns_reply_addresses(const unsigned char *data, size_t len, int family,
                                   struct sockaddr_in6 *out, size_t max, size_t *n)
{
    struct answers a;
    struct record r;
    *n = 0;
    if (!begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (next(&a, family == AF_INET ? ns_t_a : ns_t_aaaa, &r)) {
        if (r.len != (family == AF_INET ? 4 : 16))
            return DNS_REPLY_BAD;
        if (*n < max)
            take_address(&a.m, &r, &out[*n]);
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}

/* As text, without a dot at the end; false where a byte would not be one of a host's name. */
static bool name_text(const char labels[NAME_SIZE], char out[NAME_SIZE])
{
    size_t used = 0;
    for (const char *p = labels; *p; p += *p + 1) {
        if (used > 0)
            out[used++] = '.';
        for (int i = 1; i <= *p; i++) {
            unsigned char c = (unsigned char)p[i];
            if (c <= ' ' || c >= 0x7f || strchr(".,/:?@[]%\"'\\", c))
                return false;
            out[used++] = (char)c;
        }
    }
    out[used] = '\0';
    return used > 0;
}

enum dns_reply dns_reply_srv(const unsigned char *data, size_t len, struct dns_srv *out, size_t max,
                             size_t *n, uint32_t *ttl)
{
    struct answers a;
    struct record r;
    char target[NAME_SIZE];
    size_t end;
    *n = 0;
    if (!begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (next(&a, ns_t_srv, &r)) {
        struct dns_srv srv;
        if (r.len < 7 || !get_name(&a.m, r.at + 6, target, &end) || end != r.at + r.len ||
            !name_text(target, srv.target))
            return DNS_REPLY_BAD;
        srv.port = (uint16_t)get16(&a.m, r.at + 4);
        *ttl = r.ttl < *ttl ? r.ttl : *ttl;
        if (*n < max)
            out[*n] = srv;
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}

/* Its strings are one text. */
static bool join_txt(const struct message *m, const struct record *r, char *out, size_t size)
{
    size_t used = 0, at = r->at, end = r->at + r->len;
    while (at < end) {
        size_t len = m->data[at++];
        if (len > end - at || used + len >= size || memchr(m->data + at, '\0', len))
            return false;
        memcpy(out + used, m->data + at, len);
        used += len;
        at += len;
    }
    out[used] = '\0';
    return true;
}

enum dns_reply dns_reply_txt(const unsigned char *data, size_t len, char *out, size_t size,
                             size_t *n, uint32_t *ttl)
{
    struct answers a;
    struct record r;
    *n = 0;
    if (!begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (next(&a, ns_t_txt, &r)) {
        *ttl = r.ttl < *ttl ? r.ttl : *ttl;
        if (*n == 0 && !join_txt(&a.m, &r, out, size))
            return DNS_REPLY_BAD;
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}
