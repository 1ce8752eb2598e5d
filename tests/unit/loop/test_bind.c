/* The listening sockets: what is bound, what is refused and in which words, what is removed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"
#include "loop/bind.h"

static char dir[64], path[96];

static int setup(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/test_bind.XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/s.sock", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

static void test_bad_addresses(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        /* endpoint_parse_listen's own test has the rest */
        {"127.0.0.1", "no port"},
        {"127.0.0.1:0", "0"},
        {"myhost:9797", "\"myhost\" is no IP address"},
        {"192.0.2.1:9797", "this machine does not have that address"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err e;
        int fd = bind_tcp(cases[i].text, -1, &e);
        if (fd >= 0 || !strstr(e.text, cases[i].says))
            fail_msg("\"%s\": expected \"%s\", got %d \"%s\"", cases[i].text, cases[i].says, fd,
                     fd < 0 ? e.text : "");
    }
}

static void test_good_addresses(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost", "[::1]", "",
                                        "*",         "0.0.0.0",   "[::]"};
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(hosts); i++) {
        /* A free port: asked for by a socket that is then closed. */
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
        socklen_t len = sizeof a;
        int spare = socket(AF_INET, SOCK_STREAM, 0);
        char text[64];
        struct err e;
        assert_int_equal(bind(spare, (struct sockaddr *)&a, len), 0);
        assert_int_equal(getsockname(spare, (struct sockaddr *)&a, &len), 0);
        close(spare);
        snprintf(text, sizeof text, "%s:%d", hosts[i], ntohs(a.sin_port));
        int fd = bind_tcp(text, -1, &e);
        if (fd < 0)
            fail_msg("%s", e.text);
        int again = bind_tcp(text, -1, &e);
        assert_int_equal(again, -1);
        assert_non_null(strstr(e.text, text));
        assert_non_null(strstr(e.text, "the port is in use by another program"));
        if (!*hosts[i]) { /* both families */
            int c = socket(AF_INET, SOCK_STREAM, 0);
            assert_int_equal(connect(c, (struct sockaddr *)&a, sizeof a), 0);
            close(c);
        }
        close(fd);
    }
}

/* How many names the folder has. */
static void assert_files(int expected)
{
    int n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *entry; (entry = readdir(d));)
        n += entry->d_name[0] != '.' || entry->d_name[1] == 'p';
    closedir(d);
    assert_int_equal(n, expected);
}

static void test_socket(void **state)
{
    struct bind_id id, id2;
    struct err e;
    struct stat st;
    (void)state;
    int fd = bind_unix(path, 0660, NULL, 0, &id, &e);
    assert_true(fd >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_files(1); /* the name that it was made under is gone */
    assert_int_equal(bind_unix(path, 0600, NULL, 0, &id2, &e), -1);
    assert_non_null(strstr(e.text, "another agent answers there"));
    /* Dead: replaced. */
    close(fd);
    fd = bind_unix(path, 0600, NULL, 0, &id2, &e);
    assert_true(fd >= 0);
    /* The first one's end leaves the second one's socket. */
    if (id.ino != id2.ino) {
        bind_unlink(path, &id);
        assert_int_equal(access(path, F_OK), 0);
    }
    bind_unlink(path, &id2);
    assert_int_equal(access(path, F_OK), -1);
    close(fd);
}

static void test_socket_refused(void **state)
{
    char bad[200];
    struct bind_id id;
    struct err e;
    (void)state;
    snprintf(bad, sizeof bad, "%s/none/s.sock", dir);
    assert_int_equal(bind_unix(bad, 0600, NULL, 0, &id, &e), -1);
    assert_non_null(strstr(e.text, "/none does not exist"));
    memset(bad, 'a', 150);
    bad[0] = '/';
    bad[150] = '\0';
    assert_int_equal(bind_unix(bad, 0600, NULL, 0, &id, &e), -1);
    assert_non_null(strstr(e.text, "too long: at most 107 bytes"));
    FILE *f = fopen(path, "w");
    fclose(f);
    assert_int_equal(bind_unix(path, 0600, NULL, 0, &id, &e), -1);
    assert_non_null(strstr(e.text, "a file that is no socket is there"));
    assert_int_equal(access(path, F_OK), 0);
}

/* The agent's own is replaced while it answers: a changed mode at a reload. */
static void test_own_socket_replaced(void **state)
{
    struct bind_id id, id2;
    struct err e;
    struct stat st;
    (void)state;
    int first = bind_unix(path, 0600, NULL, 0, &id, &e);
    assert_true(first >= 0);
    int second = bind_unix(path, 0666, &id, 0, &id2, &e);
    assert_true(second >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0666);
    assert_int_equal(st.st_ino, id2.ino);
    bind_unlink(path, &id);
    assert_int_equal(access(path, F_OK), 0);
    bind_unlink(path, &id2);
    close(first);
    close(second);
}

/* Two at once, many times, over nothing and over a dead socket: one gets it, and the path is its.
 */
static void test_two_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct bind_id id;
        struct err e;
        int go[2], had;
        char byte = 0;
        if (round % 2) {
            close(bind_unix(path, 0600, NULL, 0, &id, &e));
        }
        assert_int_equal(pipe(go), 0);
        pid_t other = fork();
        if (other == 0) {
            close(go[1]);
            had = read(go[0], &byte, 1) == 0 && bind_unix(path, 0600, NULL, 1000, &id, &e) >= 0;
            if (had)
                pause();
            _exit(1);
        }
        close(go[0]);
        close(go[1]);
        int fd = bind_unix(path, 0600, NULL, 1000, &id, &e);
        int status = 0;
        if (fd >= 0) {
            assert_int_equal(waitpid(other, &status, 0), other);
            assert_int_equal(WEXITSTATUS(status), 1);
        }
        struct sockaddr_un addr = {.sun_family = AF_UNIX};
        memcpy(addr.sun_path, path, strlen(path));
        int client = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(client, (struct sockaddr *)&addr, sizeof addr), 0);
        close(client);
        if (fd < 0) {
            kill(other, SIGKILL);
            waitpid(other, &status, 0);
        }
        close(fd);
        unlink(path);
    }
}

/* One that was left half made is no obstacle, a path of the greatest length neither, and a folder
 * that another start has locked is waited for, but not for ever. */
static void test_socket_made_aside(void **state)
{
    struct bind_id id;
    struct err e;
    char left[96], folder[128], longest[144];
    (void)state;
    snprintf(left, sizeof left, "%s/.probe.new", dir);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, left, strlen(left));
    int dead = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof addr), 0);
    close(dead);
    int lock = open(dir, O_RDONLY);
    assert_int_equal(flock(lock, LOCK_EX), 0);
    assert_int_equal(bind_unix(path, 0600, NULL, 2, &id, &e), -1);
    assert_non_null(strstr(e.text, "another agent starts in"));
    close(lock);
    int fd = bind_unix(path, 0600, NULL, 0, &id, &e);
    assert_true(fd >= 0);
    assert_files(1);
    bind_unlink(path, &id);
    close(fd);

    int n = snprintf(folder, sizeof folder, "%s/", dir);
    memset(folder + n, 'f', 105 - (size_t)n);
    folder[105] = '\0';
    assert_int_equal(mkdir(folder, 0700), 0);
    snprintf(longest, sizeof longest, "%s/s", folder);
    fd = bind_unix(longest, 0600, NULL, 0, &id, &e);
    if (fd < 0)
        fail_msg("%s", e.text);
    bind_unlink(longest, &id);
    close(fd);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_addresses),
        cmocka_unit_test(test_good_addresses),
        cmocka_unit_test_setup_teardown(test_socket, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_two_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_own_socket_replaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_socket_made_aside, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
