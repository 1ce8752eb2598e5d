/* Bodies of answers by themselves: what they say where memory is short, or where what they are
 * about is gone. */
#include "serve_bench.h"

#include "failing_heap.h"
#include "serve/internal.h"

static struct body make(struct facts *f, const char *name,
                        enum made (*more)(struct body *b, int64_t now))
{
    struct body b = {.facts = f, .name = (char *)(uintptr_t)name, .status = 200};
    b.generation = f->engine->generation;
    buf_init(&b.buf, 1024 * 1024);
    jsonw_init(&b.json, &b.buf);
    while (more(&b, clock_now()) == MADE_SOME && !b.failed && !b.buf.failed)
        ;
    return b;
}

/* One allocation fails: the next answer is whole again. */
static void test_metrics_after_a_lack_of_memory(void **state)
{
    struct bench b;
    size_t at = 0, failed = 0;
    bool again = true;
    (void)state;
    bench_open(&b, NULL, 200);
    struct facts *f = &b.serve->facts;
    while (again) {
        heap.made = 0;
        heap.at = ++at;
        struct body first = make(f, NULL, metrics_more);
        heap.at = 0;
        again = heap.made >= at;
        failed += first.failed || first.buf.failed;
        struct body second = make(f, NULL, metrics_more);
        assert_false(second.failed || second.buf.failed);
        assert_non_null(strstr(second.buf.data, "probe_healthy{name=\"p199\"} 0\n"));
        buf_fini(&first.buf);
        buf_fini(&second.buf);
        metrics_free(f->labels);
        f->labels = NULL;
    }
    assert_true(failed > 5);
    bench_close(&b);
}

/* One that was there when it was asked for; else there is none of that name. */
static void test_of_a_probe_that_is_gone(void **state)
{
    struct bench b;
    enum made (*const more[])(struct body * d, int64_t now) = {status_probe_more, page_probe_more};
    (void)state;
    bench_open(&b, NULL, 1);
    struct answer a = get(&b, "/probe/gone");
    assert_answer(a, 404, "no probe \"gone\"");
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        struct body d = make(&b.serve->facts, "gone", more[i]);
        assert_false(d.failed);
        assert_int_equal(d.status, 409);
        assert_string_equal(d.content_type, TYPE_TEXT);
        assert_string_equal(d.buf.data, "the probe was removed meanwhile\n");
        buf_fini(&d.buf);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_after_a_lack_of_memory),
        cmocka_unit_test(test_of_a_probe_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
