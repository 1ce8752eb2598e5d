/* mongo_uri: what a MongoDB connection string means. MongoDB's own driver says it, so that what an
 * application's driver takes is what a probe takes; only what that would drop without a word is
 * refused here. Pure: no name is looked up. It never prints a secret. */
#ifndef PROBE_MONGO_MONGO_URI_H
#define PROBE_MONGO_MONGO_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "mongo/mongo_prefer.h"

#define MONGO_HOSTS_MAX   50
#define MONGO_UNKNOWN_MAX 8

struct mongo_uri {
    char *text; /* for the driver, with the login of the keys in it; holds secrets */
    bool srv;
    char *srv_service; /* srvServiceName; NULL: none */
    int srv_max_hosts; /* 0: all */
    bool auth_source_given;
    char *hosts[MONGO_HOSTS_MAX]; /* "name:port", "[v6]:port" or "unix:///path", as endpoint_parse
                                     takes them; the name alone with srv */
    size_t n_hosts;
    char *user, *password; /* of the keys or the string; NULL: none */
    char *auth_db;         /* "admin" where none is given */
    char *auth_mechanism;  /* NULL: none given, or DEFAULT */
    char *replica_set, *ca_file, *cert_key_file, *key_password; /* NULL: none */
    int tls, direct, load_balanced;                             /* -1: not given, 0, 1 */
    bool uses_tls; /* tls is 1, or it is not given and another option implies it */
    struct mongo_prefer prefer;
    bool insecure;                    /* tlsInsecure, tlsAllowInvalidCertificates */
    bool any_hostname;                /* tlsAllowInvalidHostnames */
    char *unknown[MONGO_UNKNOWN_MAX]; /* names of options that the driver does not know */
    size_t n_unknown;
};

/* What the string's user info holds. */
struct mongo_userinfo {
    bool user, password;
};
struct mongo_userinfo mongo_uri_userinfo(const char *text);

/* `user` and `password` (NULL: none) stand in for what the string does not have. 0, or -1 with what
 * is wrong, which never quotes credentials. mongo_uri_fini in both cases. */
int mongo_uri_parse(struct mongo_uri *u, const char *text, const char *user, const char *password,
                    struct err *e);
void mongo_uri_fini(struct mongo_uri *u); /* wipes the secrets */

/* The text for the driver with the hosts "a:1,b:2" and the options "x=y&z=w" that a name of
 * mongodb+srv stands for. malloc'd, holds secrets; NULL: out of memory. */
char *mongo_uri_text(const struct mongo_uri *u, const char *hosts, const char *more);

/* As a part of a connection string: all but letters, digits and -._~ is written %XX. */
void mongo_uri_put_escaped(struct buf *b, const char *text);

/* "mongodb://a:27017,b:27017/?replicaSet=rs0": no credentials. malloc'd; NULL: out of memory. */
char *mongo_uri_redacted(const struct mongo_uri *u);

/* Does it name one server (or load balancer), to be judged by its own word? Else it names a
 * deployment. */
bool mongo_uri_is_direct(const struct mongo_uri *u);

#endif
