/* What a driver child's end means: every way of it, with the reason it becomes. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"
#include "mongo/mongo_child_error.h"
#include "mongo/mongo_driver.h"
#include "mongo/mongo_job.h"

static struct buf reply;
static char target[] = "mongodb://a,b";
static const struct mongo_conf conf = {.target = target};

static void answer(enum reason reason, const char *detail, bool refused, const char *hello)
{
    struct mongo_answer a = {.reason = reason, .refused_all = refused, .address = "a:1"};
    strcpy(a.detail, detail);
    bson_t *doc = hello ? bson_new_from_json((const uint8_t *)hello, -1, NULL) : NULL;
    buf_init(&reply, MONGO_JOB_MAX);
    assert_int_equal(mongo_answer_encode(&reply, &a, doc), 0);
    if (doc)
        bson_destroy(doc);
}

static void expect(struct worker_result r, enum reason reason, const char *says, bool gone)
{
    char detail[PROBE_DETAIL_MAX];
    bool is_gone;
    r.reply = &reply;
    enum reason got = mongo_driver_verdict(&conf, &r, detail, &is_gone);
    if (got != reason || !strstr(detail, says) || is_gone != gone)
        fail_msg("%s: %s; wanted %s: %s", reason_name(got), detail, reason_name(reason), says);
    buf_fini(&reply);
}

static void answers(void **state)
{
    (void)state;
    const struct worker_result fine = {.outcome = WORKER_ENDED};
    answer(REASON_OK, "", false, "{\"isWritablePrimary\":true,\"maxWireVersion\":21,\"ok\":1}");
    expect(fine, REASON_OK, "ping ok from a:1, standalone", false);
    answer(REASON_OK, "", false, "{\"isWritablePrimary\":true,\"ok\":0}");
    expect(fine, REASON_PROTOCOL, "without a good hello", false);
    answer(REASON_OK, "", false, NULL);
    expect(fine, REASON_PROTOCOL, "without a hello", false);
    answer(REASON_REFUSED, "[connection refused]", true, NULL);
    expect(fine, REASON_REFUSED, "[connection refused]", true);
    answer(REASON_TIMEOUT, "too late", false, NULL);
    expect(fine, REASON_TIMEOUT, "too late", false);
    answer(REASON_TIMEOUT, "too late", false, NULL);
    expect((struct worker_result){.late = true}, REASON_INTERNAL, "max_workers", false);
    answer(REASON_AUTH, "no", false, NULL);
    expect((struct worker_result){.late = true}, REASON_AUTH, "no", false);
}

static void no_answers(void **state)
{
    (void)state;
    expect((struct worker_result){.outcome = WORKER_ENDED}, REASON_PROTOCOL, "no answer", false);
    expect((struct worker_result){.outcome = WORKER_FLOODED}, REASON_PROTOCOL, "without end",
           false);
    expect((struct worker_result){.outcome = WORKER_STARVED}, REASON_INTERNAL, "max_workers",
           false);
    expect((struct worker_result){.outcome = WORKER_FAILED, .error = {"no fork"}}, REASON_INTERNAL,
           "no fork", false);
    expect((struct worker_result){.exit_status = 1}, REASON_INTERNAL, "exit status 1", false);
    expect((struct worker_result){.term_signal = SIGSEGV}, REASON_PROTOCOL, "SIGSEGV", false);
    expect((struct worker_result){.term_signal = SIGABRT}, REASON_PROTOCOL, "SIGABRT", false);
    expect((struct worker_result){.term_signal = SIGKILL}, REASON_INTERNAL, "was killed", false);
    buf_init(&reply, 64);
    buf_puts(&reply, "garbage of the driver");
    expect((struct worker_result){.outcome = WORKER_ENDED}, REASON_PROTOCOL, "answered wrong",
           false);
}

/* The words are those of libmongoc 1.23. */
static void words(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        enum reason reason;
    } rows[] = {
        {"No suitable servers found (`serverSelectionTryOnce` set): "
         "[connection refused calling hello on 'a:1']",
         REASON_REFUSED},
        {"No suitable servers found (`serverSelectionTryOnce` set): [Failed to resolve 'x'] "
         "[connection refused calling hello on 'a:1']",
         REASON_REFUSED},
        {"No suitable servers found (`serverSelectionTryOnce` set): "
         "[connection timeout calling hello on 'a:1'] [connection refused calling hello on 'b:1']",
         REASON_TIMEOUT},
        {"No suitable servers found (`serverSelectionTryOnce` set): "
         "[socket timeout calling hello on 'a:1']",
         REASON_TIMEOUT},
        {"No suitable servers found (`serverSelectionTryOnce` set): [TLS handshake failed: "
         "certificate verify failed (20) calling hello on 'a:1']",
         REASON_TLS},
        {"Failed to look up SRV record \"_mongodb._tcp.x\": The specified host is unknown.",
         REASON_DNS},
        {"No suitable servers found (`serverSelectionTryOnce` set): "
         "[connection closed calling hello on 'a:1']",
         REASON_CLOSED},
        {"Invalid host \"a.b.test\" returned for service \"c.d.test\": host must be subdomain of "
         "service name",
         REASON_DNS},
        {"URI option \"tls\" prohibited in TXT record", REASON_DNS},
        {"something new", REASON_PROTOCOL},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const char *telling = mongo_child_words(rows[i].message);
        assert_int_equal(mongo_child_reason(0, 0, telling), rows[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(no_answers),
        cmocka_unit_test(words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
