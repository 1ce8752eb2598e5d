/* server_conf: the keys of types whose target is a server by URL that one logs in to, and their
 * compiled form: where, who, and by which TLS. It connects to nothing. */
#ifndef PROBE_NET_SERVER_CONF_H
#define PROBE_NET_SERVER_CONF_H

#include <stdbool.h>

#include "base/endpoint.h"
#include "net/family.h"
#include "net/server_url.h"
#include "probe.h"
#include "tls/tls.h"

/* They come first in a type's table, in this order. */
#define SERVER_KEYS(uri_doc)                                                                       \
    {.name = "uri", .kind = KEY_TEXT, .flags = KEY_REQUIRED | KEY_MAY_HIDE, .doc = uri_doc},       \
        {.name = "user", .kind = KEY_TEXT, .doc = "User name, instead of one in the uri."},        \
        {.name = "password",                                                                       \
         .kind = KEY_TEXT,                                                                         \
         .flags = KEY_SECRET,                                                                      \
         .doc = "Password, instead of one in the uri."},                                           \
        TLS_KEYS,                                                                                  \
    {                                                                                              \
        .name = "family", .kind = KEY_CHOICE, .def = "any", .choices = family_choices,             \
        .doc = "The family of addresses to use: any, 4 or 6."                                      \
    }

enum {
    SERVER_KEY_URI,
    SERVER_KEY_USER,
    SERVER_KEY_PASSWORD,
    SERVER_KEY_TLS,
    SERVER_KEY_FAMILY = SERVER_KEY_TLS + TLS_KEY_COUNT,
    SERVER_KEY_COUNT
};

/* How TLS is come by; what a server says to a wish is the type's to judge. */
enum server_tls {
    SERVER_TLS_NO,
    SERVER_TLS_MAYBE, /* where the server has it, and any certificate then */
    SERVER_TLS_YES,
};

/* Owns its texts. */
struct server_conf {
    struct endpoint ep;
    char *user, *password; /* NULL: not given */
    char *path;            /* of the URL: a database; NULL: none */
    enum server_tls tls_use;
    bool any_certificate; /* set by an option: as tls_verify = no, and no warning */
    char *option_host;    /* set by an option, for a URL without a host: a name, or a folder */
    uint16_t option_port;
    struct tls_conf tls;
};

/* What a type says of its URLs. */
struct server_kind {
    const struct probe_scheme *schemes; /* one that ends in "+unix://" has a path for its host */
    const char *tls_scheme;             /* of them, the one that means TLS; NULL: none */
    bool tls_by_keys;                   /* a tls_ key turns TLS on */
    uint16_t port;
    const char *socket_name; /* below a folder that is the host, before the port; NULL: none */
    /* Takes an option of the query: 0, 1 when it is not known, -1 with the words. */
    int (*option)(struct server_conf *c, void *type_conf, const char *name, const char *value,
                  struct err *e);
};

/* Fills `c`, which is zeroed, and the line that names it without secrets; reports what is wrong.
 * 0, or -1: something was, and server_conf_fini is still owed. */
int server_conf_init(struct server_conf *c, void *type_conf, const struct server_kind *kind,
                     const struct probe_value *values, struct probe_report *report, char **target);
void server_conf_fini(struct server_conf *c);

/* The `dispose` of a type whose conf begins with its server_conf and owns nothing else. */
void server_conf_dispose(void *conf);

#endif
