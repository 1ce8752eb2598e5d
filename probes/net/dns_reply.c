/* dns_reply: see dns_reply.h. */
#include "net/dns_reply.h"

#include <arpa/nameser.h>
#include <stdbool.h>
#include <string.h>

static void take_address(const struct dns_message *m, const struct dns_record *r,
                         struct sockaddr_in6 *a)
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

enum dns_reply dns_reply_addresses(const unsigned char *data, size_t len, int family,
                                   struct sockaddr_in6 *out, size_t max, size_t *n)
{
    struct dns_answers a;
    struct dns_record r;
    *n = 0;
    if (!dns_answers_begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (dns_answers_next(&a, family == AF_INET ? ns_t_a : ns_t_aaaa, &r)) {
        if (r.len != (family == AF_INET ? 4 : 16))
            return DNS_REPLY_BAD;
        if (*n < max)
            take_address(&a.m, &r, &out[*n]);
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}

/* As text, without a dot at the end; false where a byte would not be one of a host's name. */
static bool name_text(const char labels[DNS_NAME_SIZE], char out[DNS_NAME_SIZE])
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
    struct dns_answers a;
    struct dns_record r;
    char target[DNS_NAME_SIZE];
    size_t end;
    *n = 0;
    if (!dns_answers_begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (dns_answers_next(&a, ns_t_srv, &r)) {
        struct dns_srv srv;
        if (r.len < 7 || !dns_get_name(&a.m, r.at + 6, target, &end) || end != r.at + r.len ||
            !name_text(target, srv.target))
            return DNS_REPLY_BAD;
        srv.port = (uint16_t)dns_get16(&a.m, r.at + 4);
        *ttl = r.ttl < *ttl ? r.ttl : *ttl;
        if (*n < max)
            out[*n] = srv;
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}

/* Its strings are one text. */
static bool join_txt(const struct dns_message *m, const struct dns_record *r, char *out,
                     size_t size)
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
    struct dns_answers a;
    struct dns_record r;
    *n = 0;
    if (!dns_answers_begin(&a, data, len))
        return DNS_REPLY_BAD;
    while (dns_answers_next(&a, ns_t_txt, &r)) {
        *ttl = r.ttl < *ttl ? r.ttl : *ttl;
        if (*n == 0 && !join_txt(&a.m, &r, out, size))
            return DNS_REPLY_BAD;
        (*n)++;
    }
    return *n ? DNS_REPLY_FOUND : DNS_REPLY_NONE;
}
