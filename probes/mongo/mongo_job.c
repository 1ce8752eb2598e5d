/* mongo_job: see mongo_job.h. */
#include "mongo/mongo_job.h"

#include <string.h>

#include "base/str.h"
#include "mongo/mongo_wire.h"

static void put_text(bson_t *doc, const char *name, const char *value)
{
    if (value)
        bson_append_utf8(doc, name, -1, value, -1);
}

int mongo_job_encode(struct buf *out, const struct mongo_job *job)
{
    bson_t doc;
    bson_init(&doc);
    put_text(&doc, "uri", job->uri);
    put_text(&doc, "ca", job->ca);
    put_text(&doc, "cert", job->cert);
    put_text(&doc, "key", job->key);
    bson_append_bool(&doc, "tls", -1, job->tls);
    bson_append_bool(&doc, "verify", -1, job->verify);
    bson_append_bool(&doc, "direct", -1, job->direct);
    bson_append_bool(&doc, "initGuard", -1, job->init_guard);
    bson_append_int64(&doc, "require", -1, job->require);
    bson_append_int64(&doc, "deadline", -1, job->deadline);
    int rc = buf_add(out, bson_get_data(&doc), doc.len);
    explicit_bzero((void *)bson_get_data(&doc), doc.len);
    bson_destroy(&doc);
    return rc;
}

static const char *get_text(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_UTF8(&it)
               ? bson_iter_utf8(&it, NULL)
               : NULL;
}

static bool get_bool(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_BOOL(&it) && bson_iter_bool(&it);
}

static int64_t get_int(const bson_t *doc, const char *name)
{
    bson_iter_t it;
    return bson_iter_init_find(&it, doc, name) && BSON_ITER_HOLDS_INT64(&it) ? bson_iter_int64(&it)
                                                                             : -1;
}

int mongo_job_decode(struct mongo_job *job, bson_t *doc, const void *data, size_t len,
                     struct err *e)
{
    if (mongo_wire_document(doc, data, len, e))
        return -1;
    *job = (struct mongo_job){
        .uri = get_text(doc, "uri"),
        .ca = get_text(doc, "ca"),
        .cert = get_text(doc, "cert"),
        .key = get_text(doc, "key"),
        .tls = get_bool(doc, "tls"),
        .verify = get_bool(doc, "verify"),
        .direct = get_bool(doc, "direct"),
        .init_guard = get_bool(doc, "initGuard"),
        .require = get_int(doc, "require"),
        .deadline = get_int(doc, "deadline"),
    };
    if (!job->uri || job->deadline < 0 || job->require < 0 || job->require >= MONGO_REQUIRE_COUNT)
        return err_set(e, "not a job");
    return 0;
}

int mongo_answer_encode(struct buf *out, const struct mongo_answer *answer, const bson_t *hello)
{
    bson_t doc;
    bson_init(&doc);
    put_text(&doc, "reason", reason_name(answer->reason));
    put_text(&doc, "detail", answer->detail);
    put_text(&doc, "address", answer->address);
    bson_append_bool(&doc, "refusedAll", -1, answer->refused_all);
    if (hello)
        bson_append_document(&doc, "hello", -1, hello);
    int rc = buf_add(out, bson_get_data(&doc), doc.len);
    bson_destroy(&doc);
    return rc;
}

static void copy_text(const bson_t *doc, const char *name, char *out, size_t size)
{
    const char *text = get_text(doc, name);
    out[0] = '\0';
    if (text)
        strncat(out, text, size - 1);
    str_printable(out, size - 1);
}

static int decode_hello(struct mongo_answer *answer, const bson_t *doc, struct err *e)
{
    bson_iter_t it;
    bson_t hello;
    const uint8_t *data;
    uint32_t len;
    if (!bson_iter_init_find(&it, doc, "hello") || !BSON_ITER_HOLDS_DOCUMENT(&it))
        return err_set(e, "a success without a hello");
    bson_iter_document(&it, &len, &data);
    if (!bson_init_static(&hello, data, len) || !mongo_reply_ok(&hello))
        return err_set(e, "a success without a good hello");
    mongo_hello_read(&answer->hello, NULL, &hello);
    return 0;
}

int mongo_answer_decode(struct mongo_answer *answer, const void *data, size_t len, struct err *e)
{
    bson_t doc;
    memset(answer, 0, sizeof *answer);
    if (len == 0)
        return err_set(e, "no answer");
    if (mongo_wire_document(&doc, data, len, e))
        return -1;
    const char *word = get_text(&doc, "reason");
    int reason = word ? reason_from_name(word) : -1;
    if (reason < 0)
        return err_set(e, "an answer without a reason");
    answer->reason = (enum reason)reason;
    answer->refused_all = get_bool(&doc, "refusedAll");
    copy_text(&doc, "detail", answer->detail, sizeof answer->detail);
    copy_text(&doc, "address", answer->address, sizeof answer->address);
    return answer->reason == REASON_OK ? decode_hello(answer, &doc, e) : 0;
}
