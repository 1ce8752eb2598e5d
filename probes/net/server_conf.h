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
#define SERVER_LOGIN_KEYS(uri_doc)                                                                 \
    {.name = "uri", .kind = KEY_TEXT, .flags = KEY_REQUIRED | KEY_MAY_HIDE, .doc = uri_doc},       \
        {.name = "user", .kind = KEY_TEXT, .doc = "User name, instead of one in the uri."},        \
        {.name = "password",                                                                       \
         .kind = KEY_TEXT,                                                                         \
         .flags = KEY_SECRET,                                                                      \
         .doc = "Password, instead of one in the uri."},                                           \
        TLS_KEYS
#define SERVER_KEYS(uri_doc) SERVER_LOGIN_KEYS(uri_doc), FAMILY_KEY(FAMILY_DOC)

/* What a server must be; the first of the words, "ping", is the default. */
#define SERVER_REQUIRE_KEY(words, require_doc)                                                     \
    {                                                                                              \
        .name = "require", .kind = KEY_CHOICE, .def = "ping", .choices = words, .doc = require_doc \
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
    SERVER_TLS_MAYBE, /* where the server has it */
    SERVER_TLS_ELSE,  /* where the server takes nobody without */
    SERVER_TLS_YES,
};

/* One of a kind's words for it. */
struct server_tls_mode {
    const char *name;
    enum server_tls use;
    bool any_certificate; /* as tls_verify = no, and no warning */
    bool any_name;        /* the certificate may be of any host */
    bool chain_by_file;   /* of any host, but verified, where the options name a file of CAs */
};

enum { SERVER_TLS_CA, SERVER_TLS_CERT, SERVER_TLS_KEY, SERVER_TLS_PASSWORD, SERVER_TLS_FILES };

/* An option that cannot be meant as the server's own clients mean it. */
struct server_refused {
    const char *name, *value; /* value NULL: with any */
    const char *words;        /* why, and what instead */
};

#define SERVER_HOSTS_MAX 32

/* Owns its texts. */
struct server_conf {
    struct endpoint ep;
    struct endpoint *others; /* further hosts, in their order, where a kind has several */
    size_t n_others;
    char *user, *password; /* NULL: not given */
    char *path;            /* of the URL: a database; NULL: none */
    enum server_tls tls_use;
    bool tls_by_default; /* nobody asked for it: it is the kind's own mode */
    /* Set by options: for a URL without a host a name or folder, or several; their ports; the files
     * of TLS, which give way to the keys; the system's CAs are named by name. */
    char *option_host, *option_port, *tls_files[SERVER_TLS_FILES];
    bool tls_system;
    struct tls_conf tls;
};

/* What a type says of its URLs. */
struct server_kind {
    const struct probe_scheme *schemes; /* one that ends in "+unix://" has a path for its host */
    const char *tls_scheme;             /* of them, the one that means TLS; NULL: none */
    bool tls_by_keys;                   /* a tls_ key turns TLS on */
    bool plain_sockets;                 /* TLS is never meant for a Unix socket */
    bool several;                       /* hosts, with commas between them */
    uint16_t port;
    const char *socket_name; /* below a folder that is the host, before the port; NULL: none */
    /* The options of the query that all have, by the kind's names: the mode of TLS (NULL: no such
     * options), its files, and what is refused; what compares their words. */
    const char *tls_option;
    const struct server_tls_mode *tls_modes;   /* ends with a NULL name */
    const struct server_tls_mode *tls_default; /* where nothing is said; NULL: none */
    const char *tls_files[SERVER_TLS_FILES];
    const char *system_cas; /* in place of the file of CAs: the system's; NULL: no such word */
    const struct server_refused *refused; /* ends with a NULL name; NULL: nothing */
    int (*same)(const char *a, const char *b);
    /* Takes another option of the query: 0, 1 when it is not known, -1 with the words. */
    int (*option)(struct server_conf *c, void *type_conf, const char *name, const char *value,
                  struct err *e);
};

/* Takes the text of an option: -1 with the words. What was there goes, and may be a secret. */
int server_conf_set(char **to, const char *value, struct err *e);

/* Fills `c`, which is zeroed, and the line that names it without secrets; reports what is wrong.
 * 0, or -1: something was. server_conf_done or _dispose is owed in both cases. */
int server_conf_init(struct server_conf *c, void *type_conf, const struct server_kind *kind,
                     const struct probe_value *values, struct probe_report *report, char **target);

/* The end of a type's `prepare`, whose conf begins with its server_conf and owns nothing else:
 * `conf`, or, where it is bad, NULL after all of it is given back. */
void *server_conf_done(void *conf, bool bad, char **target);

/* The `dispose` of a type whose conf begins with its server_conf and owns nothing else. */
void server_conf_dispose(void *conf);

#endif
