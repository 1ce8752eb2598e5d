/* Any bytes as the reply to a question: records or a word, within their bounds. The first byte says
 * which type was asked for; header and question of a real reply are in front of the rest where its
 * highest bit is set. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dns/dns_answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"A",   "AAAA", "CNAME", "MX",  "NS",
                                        "PTR", "SOA",  "SRV",   "TXT", "CAA"};
    static unsigned char reply[DNS_QUESTION_MAX + 4096];
    unsigned char question[DNS_QUESTION_MAX];
    struct dns_answer a;
    if (size < 5 || size > 4096)
        return 0;
    unsigned type = dns_type_number(types[(data[0] & 0x7f) % 10]);
    size_t len = dns_question(question, 0x6162, "name.test", type, NULL), n = 0;
    if (data[0] & 0x80) {
        memcpy(reply, question, len);
        memcpy(reply + 2, data + 1, 2); /* flags */
        reply[2] |= 0x80;
        reply[6] = 0;
        reply[7] = data[3]; /* answers */
        n = len;
    }
    memcpy(reply + n, data + 4, size - 4);
    n += size - 4;
    dns_answer_read(&a, question, len, reply, n);
    if ((a.is == DNS_ANSWER_FOUND) != (a.n > 0 && a.is != DNS_ANSWER_BROKEN))
        abort();
    if (a.records.len > 16 << 10 || (a.is == DNS_ANSWER_FOUND && !a.records.len && !a.cut))
        abort();
    for (size_t i = 0; i < a.records.len; i++)
        if (a.records.data[i] != '\n' && (a.records.data[i] < 0x20 || a.records.data[i] > 0x7e))
            abort();
    dns_answer_fini(&a);
    return 0;
}
