/* mongo_conf: the keys of the type `mongo` and their compiled form. Decides at load which way a
 * check goes: our own codec on the loop, or the driver in a child. It connects to nothing. */
#ifndef PROBE_MONGO_MONGO_CONF_H
#define PROBE_MONGO_MONGO_CONF_H

#include <stdbool.h>

#include "mongo/mongo_hello.h"
#include "mongo/mongo_uri.h"
#include "net/dial.h"
#include "probe.h"
#include "tls/tls.h"

/* How a connection logs in. */
enum mongo_login {
    MONGO_LOGIN_NONE,
    MONGO_LOGIN_AGREED, /* SCRAM, by the best hash that the server says the user has */
    MONGO_LOGIN_SCRAM_1,
    MONGO_LOGIN_SCRAM_256,
    MONGO_LOGIN_X509,
    MONGO_LOGIN_PLAIN,
    MONGO_LOGIN_DRIVER, /* GSSAPI, MONGODB-AWS */
};

struct mongo_conf {
    struct mongo_uri uri; /* with the login of the keys */
    enum mongo_login login;
    char *prepared;  /* the password for SCRAM-SHA-256 (SASLprep); NULL: none, or it cannot be */
    bool driver;     /* goes through the child */
    bool deployment; /* else one server, at `ep` */
    bool tls_on;
    struct tls_conf *tls;
    struct endpoint ep; /* of one server */
    struct mongo_wish wish;
    char *set_name; /* owns wish.set_name */
    bool init_guard;
    int family; /* 0 any, 4, 6 */
    char *target;
};

enum {
    MONGO_KEY_URI,
    MONGO_KEY_USER,
    MONGO_KEY_PASSWORD,
    MONGO_KEY_TLS,
    MONGO_KEY_REQUIRE = MONGO_KEY_TLS + TLS_KEY_COUNT,
    MONGO_KEY_SET_NAME,
    MONGO_KEY_MAX_LAG,
    MONGO_KEY_WARN_LAG,
    MONGO_KEY_MIN_MEMBERS,
    MONGO_KEY_INIT_GUARD,
    MONGO_KEY_FAMILY,
    MONGO_KEY_COUNT
};

extern const struct probe_key mongo_keys[MONGO_KEY_COUNT];

void *mongo_conf_prepare(const struct probe_value *values, struct probe_report *report,
                         char **target);
void mongo_conf_dispose(void *conf);

#endif
