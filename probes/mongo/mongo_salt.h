/* mongo_salt: the costly step of a SCRAM login, with what MongoDB makes of a password before it. */
#ifndef PROBE_MONGO_MONGO_SALT_H
#define PROBE_MONGO_MONGO_SALT_H

#include "scram/scram.h"

/* As scram_salt. */
int mongo_salt(struct scram_keys *keys, const char *user, const char *password);

#endif
