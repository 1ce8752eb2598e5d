/* dns_answer: the question to a name server, and what its reply says. Pure; the bytes of a reply
 * may be anything. */
#ifndef PROBE_DNS_DNS_ANSWER_H
#define PROBE_DNS_DNS_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

#define DNS_QUESTION_MAX (12 + 255 + 4)

/* The types of records that are known, by name; 0: it is none of them. */
unsigned dns_type_number(const char *name);
const char *dns_type_name(unsigned type);

/* The question for the records of that type, into `out`; its length. 0 with the words: the name is
 * none. */
size_t dns_question(unsigned char out[DNS_QUESTION_MAX], uint16_t id, const char *name,
                    unsigned type, struct err *e);

enum dns_answer_is {
    DNS_ANSWER_FOUND,
    DNS_ANSWER_NO_NAME,   /* NXDOMAIN */
    DNS_ANSWER_NO_RECORD, /* the name is there, without a record of the type */
    DNS_ANSWER_ERROR,     /* SERVFAIL, REFUSED, a referral, ...: `error` */
    DNS_ANSWER_CUT,       /* the server says that not all is in it (TC) */
    DNS_ANSWER_OTHER,     /* not the answer to this question */
    DNS_ANSWER_BROKEN,    /* it makes no sense */
};

struct dns_answer {
    enum dns_answer_is is;
    bool authoritative;
    char error[24];     /* "SERVFAIL" */
    size_t n;           /* records */
    struct buf records; /* their texts, one a line, of at most 16 KiB */
    bool cut;           /* there were more */
};

/* Reads a reply to `question`, a whole one of dns_question. dns_answer_fini is owed. */
void dns_answer_read(struct dns_answer *a, const unsigned char *question, size_t question_len,
                     const unsigned char *data, size_t len);
void dns_answer_fini(struct dns_answer *a);

#endif
