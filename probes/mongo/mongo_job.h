/* mongo_job: what the agent tells its driver child and what that answers, as BSON both ways. The
 * answer comes from a process that has met hostile bytes: it is read as hostile too. */
#ifndef PROBE_MONGO_MONGO_JOB_H
#define PROBE_MONGO_MONGO_JOB_H

#include <bson/bson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/reason.h"
#include "mongo/mongo_hello.h"

#define MONGO_JOB_MAX     262144
#define MONGO_ADDRESS_MAX 300

struct mongo_job {
    const char *uri;
    const char *ca, *cert, *key; /* NULL: none */
    bool tls, verify;
    bool direct;      /* that very member, whatever its role */
    bool init_guard;  /* ask a loopback server for its command line */
    int64_t require;  /* enum mongo_require */
    int64_t deadline; /* clock_now() time, the same clock in the child */
};

/* 0 or -1 (too long, out of memory). The buffer then holds secrets. */
int mongo_job_encode(struct buf *out, const struct mongo_job *job);

/* The strings point into `doc`, a view of the bytes at `data`. */
int mongo_job_decode(struct mongo_job *job, bson_t *doc, const void *data, size_t len,
                     struct err *e);

struct mongo_answer {
    enum reason reason; /* REASON_OK: hello and ping were answered right, `hello` holds */
    char detail[PROBE_DETAIL_MAX];
    char address[MONGO_ADDRESS_MAX]; /* of the server that was asked */
    bool refused_all;                /* gone: see probe_gone */
    struct mongo_hello hello;
};

/* `hello`: the server's reply; NULL: none. */
int mongo_answer_encode(struct buf *out, const struct mongo_answer *answer, const bson_t *hello);
int mongo_answer_decode(struct mongo_answer *answer, const void *data, size_t len, struct err *e);

#endif
