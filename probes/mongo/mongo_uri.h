/* mongo_uri: reads a MongoDB connection string as far as a probe must know it: where to connect,
 * as whom, and whether the driver is needed. Strict and pure; it never prints a secret. The driver
 * gets the string itself.
 * Source: MongoDB's specifications "Connection String" and "URI Options". */
#ifndef PROBE_MONGO_MONGO_URI_H
#define PROBE_MONGO_MONGO_URI_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define MONGO_HOSTS_MAX   50
#define MONGO_UNKNOWN_MAX 8

struct mongo_uri {
    bool srv;
    char *hosts[MONGO_HOSTS_MAX]; /* "name:port", "[v6]:port" or "unix:///path", as endpoint_parse
                                     takes them; the name alone with srv */
    size_t n_hosts;
    char *user, *password; /* decoded; NULL: none */
    char *auth_db;         /* authSource, else the path's database; NULL: none given */
    char *auth_mechanism, *replica_set, *ca_file, *cert_key_file, *key_password; /* NULL: none */
    int tls, direct, load_balanced;   /* -1: not given, 0, 1 */
    bool insecure;                    /* tlsInsecure, tlsAllowInvalidCertificates */
    bool any_hostname;                /* tlsAllowInvalidHostnames */
    char *unknown[MONGO_UNKNOWN_MAX]; /* names of options that no driver knows */
    size_t n_unknown;
};

/* 0, or -1 with what is wrong, which never quotes credentials. mongo_uri_fini in both cases. */
int mongo_uri_parse(struct mongo_uri *u, const char *text, struct err *e);
void mongo_uri_fini(struct mongo_uri *u); /* wipes the password */

/* "mongodb://a:27017,b:27017/?replicaSet=rs0": no credentials. malloc'd; NULL: out of memory. */
char *mongo_uri_redacted(const struct mongo_uri *u);

/* Does it name one server, to be judged as that very member? Else it names a deployment. */
bool mongo_uri_is_direct(const struct mongo_uri *u);

#endif
