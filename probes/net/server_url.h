/* server_url: the URL of a server that one logs in to:
 * SCHEME://[USER[:PASSWORD]@]HOST[/PATH][?QUERY]. Pure: it connects to nothing and knows no
 * protocol. */
#ifndef PROBE_NET_SERVER_URL_H
#define PROBE_NET_SERVER_URL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

/* Owns its texts; each is NULL where the URL has no such part. All but `host` and `query` are
 * decoded. */
struct server_url {
    char *user, *password;
    char *host;  /* as it is written: "a:1", "[::1]:1", "a,b", "%2Frun%2Fx.sock" */
    char *path;  /* behind the slash */
    char *query; /* behind the question mark */
};

/* `text`: what follows "SCHEME://". The words never repeat what may be a secret. */
int server_url_parse(struct server_url *u, const char *text, struct err *e);
void server_url_fini(struct server_url *u); /* wipes the password; safe on a zeroed one */

/* %XX of the first `len` bytes decoded, malloc'd. NULL with the words: a broken escape, an escaped
 * NUL, out of memory. */
char *server_url_decode(const char *text, size_t len, struct err *e);

/* The next NAME=VALUE of a query, decoded, both the caller's to free; `*at` goes behind it. 0, 1 at
 * the end, -1 with the words. */
int server_url_option(const char **at, char **name, char **value, struct err *e);

#endif
