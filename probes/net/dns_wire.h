/* dns_wire: names and records of a DNS reply (RFC 1035 section 4), read in place. Pure; the bytes
 * may be anything. */
#ifndef PROBE_NET_DNS_WIRE_H
#define PROBE_NET_DNS_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DNS_NAME_SIZE 256

struct dns_message {
    const unsigned char *data;
    size_t len;
};

/* A record of the answer section. Names are kept as their labels, each after its length, in lower
 * case, so that a dot in one is no border; zeros behind, so that they are compared whole. */
struct dns_record {
    char name[DNS_NAME_SIZE];
    unsigned type, class;
    uint32_t ttl;
    size_t at, len; /* of its data, which is within the message */
};

/* The number at `at`, which is within the message with the byte behind it. */
unsigned dns_get16(const struct dns_message *m, size_t at);

/* The name at `at`; what follows it in the message is `*end`. False: it makes no sense. */
bool dns_get_name(const struct dns_message *m, size_t at, char out[DNS_NAME_SIZE], size_t *end);
bool dns_same_name(const char *a, const char *b);

/* Does the reply, of 12 bytes at least, only name other servers to ask? It has no record and no
 * error, and comes of a server that neither has the zone nor recurses (AA, RA). */
bool dns_is_referral(const unsigned char *data);

/* The records that answer the question: of the name in it, and of what its CNAMEs, in any order,
 * say that it stands for. */
struct dns_answers {
    struct dns_message m;
    char question[DNS_NAME_SIZE];
    char name[DNS_NAME_SIZE]; /* what the question's stands for; the owner may set it back */
    /* Private. */
    size_t at;
    unsigned left;
};

/* False: the reply makes no sense. */
bool dns_answers_begin(struct dns_answers *a, const unsigned char *data, size_t len);

/* The next record of that type; false: there are no more. */
bool dns_answers_next(struct dns_answers *a, unsigned type, struct dns_record *r);

/* Of a reply without more records: does it leave open what the alias in it stands for? It comes of
 * a server that does not recurse (RA), and no SOA says that there is no such record (RFC 2308
 * section 2.2). */
bool dns_answers_are_open(const struct dns_answers *a);

#endif
