/* account: users of the machine's /etc/passwd. The C library's own lookup is not used: it would
 * load modules, and may ask a server over the network, which may hang. */
#ifndef PROBE_BASE_ACCOUNT_H
#define PROBE_BASE_ACCOUNT_H

#include <stdbool.h>

#include "base/err.h"

struct account {
    unsigned uid, gid;
};

/* "UID", whose gid is then the same number, or "UID:GID". */
bool account_parse(const char *text, struct account *out);

/* By its name. -1: the words, which hold the name. */
int account_find(const char *name, struct account *out, struct err *e);

#endif
