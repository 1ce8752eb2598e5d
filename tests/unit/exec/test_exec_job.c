/* What the child of an exec check is told, and what it says where there is no program. Nothing of
 * strangers is parsed here: the job is our own, a command's words are those of fuzz_config, and
 * output is only shown and searched by a pattern (fuzz_pattern). So there is no fuzz target. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "exec/exec_conf.h"
#include "exec/exec_job.h"

static void test_job(void **state)
{
    static const char want[] = "u65534:65533\0a/bin/x\0atwo words\0a\0eA=b c";
    struct buf job;
    (void)state;
    buf_init(&job, EXEC_JOB_MAX);
    exec_job_begin(&job, &(struct exec_ids){true, 65534, 65533});
    exec_job_add_arg(&job, "/bin/x");
    exec_job_add_arg(&job, "two words");
    exec_job_add_arg(&job, "");
    exec_job_add_env(&job, "A=b c");
    assert_int_equal(job.len, sizeof want);
    assert_memory_equal(job.data, want, sizeof want);
    buf_reset(&job);
    exec_job_begin(&job, &(struct exec_ids){false, 1, 1}); /* it stays who we are */
    assert_int_equal(job.len, 0);
    buf_fini(&job);
}

static void test_job_that_is_too_long(void **state)
{
    struct buf job;
    (void)state;
    buf_init(&job, 16);
    exec_job_add_arg(&job, "more than sixteen bytes");
    assert_true(job.failed);
    buf_fini(&job);
}

static const char *failure_of(struct buf *output, const char *data, size_t len)
{
    buf_reset(output);
    assert_int_equal(buf_add(output, data, len), 0);
    return exec_job_failure(output);
}

static void test_failure(void **state)
{
    struct buf output;
    (void)state;
    buf_init(&output, 256);
    assert_null(exec_job_failure(&output));
    assert_string_equal(failure_of(&output, "\0no such file", 13), "no such file");
    assert_null(failure_of(&output, "no such file", 12));
    assert_null(failure_of(&output, "\0", 1));
    assert_null(failure_of(&output, "x\0y", 3));
    buf_fini(&output);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_job),
                                       cmocka_unit_test(test_job_that_is_too_long),
                                       cmocka_unit_test(test_failure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
