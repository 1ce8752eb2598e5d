/* What a path may lead to, and who may have put it there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"

#define STRANGER 4242
#define ANOTHER  4243

static char dir[] = "/tmp/probe-file-XXXXXX";

/* The path of `name` in the test's folder: one of a few buffers. */
static const char *at(const char *name)
{
    static char paths[8][128];
    static unsigned next;
    char *path = paths[next++ % ARRAY_LEN(paths)];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void expect(const char *path, enum file_found wanted, const char *says)
{
    char *data;
    size_t len;
    struct err e = {.text = ""};
    enum file_found found = file_read(path, 100, &data, &len, NULL, &e);
    if (found != wanted || (wanted != FILE_OPEN && !strstr(e.text, says)))
        fail_msg("%s: %d, \"%s\"", path, (int)found, e.text);
    if (wanted == FILE_OPEN)
        assert_string_equal(data, says);
    else
        assert_null(data);
    free(data);
}

static void test_kinds(void **state)
{
    (void)state;
    char big[102];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    put(at("plain"), "text\n");
    put(at("empty"), "");
    put(at("long"), big);
    assert_int_equal(mkfifo(at("fifo"), 0600), 0);
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    snprintf(sa.sun_path, sizeof sa.sun_path, "%s", at("socket"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    close(fd);
    expect(at("plain"), FILE_OPEN, "text\n");
    expect(at("empty"), FILE_OPEN, "");
    expect(at("long"), FILE_WRONG, "is longer than");
    expect(at("fifo"), FILE_WRONG, "is a FIFO or pipe, expected a regular file");
    expect(at("socket"), FILE_WRONG, "is a socket");
    expect(dir, FILE_WRONG, "is a directory");
    expect("/dev/zero", FILE_WRONG, "is a device");
    expect(at("none"), FILE_NONE, "cannot be read: No such file");
    expect(at("plain/"), FILE_NONE, "Not a directory");
    expect(at("plain/x"), FILE_NONE, "Not a directory");
    expect("", FILE_NONE, "No such file");
    assert_int_equal(chdir(dir), 0);
    expect("plain", FILE_OPEN, "text\n");
    expect(".//plain", FILE_OPEN, "text\n");
}

static void test_links(void **state)
{
    (void)state;
    put(at("secret"), "secret");
    assert_int_equal(mkdir(at("..2026"), 0755), 0);
    put(at("..2026/key"), "key");
    /* As Kubernetes lays out a mounted secret. */
    assert_int_equal(symlink("..2026", at("..data")), 0);
    assert_int_equal(symlink("..data/key", at("key")), 0);
    expect(at("key"), FILE_OPEN, "key");
    assert_int_equal(symlink(at("secret"), at("absolute")), 0);
    expect(at("absolute"), FILE_OPEN, "secret");
    assert_int_equal(symlink(at("round"), at("round")), 0);
    expect(at("round"), FILE_FAILED, strerror(ELOOP));
    assert_int_equal(symlink(at("fifo"), at("to fifo")), 0);
    expect(at("to fifo"), FILE_WRONG, "is a FIFO");
    /* A descriptor of ours: only the kernel can follow it. */
    char path[32];
    int fd = open(at("secret"), O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    expect(path, FILE_OPEN, "secret");
    close(fd);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    expect(path, FILE_WRONG, "is a FIFO or pipe");
    close(ends[0]);
    close(ends[1]);
    struct stat st;
    struct err e;
    assert_int_equal(file_open(at("absolute"), FILE_NO_LINK, &fd, &st, &e), FILE_WRONG);
    assert_non_null(strstr(e.text, "is a symbolic link"));
    assert_int_equal(file_open(at("..data/key"), FILE_NO_LINK, &fd, &st, &e), FILE_OPEN);
    close(fd);
}

/* Somebody else's link leads only to his own file. */
static void test_strangers(void **state)
{
    (void)state;
    if (geteuid() != 0) {
        print_message("SKIPPED: needs root\n");
        skip();
    }
    put(at("his"), "his");
    assert_int_equal(chown(at("his"), STRANGER, STRANGER), 0);
    assert_int_equal(symlink(at("his"), at("his link")), 0);
    assert_int_equal(symlink(at("secret"), at("to ours")), 0);
    assert_int_equal(symlink(".", at("his folder")), 0);
    assert_int_equal(symlink(at("his link"), at("another's")), 0);
    assert_int_equal(lchown(at("his link"), STRANGER, STRANGER), 0);
    assert_int_equal(lchown(at("to ours"), STRANGER, STRANGER), 0);
    assert_int_equal(lchown(at("his folder"), STRANGER, STRANGER), 0);
    assert_int_equal(lchown(at("another's"), ANOTHER, ANOTHER), 0);
    expect(at("his link"), FILE_OPEN, "his");
    expect(at("to ours"), FILE_WRONG, "is reached by a symbolic link of user 4242");
    expect(at("his folder/his"), FILE_OPEN, "his");
    expect(at("his folder/secret"), FILE_WRONG, "is reached by a symbolic link of user 4242");
    expect(at("another's"), FILE_FAILED, strerror(ELOOP));
}

static void test_exposed(void **state)
{
    (void)state;
    struct err e;
    assert_int_equal(mkdir(at("open"), 0755), 0);
    put(at("open/file"), "x");
    if (file_expect_safe(at("open/file"), &e) < 0) {
        print_message("SKIPPED: %s\n", e.text);
        skip();
    }
    assert_int_equal(chmod(at("open"), 0777), 0);
    assert_int_equal(file_expect_safe(at("open/file"), &e), -1);
    assert_non_null(strstr(e.text, "/open can be written by everybody"));
    assert_int_equal(chmod(at("open"), 01777), 0); /* as /tmp */
    assert_int_equal(file_expect_safe(at("open/file"), &e), 0);
    assert_int_equal(chmod(at("open/file"), 0602), 0);
    assert_int_equal(file_expect_safe(at("open/file"), &e), -1);
    assert_non_null(strstr(e.text, "/open/file can be written by everybody"));
    assert_int_equal(chmod(at("open/file"), 0660), 0);
    assert_int_equal(file_expect_safe(at("open/file"), &e), 0);
    if (geteuid() == 0) {
        assert_int_equal(chown(at("open/file"), 0, STRANGER), 0);
        assert_int_equal(file_expect_safe(at("open/file"), &e), -1);
        assert_non_null(strstr(e.text, "/open/file can be written by group 4242"));
        assert_int_equal(chown(at("open"), STRANGER, 0), 0);
        assert_int_equal(file_expect_safe(at("open/file"), &e), -1);
        assert_non_null(strstr(e.text, "/open belongs to user 4242"));
    }
    assert_int_equal(file_expect_safe(at("nothing"), &e), 0);
}

static int make_dir(void **state)
{
    (void)state;
    umask(022);
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    return chdir("/") == 0 ? system(command) : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_exposed),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
