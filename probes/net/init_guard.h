/* init_guard: tells the temporary server of an image's init phase from the real one, where that is
 * reached by a Unix socket. On its first start an image runs a server of its own, without a
 * network, creates users and runs scripts, ends it and starts the real one:
 *
 *   docker-library/postgres  postgres ... -c listen_addresses= -p 5432
 *   docker-library/mysql     mysqld --daemonize --skip-networking --socket=PATH ...
 *   mariadb-docker           mariadbd --skip-networking --default-time-zone=SYSTEM --socket=PATH
 *                            --wsrep_on=OFF ..., also for an upgrade
 *   bitnami/mysql, mariadb   mysqld --defaults-file=... --bind-address=127.0.0.1 ...
 *                            --skip-replica-start (or --skip-slave-start) ...
 *   bitnami/postgresql       the same as the real one's: there is no sign. Until it is through, it
 *                            listens on loopback alone, which other containers cannot reach
 *
 * The sign is the command line of the very process that listens at the socket. Where that process
 * is not seen (another pid namespace), a server that one is logged in to can be asked. */
#ifndef PROBE_NET_INIT_GUARD_H
#define PROBE_NET_INIT_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* The key of types that have it. */
#define INIT_GUARD_KEY                                                                             \
    {                                                                                              \
        .name = "init_guard", .kind = KEY_CHOICE, .def = "auto", .choices = init_guard_choices,    \
        .doc = "auto: on a Unix socket the temporary server of an image's init phase is never "    \
               "healthy."                                                                          \
    }
enum { INIT_GUARD_OFF, INIT_GUARD_AUTO };
extern const char *const init_guard_choices[];

enum init_guard_server { INIT_GUARD_POSTGRES, INIT_GUARD_MYSQL };

enum init_guard_found { INIT_GUARD_CLEAR, INIT_GUARD_TEMPORARY, INIT_GUARD_UNSEEN };

#define INIT_GUARD_WORDS "the temporary server of the image's init phase"
#define INIT_GUARD_UNSEEN_WORDS                                                                    \
    "cannot tell whether it is " INIT_GUARD_WORDS                                                  \
    ": its process is not seen from here; expected a login, or init_guard = off"

/* A job of net/talk.h: reads the command line, which can block where that process is stuck. */
struct init_guard_look {
    enum init_guard_server server;
    int pid;                     /* 0: not seen */
    enum init_guard_found found; /* the result */
};
void init_guard_look(void *memory);

/* The arguments end in NUL each. */
bool init_guard_is_temporary(enum init_guard_server server, const char *cmdline, size_t len);

#endif
