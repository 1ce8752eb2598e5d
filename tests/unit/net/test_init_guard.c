/* The command lines of the temporary servers, as their images' entrypoints make them, and of real
 * ones that are near. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/str.h"
#include "net/init_guard.h"

static void test_command_lines(void **state)
{
    static const struct {
        enum init_guard_server server;
        bool temporary;
        const char *line; /* "|" between the arguments */
    } cases[] = {
        {INIT_GUARD_POSTGRES, true,
         "/usr/lib/postgresql/16/bin/postgres|-c|listen_addresses=|-p|5432"},
        {INIT_GUARD_POSTGRES, true,
         "postgres|-D|/data|-c|shared_buffers=1GB|-c|listen_addresses=|-p|5432"},
        {INIT_GUARD_POSTGRES, true, "postgres|-c|listen_addresses=*|-c|listen_addresses=|-p|5432"},
        {INIT_GUARD_POSTGRES, false, "postgres"},
        {INIT_GUARD_POSTGRES, false, "postgres|-D|/data|-p|5432"},
        {INIT_GUARD_POSTGRES, false, "postgres|-c|listen_addresses=localhost|-p|5432"},
        {INIT_GUARD_POSTGRES, false, "postgres|-c|listen_addresses="},
        {INIT_GUARD_POSTGRES, false, "postgres|-c|listen_addresses=|-c|listen_addresses=*|-p|5432"},
        {INIT_GUARD_MYSQL, true,
         "mysqld|--daemonize|--skip-networking|--default-time-zone=SYSTEM|--socket=/run/x.sock"},
        {INIT_GUARD_MYSQL, true,
         "mariadbd|--skip-networking|--default-time-zone=SYSTEM|--socket=/run/"
         "x.sock|--wsrep_on=OFF"},
        {INIT_GUARD_MYSQL, true, "mysqld|--skip-networking|--daemonize|--socket=/run/x.sock"},
        {INIT_GUARD_MYSQL, true,
         "mysqld|--defaults-file=/opt/bitnami/mysql/conf/my.cnf|--basedir=/opt/bitnami/mysql|"
         "--socket=/x.sock|--bind-address=127.0.0.1|--skip-replica-start"},
        {INIT_GUARD_MYSQL, true, "mysqld|--bind-address=127.0.0.1|--user=mysql|--skip-slave-start"},
        {INIT_GUARD_MYSQL, false, "mysqld|--bind-address=127.0.0.1|--socket=/x.sock"},
        {INIT_GUARD_MYSQL, false, "mysqld|--bind-address=0.0.0.0|--skip-replica-start"},
        {INIT_GUARD_MYSQL, false, "mysqld"},
        {INIT_GUARD_MYSQL, false, "mysqld|--skip-networking"},
        {INIT_GUARD_MYSQL, false, "mysqld|--default-time-zone=SYSTEM"},
        {INIT_GUARD_MYSQL, false, ""},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char line[256];
        size_t n = 0;
        for (const char *p = cases[i].line; *p; p++)
            line[n++] = *p == '|' ? '\0' : *p;
        line[n++] = '\0';
        if (init_guard_is_temporary(cases[i].server, line, n) != cases[i].temporary)
            fail_msg("%s", cases[i].line);
    }
}

static void test_look(void **state)
{
    struct init_guard_look l = {.server = INIT_GUARD_MYSQL, .pid = (int)getpid()};
    (void)state;
    init_guard_look(&l);
    assert_int_equal(l.found, INIT_GUARD_CLEAR);
    l.pid = 0;
    init_guard_look(&l);
    assert_int_equal(l.found, INIT_GUARD_UNSEEN);
    l.pid = 0x7fffffff;
    init_guard_look(&l);
    assert_int_equal(l.found, INIT_GUARD_UNSEEN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_command_lines),
                                       cmocka_unit_test(test_look)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
