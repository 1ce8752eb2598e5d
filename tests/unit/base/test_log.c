/* The log on a pipe that nobody reads: nothing waits, and what was left out is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

static int ends[2], stderr_kept;

static int open_pipe(void **state)
{
    (void)state;
    stderr_kept = dup(STDERR_FILENO);
    return pipe(ends) || dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
}

/* The same with a terminal; raw, so that what is read is what was written. */
static int open_terminal(void **state)
{
    (void)state;
    struct termios raw;
    stderr_kept = dup(STDERR_FILENO);
    ends[0] = posix_openpt(O_RDWR | O_NOCTTY);
    if (ends[0] < 0 || grantpt(ends[0]) < 0 || unlockpt(ends[0]) < 0)
        return -1;
    ends[1] = open(ptsname(ends[0]), O_RDWR | O_NOCTTY);
    if (ends[1] < 0 || tcgetattr(ends[1], &raw) < 0)
        return -1;
    cfmakeraw(&raw);
    return tcsetattr(ends[1], TCSANOW, &raw) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ? -1 : 0;
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
    struct log_field fields[] = {{.key = "detail", .value = value}, {.key = NULL}};
    log_event(LOG_WARN, fields, "long");
    char *text = take();
    assert_non_null(strstr(text, "xxx...\n")); /* cut, and with its end */
    free(text);
    free(value);
}

/* Of any length and content a line is one JSON object, and fits what a pipe takes whole. */
static void json_of_every_length(void **state)
{
    (void)state;
    static const char *const fillings[] = {"x", "\"", "\x01", "\xd8\x9c", "\xf0\x9f\x9f\xa2", "\n"};
    log_setup(true, LOG_INFO);
    for (size_t f = 0; f < sizeof fillings / sizeof *fillings; f++)
        for (size_t times = 1; times < 3000; times = times * 3 / 2 + 1) {
            struct buf value;
            buf_init(&value, 1 << 16);
            for (size_t i = 0; i < times; i++)
                buf_puts(&value, fillings[f]);
            struct log_field fields[] = {{.key = "detail", .value = value.data},
                                         {.key = "from", .value = value.data},
                                         {.key = NULL}};
            log_event(LOG_WARN, fields, "%s", value.data);
            char *text = take();
            json_t *line = json_loads(text, 0, NULL);
            assert_true(strlen(text) <= 4096 && text[strlen(text) - 1] == '\n');
            assert_true(json_is_string(json_object_get(line, "detail")));
            json_decref(line);
            free(text);
            buf_fini(&value);
        }
    log_setup(false, LOG_INFO);
}

static void numbers_are_numbers(void **state)
{
    (void)state;
    const struct log_field fields[] = {
        {.key = "reason", .value = NULL},
        {.key = "failing_streak", .kind = LOG_COUNT, .number = 0},
        {.key = "duration_ms", .kind = LOG_MS, .number = 1250000},
        {.key = NULL},
    };
    log_event(LOG_WARN, fields, "healthy");
    char *text = take();
    assert_non_null(strstr(text, " level=warn msg=healthy failing_streak=0 duration_ms=1.250\n"));
    free(text);
    log_setup(true, LOG_INFO);
    log_event(LOG_WARN, fields, "healthy");
    log_setup(false, LOG_INFO);
    text = take();
    assert_non_null(
        strstr(text, "\"msg\":\"healthy\",\"failing_streak\":0,\"duration_ms\":1.250}\n"));
    free(text);
}

static void nobody_reads(void **state)
{
    (void)state;
    alarm(30); /* it would hang */
    for (int i = 0; i < 20000; i++)
        log_warn("line %d", i);
    /* A terminal takes a line now and then, when the kernel gets to it. */
    char *text = take();
    assert_true(strlen(text) < 20000 * strlen("line 0"));
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
        cmocka_unit_test_setup_teardown(json_of_every_length, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(numbers_are_numbers, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(nobody_reads, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(nobody_reads, open_terminal, close_pipe),
        cmocka_unit_test_setup_teardown(reader_gone, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
