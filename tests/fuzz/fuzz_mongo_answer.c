/* Any bytes as the answer of the driver's child, which has met hostile bytes itself, and as a job
 * to it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mongo/mongo_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mongo_answer answer;
    struct mongo_job job;
    struct err e;
    bson_t doc;
    if (mongo_answer_decode(&answer, data, size, &e) == 0 &&
        (strlen(answer.detail) >= sizeof answer.detail || answer.reason >= REASON_COUNT))
        abort();
    if (mongo_job_decode(&job, &doc, data, size, &e) == 0 && strlen(job.uri) > size)
        abort();
    return 0;
}
