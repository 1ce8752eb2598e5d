/* The log on a pipe that nobody reads: nothing waits, and what was left out is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static int ends[2], stderr_kept;

static int open_pipe(void **state)
{
    (void)state;
    stderr_kept = dup(STDERR_FILENO);
    return pipe(ends) || dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

static int close_pipe(void **state)
{
    (void)state;
    dup2(stderr_kept, STDERR_FILENO);
    close(stderr_kept);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

/* What the pipe holds. malloc'd. */
static char *take(void)
{
    size_t size = 1 << 20, len = 0;
    char *text = malloc(size);
    assert_non_null(text);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    for (ssize_t n; (n = read(ends[0], text + len, size - len - 1)) > 0;)
        len += (size_t)n;
    text[len] = '\0';
    return text;
}

static void lines_of_every_length(void **state)
{
    (void)state;
    char *value = malloc(8192);
    assert_non_null(value);
    memset(value, 'x', 8191);
    value[8191] = '\0';
    struct log_field fields[] = {{"detail", value}, {NULL, NULL}};
    log_event(LOG_WARN, fields, "long");
    char *text = take();
    assert_int_equal(strlen(text), 4096); /* cut, and with its newline */
    assert_int_equal(text[4095], '\n');
    free(text);
    free(value);
}

static void nobody_reads(void **state)
{
    (void)state;
    alarm(30); /* it would hang */
    for (int i = 0; i < 20000; i++)
        log_warn("line %d", i);
    char *text = take();
    assert_null(strstr(text, "lost"));
    assert_null(strstr(text, "line 19999"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    free(text);
    log_warn("read again");
    text = take();
    const char *lost = strstr(text, " lines of the log are lost"),
               *next = strstr(text, "read again");
    assert_true(lost && next && lost < next);
    free(text);
    alarm(0);
}

static void reader_gone(void **state)
{
    (void)state;
    log_warn("to nobody");
    close(ends[0]);
    signal(SIGPIPE, SIG_IGN);
    log_warn("to nobody");
    ends[0] = dup(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_of_every_length, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(nobody_reads, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(reader_gone, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
