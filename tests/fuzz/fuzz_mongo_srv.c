/* Any text as the TXT record of a mongodb+srv name, with a target that is the input's first line:
 * what is made of it leads below the name's own domain, sets nothing but what TXT may, and never
 * what the string says itself. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mongo/mongo_srv.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct mongo_srv *s)
{
    const struct mongo_uri *u = &s->conf.uri;
    size_t len = u->n_hosts == 1 ? strlen(u->hosts[0]) : 0;
    if (len < sizeof ".shop.test:1" ||
        strcasecmp(u->hosts[0] + len - strlen(".shop.test:1"), ".shop.test:1") != 0)
        abort();
    if (strcmp(u->replica_set, "own") != 0 || !u->auth_db[0] || u->load_balanced == 1)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mongo_conf conf;
    struct dns_srv srv = {.port = 1};
    struct err e;
    if (!conf.uri.text &&
        mongo_uri_parse(&conf.uri, "mongodb+srv://db.shop.test/?replicaSet=own", NULL, NULL, &e))
        abort();
    const uint8_t *line = memchr(data, '\n', size);
    size_t target = line ? (size_t)(line - data) : 0;
    if (!line || target >= sizeof srv.target)
        return 0;
    memcpy(srv.target, data, target);
    char *txt = strndup((const char *)line + 1, size - target - 1);
    const struct dns_records r = {.n_srv = 1, .srv = &srv, .n_txt = 1, .txt = txt, .ttl = 1};
    struct mongo_srv *s = txt ? mongo_srv_new(&conf, &r, &e) : NULL;
    if (s)
        check(s);
    mongo_srv_free(s);
    free(txt);
    return 0;
}
