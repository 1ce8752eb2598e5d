/* The service notification protocol, against a datagram socket as systemd's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "health/repeat.h"
#include "loop/notify.h"

static char name[64];

/* A receiver in the abstract namespace: no file to leave behind. */
static int receiver(void)
{
    snprintf(name, sizeof name, "@probe-test-%d", (int)getpid());
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path + 1, name + 1, strlen(name) - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name))),
                     0);
    return fd;
}

static void expect(int fd, const char *start)
{
    char text[256] = "";
    ssize_t n = recv(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    assert_memory_equal(text, start, strlen(start));
}

static void test_messages(void **state)
{
    (void)state;
    int fd = receiver();
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "20000000", 1);
    struct notify n;
    notify_open(&n);
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(n.watchdog_ns, 10 * NS_PER_S);
    notify_ready(&n, "2 probes");
    expect(fd, "READY=1\nSTATUS=2 probes");
    notify_reloading(&n);
    expect(fd, "RELOADING=1\nMONOTONIC_USEC=");
    notify_alive(&n);
    expect(fd, "WATCHDOG=1");
    notify_stopping(&n);
    expect(fd, "STOPPING=1");
    notify_close(&n);
    close(fd);
}

static void test_nobody_listens(void **state)
{
    (void)state;
    static const char *const names[] = {"", "x", "/", "@", "/no/such/socket", "relative"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        setenv("NOTIFY_SOCKET", names[i], 1);
        setenv("WATCHDOG_USEC", "1000000", 1);
        struct notify n;
        notify_open(&n);
        assert_int_equal(n.fd, -1);
        assert_int_equal(n.watchdog_ns, 0);
        notify_ready(&n, "");
        notify_close(&n);
    }
}

static void test_watchdog_of_another(void **state)
{
    (void)state;
    int fd = receiver();
    setenv("NOTIFY_SOCKET", name, 1);
    setenv("WATCHDOG_USEC", "1000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct notify n;
    notify_open(&n);
    assert_int_equal(n.watchdog_ns, 0);
    notify_close(&n);
    close(fd);
}

static void test_repeat(void **state)
{
    (void)state;
    const int64_t m = 60 * NS_PER_S;
    assert_false(repeat_is_due(10 * m, 10 * m, 10 * m + 59 * NS_PER_S));
    assert_true(repeat_is_due(10 * m, 10 * m + 59 * NS_PER_S, 11 * m));
    assert_false(repeat_is_due(10 * m, 11 * m, 12 * m));
    assert_true(repeat_is_due(10 * m, 14 * m, 15 * m));
    assert_true(repeat_is_due(0, 59 * m, 60 * m));
    assert_false(repeat_is_due(0, 61 * m, 119 * m));
    assert_true(repeat_is_due(0, 119 * m, 121 * m));
    /* The turn itself was said by the transition. */
    assert_false(repeat_is_due(10 * m, 9 * m, 10 * m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_watchdog_of_another),
        cmocka_unit_test(test_repeat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
