/* dns_answer: see dns_answer.h. RFC 1035; RFC 2782 (SRV), 3596 (AAAA), 8659 (CAA). */
#include "dns/dns_answer.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/str.h"
#include "net/dns_wire.h"

#define HEAD        12
#define RECORDS_MAX (16 << 10)

enum { BIT_QR = 0x80, OPCODE = 0x78, BIT_AA = 0x04, BIT_TC = 0x02, BIT_RD = 0x01 }; /* byte 2 */

#define TYPE_CAA 257

static const struct {
    const char *name;
    unsigned number;
} types[] = {{"A", ns_t_a},     {"AAAA", ns_t_aaaa}, {"CNAME", ns_t_cname}, {"MX", ns_t_mx},
             {"NS", ns_t_ns},   {"PTR", ns_t_ptr},   {"SOA", ns_t_soa},     {"SRV", ns_t_srv},
             {"TXT", ns_t_txt}, {"CAA", TYPE_CAA}};

unsigned dns_type_number(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (strcasecmp(types[i].name, name) == 0)
            return types[i].number;
    return 0;
}

const char *dns_type_name(unsigned type)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (types[i].number == type)
            return types[i].name;
    return "?";
}

/* ---- The question ---- */

static unsigned char *put16(unsigned char *at, unsigned n)
{
    at[0] = (unsigned char)(n >> 8);
    at[1] = (unsigned char)n;
    return at + 2;
}

/* The name as labels, of which a dot at the end is the root. NULL with the words. */
static unsigned char *put_name(unsigned char *at, const char *name, struct err *e)
{
    const unsigned char *begin = at;
    const char *p = strcmp(name, ".") == 0 ? "" : name;
    if (!*name || strlen(name) > 254) {
        err_set(e, "\"%.80s\" is not a name: it has 1 to 253 characters", name);
        return NULL;
    }
    while (*p) {
        size_t n = strcspn(p, ".");
        if (n == 0 || n > 63 || (size_t)(at - begin) + n > 253) {
            err_set(e, "\"%.80s\" is not a name: its parts have 1 to 63 characters", name);
            return NULL;
        }
        for (size_t i = 0; i < n; i++)
            if (!str_is_plain(p[i]) || strchr(" \"\\/?#@:", p[i])) {
                err_set(e, "\"%.80s\" is not a name", name);
                return NULL;
            }
        *at++ = (unsigned char)n;
        memcpy(at, p, n);
        at += n;
        p += n + (p[n] == '.');
    }
    *at++ = 0;
    return at;
}

size_t dns_question(unsigned char out[DNS_QUESTION_MAX], uint16_t id, const char *name,
                    unsigned type, struct err *e)
{
    memset(out, 0, DNS_QUESTION_MAX);
    put16(out, id);
    out[2] = BIT_RD;
    put16(out + 4, 1);
    unsigned char *at = put_name(out + HEAD, name, e);
    if (!at)
        return 0;
    at = put16(at, type);
    at = put16(at, ns_c_in);
    return (size_t)(at - out);
}

/* ---- Records as text ---- */

static void add_byte(struct buf *out, unsigned char c, const char *special)
{
    if (!str_is_plain((char)c))
        buf_printf(out, "\\%03u", (unsigned)c);
    else if (strchr(special, c))
        buf_printf(out, "\\%c", c);
    else
        buf_putc(out, (char)c);
}

/* A name at `*at`, which moves behind it; without a dot at the end, the root as one. */
static bool add_name(struct buf *out, const struct dns_message *m, size_t *at)
{
    char labels[DNS_NAME_SIZE];
    if (!dns_get_name(m, *at, labels, at))
        return false;
    if (!*labels)
        buf_putc(out, '.');
    for (const char *p = labels; *p; p += *p + 1) {
        if (p != labels)
            buf_putc(out, '.');
        for (int i = 1; i <= *p; i++)
            add_byte(out, (unsigned char)p[i], ".\\");
    }
    return true;
}

static unsigned long get32(const struct dns_message *m, size_t at)
{
    return (unsigned long)dns_get16(m, at) << 16 | dns_get16(m, at + 2);
}

static bool add_address(struct buf *out, const struct dns_message *m, const struct dns_record *r)
{
    char text[INET6_ADDRSTRLEN];
    bool v6 = r->type == ns_t_aaaa;
    if (r->len != (v6 ? 16 : 4))
        return false;
    inet_ntop(v6 ? AF_INET6 : AF_INET, m->data + r->at, text, sizeof text);
    buf_puts(out, text);
    return true;
}

/* Numbers of 16 bits, then a name. */
static bool add_service(struct buf *out, const struct dns_message *m, const struct dns_record *r,
                        size_t numbers)
{
    size_t at = r->at;
    if (r->len < 2 * numbers + 1)
        return false;
    for (size_t i = 0; i < numbers; i++, at += 2)
        buf_printf(out, "%u ", dns_get16(m, at));
    return add_name(out, m, &at) && at == r->at + r->len;
}

static bool add_soa(struct buf *out, const struct dns_message *m, const struct dns_record *r)
{
    size_t at = r->at, end = r->at + r->len;
    if (!add_name(out, m, &at))
        return false;
    buf_putc(out, ' ');
    if (at >= end || !add_name(out, m, &at) || at > end || end - at != 20)
        return false;
    for (; at < end; at += 4)
        buf_printf(out, " %lu", get32(m, at));
    return true;
}

/* The strings of a TXT record as one. */
static bool add_txt(struct buf *out, const struct dns_message *m, const struct dns_record *r)
{
    size_t at = r->at, end = r->at + r->len;
    while (at < end) {
        size_t n = m->data[at++];
        if (n > end - at)
            return false;
        for (; n > 0; n--)
            add_byte(out, m->data[at++], "\\");
    }
    return r->len > 0;
}

/* "0 issue letsencrypt.org" */
static bool add_caa(struct buf *out, const struct dns_message *m, const struct dns_record *r)
{
    const unsigned char *p = m->data + r->at;
    if (r->len < 2 || !p[1] || p[1] > r->len - 2)
        return false;
    size_t tag = p[1];
    buf_printf(out, "%u ", p[0]);
    for (size_t i = 2; i < r->len; i++) {
        if (i == 2 + tag)
            buf_putc(out, ' ');
        add_byte(out, p[i], "\\");
    }
    return true;
}

static bool add_record(struct buf *out, const struct dns_message *m, const struct dns_record *r)
{
    switch (r->type) {
    case ns_t_a:
    case ns_t_aaaa:
        return add_address(out, m, r);
    case ns_t_mx:
        return add_service(out, m, r, 1);
    case ns_t_srv:
        return add_service(out, m, r, 3);
    case ns_t_soa:
        return add_soa(out, m, r);
    case ns_t_txt:
        return add_txt(out, m, r);
    case TYPE_CAA:
        return add_caa(out, m, r);
    default:
        return add_service(out, m, r, 0);
    }
}

/* ---- The reply ---- */

static const char *error_name(unsigned code, char out[24])
{
    static const char *const names[] = {"NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN",
                                        "NOTIMP",  "REFUSED", "YXDOMAIN", "YXRRSET",
                                        "NXRRSET", "NOTAUTH", "NOTZONE"};
    if (code < ARRAY_LEN(names))
        snprintf(out, 24, "%s", names[code]);
    else
        snprintf(out, 24, "RCODE %u", code);
    return out;
}

/* Is it a reply, and to this question? An error may come without the question. */
static bool is_ours(const struct dns_message *question, const struct dns_message *reply)
{
    char ours[DNS_NAME_SIZE], theirs[DNS_NAME_SIZE];
    size_t a, b;
    if (reply->len < HEAD || dns_get16(reply, 0) != dns_get16(question, 0) ||
        (reply->data[2] & (BIT_QR | OPCODE)) != BIT_QR)
        return false;
    unsigned n = dns_get16(reply, 4);
    if (n == 0)
        return reply->data[3] & 0x0f;
    return n == 1 && dns_get_name(question, HEAD, ours, &a) &&
           dns_get_name(reply, HEAD, theirs, &b) && dns_same_name(ours, theirs) &&
           b + 4 <= reply->len && memcmp(question->data + a, reply->data + b, 4) == 0;
}

static enum dns_answer_is read_records(struct dns_answer *a, const struct dns_message *m,
                                       unsigned type)
{
    struct dns_answers answers;
    struct dns_record r;
    if (!dns_answers_begin(&answers, m->data, m->len))
        return DNS_ANSWER_BROKEN;
    if (type == ns_t_cname)
        memcpy(answers.name, answers.question, sizeof answers.name);
    while (dns_answers_next(&answers, type, &r)) {
        struct buf text;
        buf_init(&text, RECORDS_MAX);
        bool ok = add_record(&text, m, &r);
        if (ok && !text.failed && a->records.len + text.len + 1 <= RECORDS_MAX)
            buf_printf(&a->records, "%s\n", text.len ? text.data : "");
        else
            a->cut = true;
        buf_fini(&text);
        if (!ok)
            return DNS_ANSWER_BROKEN;
        a->n++;
    }
    if (a->n == 0 && dns_answers_are_open(&answers)) {
        snprintf(a->error, sizeof a->error, "an alias alone");
        return DNS_ANSWER_ERROR;
    }
    return a->n ? DNS_ANSWER_FOUND : DNS_ANSWER_NO_RECORD;
}

void dns_answer_read(struct dns_answer *a, const unsigned char *question, size_t question_len,
                     const unsigned char *data, size_t len)
{
    const struct dns_message ours = {question, question_len}, m = {data, len};
    *a = (struct dns_answer){.is = DNS_ANSWER_OTHER};
    buf_init(&a->records, RECORDS_MAX);
    if (!is_ours(&ours, &m))
        return;
    unsigned code = data[3] & 0x0f;
    a->authoritative = data[2] & BIT_AA;
    error_name(code, a->error);
    if (data[2] & BIT_TC) {
        a->is = DNS_ANSWER_CUT;
    } else if (dns_is_referral(data)) {
        snprintf(a->error, sizeof a->error, "a referral to others");
        a->is = DNS_ANSWER_ERROR;
    } else if (code == 0) {
        a->is = read_records(a, &m, dns_get16(&ours, question_len - 4));
    } else {
        a->is = code == 3 ? DNS_ANSWER_NO_NAME : DNS_ANSWER_ERROR;
    }
}

void dns_answer_fini(struct dns_answer *a)
{
    buf_fini(&a->records);
}
