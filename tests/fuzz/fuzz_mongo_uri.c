/* Any text as a MongoDB connection string: what it is shown as names the same hosts, and never the
 * user or the password. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "mongo/mongo_uri.h"
#include "net/dial.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A host may be written with %XX, also the bytes that part a string; it is shown decoded. */
static bool is_simple(const char *host)
{
    return host[strspn(
               host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:")] == '\0';
}

static void look(const struct mongo_uri *u)
{
    struct mongo_uri shown;
    struct endpoint ep;
    struct err e;
    bool simple = !u->replica_set || is_simple(u->replica_set);
    if (u->n_hosts < 1 || u->n_hosts > MONGO_HOSTS_MAX)
        abort();
    for (size_t i = 0; i < u->n_hosts; i++) {
        simple &= is_simple(u->hosts[i]);
        if (!u->srv && endpoint_parse(&ep, u->hosts[i], 0, &e) == 0)
            endpoint_fini(&ep);
    }
    char *text = mongo_uri_redacted(u);
    if (text && simple) {
        if (mongo_uri_parse(&shown, text, NULL, NULL, &e) || shown.user || shown.password ||
            shown.n_hosts != u->n_hosts || shown.srv != u->srv)
            abort();
        for (size_t i = 0; i < u->n_hosts; i++)
            if (strcmp(shown.hosts[i], u->hosts[i]) != 0)
                abort();
        mongo_uri_fini(&shown);
    }
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mongo_uri u;
    struct err e;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    if (mongo_uri_parse(&u, text, NULL, NULL, &e) == 0)
        look(&u);
    else if (!e.text[0])
        abort();
    mongo_uri_fini(&u);
    free(text);
    return 0;
}
