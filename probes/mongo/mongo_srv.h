/* mongo_srv: what a mongodb+srv string means once the records of its name are known: MongoDB's
 * specification "Initial DNS Seedlist Discovery". Pure but for the choice of srvMaxHosts, which is
 * random. */
#ifndef PROBE_MONGO_MONGO_SRV_H
#define PROBE_MONGO_MONGO_SRV_H

#include <stdint.h>

#include "mongo/mongo_conf.h"
#include "net/dns_records.h"

/* The names whose SRV and TXT records are asked for. 0, or -1: too long. */
int mongo_srv_names(const struct mongo_uri *u, char srv[DNS_NAME_SIZE], char txt[DNS_NAME_SIZE],
                    struct err *e);

/* A configuration as the records complete it. */
struct mongo_srv {
    struct mongo_conf conf; /* shares all but hosts, ep and the texts below with the one it is of */
    char *replica_set, *auth_db; /* from TXT; NULL: not there, or the string's own holds */
    char *driver_text;           /* conf.uri.text; NULL: no driver is needed */
    int64_t expires;             /* clock_now() at which the records have to be asked for again */
};

/* NULL, with what is wrong with the records. `conf` must stay as long as the result. */
struct mongo_srv *mongo_srv_new(const struct mongo_conf *conf, const struct dns_records *r,
                                struct err *e);
void mongo_srv_free(struct mongo_srv *s); /* NULL is fine */

#endif
