/* mysql_exchange: what is said to a MySQL or MariaDB server for one check, and what its packets
 * mean. Bytes in, bytes out.
 *
 *   on a Unix socket the look at who listens (init_guard); the greeting; TLS where it is wanted;
 * the login; COM_PING; one query where more is required; COM_QUIT.
 *
 * The handshake is always finished: a server counts the handshakes of a host that are cut, and
 * blocks the host after max_connect_errors of them. A refused login is not counted. */
#ifndef PROBE_MYSQL_MYSQL_EXCHANGE_H
#define PROBE_MYSQL_MYSQL_EXCHANGE_H

#include "net/init_guard.h"
#include "net/server_conf.h"
#include "net/talk.h"

enum mysql_require {
    MYSQL_REQUIRE_PING,
    MYSQL_REQUIRE_LOGIN,
    MYSQL_REQUIRE_WRITABLE,
    MYSQL_REQUIRE_COUNT
};

struct mysql_conf {
    struct server_conf server; /* first: server_conf_dispose */
    enum mysql_require require;
    bool init_guard;
    bool any_key; /* a key of the server's own may seal the password, whoever sends it */
};

/*  step      what is awaited                                    next
 *  MY_LOOK   the look at the process that listens               MY_GREETING
 *  MY_GREETING                                                  MY_TLS, MY_LOGIN
 *  MY_TLS    the handshake of TLS                               MY_LOGIN
 *  MY_LOGIN  OK, an error, or what else the server wants of it  MY_KEY, MY_PING
 *  MY_KEY    the server's key, for a password without TLS       MY_LOGIN
 *  MY_PING   OK to COM_PING                                     MY_QUERY
 *  MY_QUERY  the columns, then the row */
enum mysql_step { MY_LOOK, MY_GREETING, MY_TLS, MY_LOGIN, MY_KEY, MY_PING, MY_QUERY };

#define MYSQL_NONCE   20
#define MYSQL_COLUMNS 3

/* A run: `talk.run.conf` is a struct mysql_conf. */
struct mysql_run {
    struct talk talk;
    enum mysql_step step;
    struct init_guard_look look;
    unsigned char nonce[MYSQL_NONCE];
    char plugin[32];    /* of the login */
    char version[48];   /* of the server, for the detail */
    unsigned char next; /* the number of our next packet */
    unsigned n_said;    /* packets of the login */
    unsigned ends;      /* of the two that a result has, seen so far */
    bool row;
    char columns[MYSQL_COLUMNS][16];
};

extern const struct talk_rules mysql_rules;

#endif
