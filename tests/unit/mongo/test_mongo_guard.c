/* The signs of the image's init phase, on a /proc that the test makes, and in the server's words.
 * The command lines are those that docker-library/mongo's docker-entrypoint.sh makes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/str.h"
#include "mongo/mongo_guard.h"

#define PIDFILE "/tmp/docker-entrypoint-temp-mongod.pid"
#define TEMPORARY                                                                                  \
    "mongod\0--bind_ip\0"                                                                          \
    "127.0.0.1\0--port\0"                                                                          \
    "27017\0--sslMode\0disabled\0--logappend\0--pidfilepath\0" PIDFILE "\0--fork\0"
#define REAL "mongod\0--auth\0--bind_ip_all\0"

#define LOOPBACK "127.0.0.1:27017"

static char root[] = "/tmp/probe-guard-XXXXXX";

static void put(const char *pid, const char *name, const char *data, size_t len)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", root, pid);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/%s/%s", root, pid, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, len, f), len);
    fclose(f);
}

/* `net`: NULL hides it, as from a process of another user; "" is ours. */
static void process(const char *pid, const char *comm, const char *cmdline, size_t len,
                    const char *net)
{
    char path[256], ours[64] = "";
    put(pid, "comm", comm, strlen(comm));
    put(pid, "cmdline", cmdline, len);
    if (!net)
        return;
    snprintf(path, sizeof path, "%s/%s/ns", root, pid);
    mkdir(path, 0755);
    strcat(path, "/net");
    assert_true(readlink("/proc/self/ns/net", ours, sizeof ours - 1) > 0);
    assert_int_equal(symlink(net[0] ? net : ours, path), 0);
}

static int make_root(void **state)
{
    (void)state;
    strcpy(root + strlen(root) - 6, "XXXXXX");
    return mkdtemp(root) ? 0 : -1;
}

static int drop_root(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", root);
    return system(command);
}

static void nothing_seen(void **state)
{
    (void)state;
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_ASK);
    assert_int_equal(mongo_guard_look("/nonexistent", LOOPBACK, 0), MONGO_GUARD_ASK);
    process("9", "bash\n", "bash\0" PIDFILE, 44, "");
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_ASK);
}

static void temporary_seen(void **state)
{
    (void)state;
    process("1", "bash\n", "bash\0docker-entrypoint.sh\0", 26, "");
    process("27", "mongod\n", TEMPORARY, sizeof TEMPORARY, "");
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_INIT);
    assert_int_equal(mongo_guard_look(root, "127.0.0.1:27018", 0), MONGO_GUARD_CLEAR);
    assert_int_equal(mongo_guard_look(root, "10.0.0.2:27017", 0), MONGO_GUARD_CLEAR);
}

/* Which server a Unix socket is of, its network does not tell: who listens there is looked at. */
static void unix_socket(void **state)
{
    (void)state;
    const char *address = "unix:///tmp/mongodb-27017.sock";
    process("27", "mongod\n", TEMPORARY, sizeof TEMPORARY, "net:[1]");
    process("28", "mongod\n", REAL, sizeof REAL, "");
    process("29", "socat\n", "socat", 6, "");
    assert_int_equal(mongo_guard_look(root, address, 27), MONGO_GUARD_INIT);
    assert_int_equal(mongo_guard_look(root, address, 28), MONGO_GUARD_CLEAR);
    assert_int_equal(mongo_guard_look(root, address, 29), MONGO_GUARD_ASK);
    assert_int_equal(mongo_guard_look(root, address, 0), MONGO_GUARD_ASK);
    assert_int_equal(mongo_guard_look(root, "unix:///tmp/mongodb-27018.sock", 27),
                     MONGO_GUARD_CLEAR);
}

/* The kernel takes some addresses for loopback that are not in 127.0.0.0/8. */
static void loopback(void **state)
{
    (void)state;
    static const char *const here[] = {
        "127.1.2.3:27017",          "0.0.0.0:27017",          "[::1]:27017",    "[::]:27017",
        "[::ffff:127.0.0.1]:27017", "[::ffff:0.0.0.0]:27017", "localhost:27017"};
    static const char *const elsewhere[] = {"10.0.0.1:27017", "[::ffff:10.0.0.1]:27017",
                                            "[::2]:27017", "0.0.0.0:27018"};
    for (size_t i = 0; i < ARRAY_LEN(here); i++)
        if (!mongo_guard_applies(here[i]))
            fail_msg("%s", here[i]);
    for (size_t i = 0; i < ARRAY_LEN(elsewhere); i++)
        if (mongo_guard_applies(elsewhere[i]))
            fail_msg("%s", elsewhere[i]);
}

static void temporary_of_another_network(void **state)
{
    (void)state;
    process("27", "mongod\n", TEMPORARY, sizeof TEMPORARY, "net:[1]");
    process("28", "mongod\n", REAL, sizeof REAL, "");
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_CLEAR);
}

/* It says nothing about who answers at our own loopback address. */
static void real_of_another_network(void **state)
{
    (void)state;
    process("28", "mongod\n", REAL, sizeof REAL, "net:[1]");
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_ASK);
}

static void temporary_of_unknown_network(void **state)
{
    (void)state;
    process("27", "mongod\n", TEMPORARY, sizeof TEMPORARY, NULL);
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_ASK);
}

static void real_seen(void **state)
{
    (void)state;
    process("1", "mongod\n", REAL, sizeof REAL, NULL);
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_CLEAR);
}

static void unreadable_command_line(void **state)
{
    (void)state;
    process("1", "mongod\n", "", 0, NULL);
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_ASK);
}

static void option_forms(void **state)
{
    (void)state;
    const char joined[] = "mongod\0--pidfilepath=" PIDFILE;
    const char other[] = "mongod\0--logpath\0" PIDFILE;
    const char last[] = "mongod\0--pidfilepath";
    process("1", "mongod\n", joined, sizeof joined, "");
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_INIT);
    put("1", "cmdline", other, sizeof other);
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_CLEAR);
    put("1", "cmdline", last, sizeof last);
    assert_int_equal(mongo_guard_look(root, LOOPBACK, 0), MONGO_GUARD_CLEAR);
}

/* The other images, and servers of nobody's init phase that look like it. */
static void other_images(void **state)
{
    (void)state;
#define ROW(init, text)                                                                            \
    {                                                                                              \
        text, sizeof text, init                                                                    \
    }
#define LOCAL                                                                                      \
    "--bind_ip\0"                                                                                  \
    "127.0.0.1\0"
    static const struct {
        const char *cmdline;
        size_t len;
        bool init;
    } rows[] = {
        ROW(true, "mongod\0" LOCAL "--tlsMode\0disabled\0--port\0"
                  "27017\0--logappend\0--logpath\0"
                  "/proc/1/fd/1\0--fork"),
        ROW(true, "mongod\0" LOCAL "--tlsMode\0disabled\0--logpath\0/data/log\0--fork"),
        ROW(true, "mongod\0--logpath=/proc/17/fd/1\0--fork"),
        ROW(true, "mongod\0--fork\0--logpath\0/data/db/docker-initdb.log"),
        ROW(true, "mongod\0--fork\0--config=/opt/bitnami/mongodb/conf/mongodb.conf"),
        ROW(true, "mongod\0-f\0/opt/bitnami/mongodb/conf/mongodb.conf\0--fork"),
        ROW(false, "mongod\0--config=/opt/bitnami/mongodb/conf/mongodb.conf"),
        ROW(false, "mongod\0--logpath\0/proc/1/fd/1\0--auth"),
        ROW(false, "mongod\0" LOCAL "--logpath\0/var/log/mongod.log\0--fork"),
        ROW(false, "mongod\0" LOCAL "--tlsMode\0disabled"),
        ROW(false, "mongod\0--bind_ip\0"
                   "0.0.0.0\0--tlsMode\0disabled\0--fork"),
        ROW(false, "mongod\0--fork\0--config\0/etc/mongod.conf"),
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        put("7", "cmdline", rows[i].cmdline, rows[i].len);
        if (i == 0)
            process("7", "mongod\n", rows[i].cmdline, rows[i].len, "");
        enum mongo_guard want = rows[i].init ? MONGO_GUARD_INIT : MONGO_GUARD_CLEAR;
        if (mongo_guard_look(root, LOOPBACK, 0) != want)
            fail_msg("row %zu", i);
    }
}

static void servers_words(void **state)
{
    (void)state;
    static const struct {
        const char *reply;
        bool init;
    } rows[] = {
        {"{\"argv\":[\"mongod\",\"--pidfilepath\",\"" PIDFILE "\",\"--fork\"],\"ok\":1}", true},
        {"{\"argv\":[\"mongod\",\"--bind_ip\",\"127.0.0.1\",\"--tlsMode\",\"disabled\",\"--fork\"],"
         "\"ok\":1}",
         true},
        {"{\"argv\":[\"mongod\",\"--bind_ip_all\"],\"ok\":1}", false},
        {"{\"argv\":[\"mongod\",7,null],\"ok\":1}", false},
        {"{\"argv\":\"" PIDFILE "\",\"ok\":1}", false},
        {"{\"ok\":0,\"code\":13}", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bson_t *doc = bson_new_from_json((const uint8_t *)rows[i].reply, -1, NULL);
        assert_non_null(doc);
        assert_int_equal(mongo_guard_is_init(doc), rows[i].init);
        bson_destroy(doc);
    }
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, make_root, drop_root)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(nothing_seen),
        CASE(temporary_seen),
        CASE(unix_socket),
        CASE(temporary_of_another_network),
        CASE(real_of_another_network),
        CASE(temporary_of_unknown_network),
        CASE(real_seen),
        CASE(unreadable_command_line),
        CASE(option_forms),
        CASE(other_images),
        cmocka_unit_test(loopback),
        cmocka_unit_test(servers_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
