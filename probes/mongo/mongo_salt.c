/* mongo_salt: see mongo_salt.h. */
#include "mongo/mongo_salt.h"

#include <stdlib.h>
#include <string.h>

#include "base/str.h"
#include "scram/login_hash.h"

/* With SCRAM-SHA-1 MongoDB's password is a digest in hex of its own older kind. */
int mongo_salt(struct scram_keys *k, const char *user, const char *password)
{
    char hex[LOGIN_HASH_HEX];
    if (k->hash != SCRAM_SHA_1)
        return scram_salt(k, password);
    char *head = str_format("%s:mongo:", user);
    bool ok = head && login_hash_md5(head, strlen(head), password, strlen(password), hex) == 0 &&
              scram_salt(k, hex) == 0;
    explicit_bzero(hex, sizeof hex);
    free(head);
    return ok ? 0 : -1;
}
